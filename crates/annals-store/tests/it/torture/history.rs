//! Histories full of near-misses: what a store on a disk and the store in memory answer is compared with a plain list.
//!
//! Appends, conditions and questions are made of what is there already: tags that begin alike, two of which occur together
//! and two that do not; positions right before, at and behind an event in question; ids again, in the same company and
//! in other; revisions one off. The store is opened anew now and then, and its index has many small files. Every query is
//! answered by the index, in pages of any size and in both directions, and by a scan.
//!
//! `ANNALS_MODEL_HISTORIES` says how many (60), `ANNALS_MODEL_SEED` which is the first (1).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use annals_core::condition::{Condition, Conflict};
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, RecordedEvent, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark as StoredMark, MarkKey};
use annals_core::port::store::{Append, Direction, EventStore, Read};
use annals_core::position::{Position, Revision};
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::{Clock, Timestamp};
use annals_store::disk::sim::SimDisk;
use annals_store::disk::sim::chance::Chance;
use annals_store::{EmbeddedStore, MemoryStore};
use uuid::Uuid;

use super::marks::{self, Harness, Mark, reached, reached_if};
use super::oracle::{Model, Verdict};
use super::workload::{PART_EVENTS, StepClock, ask, compare, now, open};
use super::{number_from, tried, tried_so_far};

/// Groups of one history.
const STEPS: u64 = 40;
/// Questions at its end.
const LAST_QUESTIONS: u64 = 30;
/// Fewer histories than this need not reach every mark.
const FULL_HISTORIES: u64 = 400;

const TAGS: [&str; 9] = [
    "order:1",
    "order:10",
    "order:11",
    "order:2",
    "ord:1",
    "sku:1",
    "sku:11",
    "sku:2",
    "customer:1",
];
const TYPES: [&str; 4] = ["paid", "paid.late", "pai", "sent"];

struct History {
    chance: Chance,
    disk: SimDisk,
    clock: Arc<StepClock>,
    store: EmbeddedStore,
    memory: MemoryStore,
    model: Model,
    next_id: u64,
    /// Appends that were taken, and how often the store had been opened then.
    taken: Vec<(Append, u64)>,
    opened: u64,
}

fn pick<'a, T>(chance: &mut Chance, all: &'a [T]) -> Option<&'a T> {
    all.get(chance.below(all.len() as u64) as usize)
}

fn some_tag(chance: &mut Chance) -> Tag {
    Tag::new(TAGS[chance.below(TAGS.len() as u64) as usize]).unwrap()
}

fn some_type(chance: &mut Chance) -> EventType {
    EventType::from_static(TYPES[chance.below(TYPES.len() as u64) as usize])
}

fn some_correlation(chance: &mut Chance) -> CorrelationId {
    CorrelationId::from_uuid(Uuid::from_u128(u128::from(chance.below(4)) << 64 | 7))
}

fn some_key(chance: &mut Chance) -> MarkKey {
    let space = ["a", "ab"][chance.below(2) as usize];
    MarkKey::new(space, ["m", "m1", "m10", "n"][chance.below(4) as usize])
}

impl History {
    fn new(seed: u64) -> Result<Self, String> {
        let (disk, clock) = (SimDisk::new(seed), Arc::new(StepClock::default()));
        Ok(Self {
            chance: Chance::new(seed),
            store: open(&disk, clock.clone()).map_err(|error| error.to_string())?,
            memory: MemoryStore::with_clock(clock.clone()),
            disk,
            clock,
            model: Model::default(),
            next_id: 0,
            taken: Vec::new(),
            opened: 0,
        })
    }

    fn work(&mut self) -> Result<(), String> {
        for _ in 0..STEPS {
            self.clock.go_on(&mut self.chance);
            if self.chance.one_in(10) {
                self.reopen()?;
            }
            self.group()?;
            self.question()?;
            self.small_questions()?;
        }
        if self.chance.one_in(2) {
            self.reopen()?;
        }
        (0..LAST_QUESTIONS).try_for_each(|_| self.question())?;
        let report = self.store.verify().map_err(|error| error.to_string())?;
        match report.findings.is_empty() {
            true => Ok(()),
            false => Err(format!("verify tells {:?}", report.findings)),
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        // A handle keeps the lock: it goes before the other one comes.
        self.store.close();
        self.store = open(&self.disk, self.clock.clone()).map_err(|error| format!("reopening: {error}"))?;
        self.opened += 1;
        reached_if(
            self.store.recovery().known_frames > 20,
            Mark::ReopenedWithMergedFiles,
        );
        Ok(())
    }

    /// An event that is there, mostly a late one.
    fn known(&mut self) -> Option<RecordedEvent> {
        let events = &self.model.events;
        let from = if self.chance.one_in(3) {
            0
        } else {
            events.len().saturating_sub(8)
        };
        pick(&mut self.chance, &events[from..]).cloned()
    }

    fn event(&mut self) -> NewEvent {
        self.next_id += 1;
        let chance = &mut self.chance;
        let mut tags: Vec<Tag> = (0..chance.below(5)).map(|_| some_tag(chance)).collect();
        tags.sort();
        tags.dedup();
        let correlation = chance.one_in(2).then(|| some_correlation(chance));
        // Some ids tell their time, some do not; some differ in one place only.
        let id = match chance.below(3) {
            0 => u128::from(self.next_id) << 64,
            1 => u128::from(self.next_id) | 7 << 76 | 2 << 62 | u128::from(self.next_id) << 80,
            _ => u128::from(self.next_id),
        };
        NewEvent {
            id: EventId::from_uuid(Uuid::from_u128(id)),
            event_type: some_type(chance),
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags,
            occurred: None,
            metadata: Metadata {
                correlation,
                ..Metadata::default()
            },
            data: vec![self.next_id as u8; chance.below(160) as usize].into(),
        }
    }

    /// A query that an event matches, or nearly.
    fn query(&mut self) -> Query {
        if self.chance.one_in(12) {
            return Query::all();
        }
        let items = (0..1 + self.chance.below(3)).map(|_| self.item()).collect();
        Query::any(items)
    }

    fn item(&mut self) -> QueryItem {
        let known = self.known();
        let chance = &mut self.chance;
        let mut item = QueryItem::default();
        if let Some(known) = known {
            let wanted = known.event.tags.iter().filter(|_| chance.one_in(2));
            item.tags = wanted.cloned().collect();
            if chance.one_in(3) {
                item.types.to_mut().push(known.event.event_type.clone());
            }
            if chance.one_in(5) {
                item.correlation = known.event.metadata.correlation;
            }
        }
        if item.tags.is_empty() || chance.one_in(4) {
            item.tags.push(some_tag(chance));
        }
        if chance.one_in(5) {
            item.types.to_mut().push(some_type(chance));
        }
        if chance.one_in(12) {
            item.tags.clear();
        }
        item
    }

    fn condition(&mut self) -> Condition {
        match self.chance.below(4) {
            0 | 1 => {
                let query = self.query();
                let last = self
                    .model
                    .select(&query)
                    .next_back()
                    .map(|stored| stored.position.get());
                let end = self.model.end().get();
                let from = match (self.chance.below(4), last) {
                    (0, Some(last)) => last,
                    (1 | 2, Some(last)) => last + 1,
                    _ => end,
                };
                Condition::NoMatch {
                    query,
                    from: Position::new(from),
                }
            }
            2 => {
                let tag = some_tag(&mut self.chance);
                let found = self.model.revision(&tag);
                let expected = match self.chance.below(6) {
                    0 => None,
                    1 => found.map(|found| Revision::new(found.get() + 1)),
                    2 => found
                        .and_then(|found| found.get().checked_sub(1))
                        .map(Revision::new),
                    _ => found,
                };
                Condition::TagAt { tag, expected }
            }
            _ => {
                let key = some_key(&mut self.chance);
                let known = self.model.marks.get(&key).cloned();
                let expected = match self.chance.below(4) {
                    0 => None,
                    1 => Some("other".into()),
                    _ => known,
                };
                Condition::MarkIs { key, expected }
            }
        }
    }

    fn append(&mut self) -> Append {
        if self.chance.one_in(6)
            && let Some(again) = self.repeat()
        {
            return again;
        }
        let marks: Vec<_> = (0..self.chance.below(3)).map(|_| self.mark()).collect();
        let events_min = u64::from(marks.is_empty());
        let events = (0..events_min + self.chance.below(3))
            .map(|_| self.event())
            .collect();
        let conditions = (0..self.chance.below(3)).map(|_| self.condition()).collect();
        Append {
            events,
            conditions,
            marks,
        }
    }

    fn mark(&mut self) -> StoredMark {
        let key = some_key(&mut self.chance);
        match self.chance.one_in(4) {
            true => StoredMark::remove(key),
            false => StoredMark::set(key, self.chance.below(100).to_string()),
        }
    }

    /// An append that was taken: as it was, in part, with other content, or in other company.
    fn repeat(&mut self) -> Option<Append> {
        let mut again = pick(&mut self.chance, &self.taken)?.0.clone();
        if again.events.is_empty() {
            return Some(again);
        }
        match self.chance.below(6) {
            0 => again.events[0].version += 1,
            1 => again.events.truncate(1),
            2 => {
                let event = self.event();
                again.events.push(event);
            }
            3 => again.events.reverse(),
            _ => {}
        }
        Some(again)
    }

    fn group(&mut self) -> Result<(), String> {
        let mut appends: Vec<_> = (0..1 + self.chance.below(3)).map(|_| self.append()).collect();
        if self.chance.one_in(5) {
            appends.push(appends[0].clone());
        }
        let end = self.model.end();
        let recorded = self.model.next_time(self.clock.now());
        reached_if(recorded > self.clock.now(), Mark::TimeHeldBack);
        let mut verdicts = Vec::new();
        for append in &appends {
            let verdict = self.model.apply(append, recorded);
            self.note(append, &verdict, end);
            if matches!(&verdict, Verdict::Taken(taken) if !taken.duplicate) {
                self.taken.push((append.clone(), self.opened));
            }
            verdicts.push(verdict);
        }
        compare(&ask(&self.store, &appends), &verdicts).map_err(|wrong| format!("on disk: {wrong}"))?;
        let in_memory: Vec<_> = appends
            .iter()
            .map(|append| now(self.memory.append(append.clone())))
            .collect();
        compare(&in_memory, &verdicts).map_err(|wrong| format!("in memory: {wrong}"))
    }

    fn note(&self, append: &Append, verdict: &Verdict, group: Position) {
        match verdict {
            Verdict::Taken(taken) if taken.duplicate => {
                let ids = |append: &Append| append.events.first().map(|event| event.id);
                let earlier = self.taken.iter().find(|(earlier, _)| ids(earlier) == ids(append));
                let before = earlier.is_some_and(|(_, opened)| *opened < self.opened);
                reached_if(before, Mark::RepeatedAfterReopening);
            }
            Verdict::Taken(_) => {
                reached_if(append.events.is_empty(), Mark::MarksAlone);
                let removed = append.marks.iter().any(|mark| mark.value.is_none());
                reached_if(removed, Mark::KeyTakenAway);
                let sits_before = |condition: &Condition| {
                    let Condition::NoMatch { query, from } = condition else {
                        return false;
                    };
                    let last = self
                        .model
                        .select(query)
                        .rev()
                        .find(|stored| stored.position < *from);
                    last.is_some_and(|last| last.position.next() == *from)
                };
                let so = append.conditions.iter().any(sits_before);
                reached_if(so, Mark::ConflictSitsBeforeBoundary);
            }
            Verdict::Conflict(Conflict::Match { from, position, .. }) => {
                reached_if(position == from, Mark::ConflictSitsAtBoundary);
                let in_group = *position >= group;
                reached(if in_group {
                    Mark::ConflictNamesGroup
                } else {
                    Mark::ConflictNamesOldEvent
                });
            }
            Verdict::Conflict(Conflict::Tag { .. }) => reached(Mark::TagAtOtherRevision),
            Verdict::Conflict(_) => reached(Mark::KeyOfOtherValue),
            Verdict::IdTaken(id, position) => {
                let stored = &self.model.events[position.get() as usize].event;
                let same = append
                    .events
                    .iter()
                    .any(|event| event.id == *id && event == stored);
                reached(if same {
                    Mark::RepeatedInOtherCompany
                } else {
                    Mark::RepeatedWithOtherContent
                });
            }
        }
    }

    /// A position near an event, or anywhere.
    fn position(&mut self) -> Position {
        let near = self.known().map_or(0, |stored| stored.position.get());
        match self.chance.below(5) {
            0 => Position::ZERO,
            1 => Position::MAX,
            2 => Position::new(near + 1),
            3 => Position::new(near.saturating_sub(1)),
            _ => Position::new(near),
        }
    }

    /// One query, answered by the index in pages and by a scan, on disk and in memory.
    fn question(&mut self) -> Result<(), String> {
        let direction = [Direction::Forward, Direction::Backward][self.chance.below(2) as usize];
        let (from, to) = match self.chance.below(3) {
            0 => (Position::ZERO, Position::MAX),
            1 => (self.position(), Position::MAX),
            _ => (self.position(), self.position()),
        };
        let read = Read {
            query: self.query(),
            from,
            to,
            direction,
            limit: if self.chance.one_in(2) {
                1_000
            } else {
                1 + self.chance.below(4) as usize
            },
            bytes: if self.chance.one_in(3) {
                self.chance.below(300) as usize
            } else {
                1 << 20
            },
        };
        let inside = |stored: &&RecordedEvent| (from..to).contains(&stored.position);
        let mut expected: Vec<_> = self.model.select(&read.query).filter(inside).cloned().collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        self.note_question(&read, &expected);
        let on_disk = pages(&self.store, &read)?;
        let scanned = scanned(&self.store, &read)?;
        let in_memory = pages(&self.memory, &read)?;
        tried();
        for (whose, found) in [("the index", on_disk), ("a scan", scanned), ("memory", in_memory)] {
            if found != expected {
                let positions =
                    |all: &[RecordedEvent]| all.iter().map(|one| one.position.get()).collect::<Vec<_>>();
                return Err(format!(
                    "{read:?}: expected {:?}, {whose} has {:?}",
                    positions(&expected),
                    positions(&found)
                ));
            }
        }
        Ok(())
    }

    fn note_question(&self, read: &Read, expected: &[RecordedEvent]) {
        let items = read.query.items();
        let several_tags = items.iter().any(|item| item.tags.len() > 1);
        let parts: Vec<u64> = expected
            .iter()
            .map(|one| one.position.get() / u64::from(PART_EVENTS))
            .collect();
        let (first, last) = (parts.iter().min(), parts.iter().max());
        let over_parts = first.zip(last).is_some_and(|(first, last)| last - first >= 3);
        reached_if(
            several_tags && over_parts && items.len() == 1,
            Mark::SeveralTagsOverSeveralParts,
        );
        let typed = items
            .iter()
            .any(|item| item.tags.len() > 1 && !item.types.is_empty());
        reached_if(typed && !expected.is_empty(), Mark::SeveralTagsAndTypes);
        let by = |item: &QueryItem| Query::any(vec![item.clone()]);
        let overlap = items.len() > 1
            && expected.iter().any(|one| {
                let hits = items
                    .iter()
                    .filter(|item| super::oracle::matches(&by(item), &one.event));
                hits.count() > 1
            });
        reached_if(overlap, Mark::SeveralItemsOverlap);
        if let [item] = items
            && item.tags.len() > 1
            && expected.is_empty()
            && read.from == Position::ZERO
        {
            let each = item.tags.iter().all(|tag| self.model.revision(tag).is_some());
            reached_if(each, Mark::NothingMatchesThoughEachTermDoes);
        }
        reached_if(
            read.direction == Direction::Backward && over_parts,
            Mark::BackwardOverParts,
        );
        reached_if(expected.len() > read.limit, Mark::PageEndedByLimit);
        let bytes: usize = expected.iter().map(|one| one.event.data.len()).sum();
        reached_if(bytes > read.bytes && expected.len() > 1, Mark::PageEndedByBytes);
        let behind = self.model.select(&read.query).any(|one| one.position >= read.to);
        reached_if(behind && !expected.is_empty(), Mark::EndedAtPosition);
        let begins = |tag: &Tag| {
            let longer = |other: &str| other.starts_with(tag.as_str()) && other != tag.as_str();
            let is_there = |other: &str| self.model.revision(&Tag::new(other).unwrap()).is_some();
            TAGS.iter().any(|other| longer(other) && is_there(other))
        };
        let so = items.iter().flat_map(|item| &item.tags).any(begins);
        reached_if(so, Mark::TagIsBeginningOfAnother);
    }

    /// Revisions, times, types, marks and the end.
    fn small_questions(&mut self) -> Result<(), String> {
        let (tag, before) = (some_tag(&mut self.chance), self.position());
        let count = self
            .model
            .events
            .iter()
            .filter(|one| one.position < before && one.event.tags.contains(&tag))
            .count() as u64;
        let revision = count.checked_sub(1).map(Revision::new);
        let moment = Timestamp::from_micros(self.clock.now().as_micros() - self.chance.below(60) as i64);
        let until = self
            .model
            .events
            .iter()
            .filter(|one| one.recorded <= moment)
            .count() as u64;
        let mut types: BTreeMap<String, u64> = BTreeMap::new();
        for one in &self.model.events {
            *types.entry(one.event.event_type.as_str().to_owned()).or_default() += 1;
        }
        let (space, prefix) = (
            ["a", "ab"][self.chance.below(2) as usize],
            ["", "m", "m1"][self.chance.below(3) as usize],
        );
        let marks: Vec<_> = self
            .model
            .marks
            .iter()
            .filter(|(key, _)| key.space == space && key.name.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let (disk, memory): (&dyn EventStore, &dyn EventStore) = (&self.store, &self.memory);
        for store in [disk, memory] {
            let say = |error: annals_core::port::store::ReadError| error.to_string();
            let found_types = now(store.types()).map_err(say)?.into_iter();
            let found_types: BTreeMap<_, _> = found_types
                .map(|count| (count.event_type.as_str().to_owned(), count.events))
                .collect();
            let checks = [
                ("the end", store.end() == self.model.end()),
                (
                    "a revision",
                    now(store.revision(tag.clone(), before)).map_err(say)? == revision,
                ),
                (
                    "a moment",
                    now(store.end_at(moment)).map_err(say)? == Position::new(until),
                ),
                ("the types", found_types == types),
                (
                    "the marks",
                    now(store.marks(space, prefix)).map_err(say)? == marks,
                ),
            ];
            if let Some((what, _)) = checks.iter().find(|(_, right)| !right) {
                return Err(format!("{what} is answered wrongly"));
            }
        }
        Ok(())
    }
}

/// All pages of an answer, each of which must keep to its bounds.
fn pages(store: &dyn EventStore, read: &Read) -> Result<Vec<RecordedEvent>, String> {
    let (mut read, mut all) = (read.clone(), Vec::new());
    loop {
        let page = now(store.read(read.clone())).map_err(|error| error.to_string())?;
        if page.events.len() > read.limit {
            return Err(format!(
                "{} events in a page of {}",
                page.events.len(),
                read.limit
            ));
        }
        let stands_still = page.events.is_empty() && !page.finished;
        all.extend(page.events);
        if page.finished {
            return Ok(all);
        }
        match read.direction {
            Direction::Forward => read.from = page.next,
            Direction::Backward => read.to = page.next,
        }
        if stands_still {
            return Err("an empty page that is not the last one".to_owned());
        }
    }
}

/// The answer without any term: everything is read, and the model's filter looks at it.
fn scanned(store: &dyn EventStore, read: &Read) -> Result<Vec<RecordedEvent>, String> {
    let every = Read {
        query: Query::all(),
        ..read.clone()
    };
    let mut all = pages(store, &every)?;
    all.retain(|stored| super::oracle::matches(&read.query, &stored.event));
    Ok(all)
}

/// So many histories; what was wrong with the first bad one.
pub(super) fn search(first_seed: u64, histories: u64) -> Result<(), (u64, String)> {
    for seed in first_seed..first_seed + histories {
        let history = History::new(seed).and_then(|mut history| history.work());
        history.map_err(|wrong| (seed, wrong))?;
    }
    Ok(())
}

fn run(histories: u64) {
    let first = number_from("ANNALS_MODEL_SEED", 1);
    let histories = number_from("ANNALS_MODEL_HISTORIES", histories);
    let began = Instant::now();
    search(first, histories).unwrap_or_else(|(seed, wrong)| {
        panic!("seed {seed}: {wrong}\nrepeat: cargo xtask torture model --histories 1 --seed {seed}")
    });
    println!(
        "{histories} histories with {} queries in {:.1} s, from seed {first}",
        tried_so_far(),
        began.elapsed().as_secs_f64()
    );
    let unreached = marks::take().report(Harness::History);
    if histories >= FULL_HISTORIES {
        assert!(unreached.is_empty(), "never reached: {unreached:?}");
    }
}

#[test]
fn histories_are_answered_as_a_plain_list_would() {
    run(60);
}

#[test]
#[ignore = "long: compares thousands of histories with a model"]
fn very_many_histories_are_answered_as_a_plain_list_would() {
    run(2_000);
}
