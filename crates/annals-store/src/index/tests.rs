//! The index against the filter it must equal: in memory, in files, in merged files, and in any mixture of them.

use std::path::Path;

use annals_core::event::{EventType, NewEvent};
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::Direction;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_log::disk::Disk;
use annals_log::disk::sim::SimDisk;
use annals_log::disk::sim::chance::Chance;
use annals_log::{Milestone, Place};
use std::sync::Arc;
use uuid::Uuid;

use super::*;
use crate::record::tests::plain;

const SALT: u64 = 99;

/// Some ids tell their time and some do not; all are different.
fn id(number: u32) -> EventId {
    let wide = u128::from(number) + 1;
    EventId::from_uuid(match number % 4 {
        0 => Uuid::from_u128(wide.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
        _ => Uuid::from_u128((1_700_000_000_000 + wide / 3) << 80 | 0x7 << 76 | wide << 40),
    })
}

fn event(number: u32, chance: &mut Chance) -> NewEvent {
    let mut event = plain();
    event.id = id(number);
    event.event_type = EventType::new(format!("type.{}", chance.below(5)));
    for kind in 0..4 {
        if chance.one_in(2) {
            event.tags.push(tag(kind, chance));
        }
    }
    if chance.one_in(3) {
        event.metadata.correlation = Some(correlation(chance));
    }
    event
}

fn tag(kind: u64, chance: &mut Chance) -> Tag {
    Tag::of(&format!("k{kind}"), chance.below(4 << (2 * kind))).unwrap()
}

fn correlation(chance: &mut Chance) -> CorrelationId {
    CorrelationId::from_uuid(Uuid::from_u128(u128::from(chance.below(20))))
}

fn item(chance: &mut Chance) -> QueryItem {
    let mut tags = Vec::new();
    for _ in 0..chance.below(3) {
        let kind = chance.below(4);
        tags.push(tag(kind, chance));
    }
    QueryItem {
        types: (0..chance.below(3))
            .map(|_| EventType::new(format!("type.{}", chance.below(6))))
            .collect(),
        tags,
        correlation: chance.one_in(5).then(|| correlation(chance)),
    }
}

fn query(chance: &mut Chance) -> Query {
    Query::any((0..chance.below(4)).map(|_| item(chance)).collect())
}

fn mark(chance: &mut Chance) -> Mark {
    let key = MarkKey::new(
        ["timer", "handled"][chance.below(2) as usize],
        format!("m{}", chance.below(60)),
    );
    match chance.below(4) {
        0 => Mark::remove(key),
        1 => Mark::set(
            key,
            vec![chance.number() as u8; 400 + chance.below(9_000) as usize],
        ),
        _ => Mark::set(key, chance.number().to_string()),
    }
}

fn milestone(number: u64) -> Milestone {
    Milestone {
        frame: Place {
            segment: (number / 50) as u32,
            at: 512 + number % 50 * 4_000,
        },
        number,
        checksum: number as u32 ^ 0xABCD,
    }
}

fn moment(frame: u64) -> Timestamp {
    Timestamp::from_micros(10 + frame as i64 / 3 * 1_000)
}

fn spot(number: u32) -> Spot {
    Spot {
        at: 600 + number % 10 * 40,
        bytes: 40,
        checksum: number.wrapping_mul(77),
    }
}

/// A history in plain words, and the same as parts and a newest part.
struct History {
    events: Vec<NewEvent>,
    /// By event: its frame.
    frames: Vec<u64>,
    marks: Marks,
    parts: Parts,
    current: Active,
    disk: SimDisk,
    cache: Arc<Cache>,
}

impl History {
    fn new() -> Self {
        Self {
            events: Vec::new(),
            frames: Vec::new(),
            marks: Marks::new(),
            parts: Parts::default(),
            current: Active::default(),
            disk: SimDisk::new(1),
            cache: Arc::new(Cache::new(1 << 20)),
        }
    }

    fn workshop(&self) -> Workshop<'_> {
        Workshop {
            disk: &self.disk,
            dir: Path::new("index"),
            salt: SALT,
        }
    }

    fn frame(&mut self, number: u64, chance: &mut Chance) {
        let first = self.events.len() as u32;
        let count = chance.below(5) as u32;
        for number in first..first + count {
            let event = event(number, chance);
            self.current.insert(&event);
            self.events.push(event);
        }
        self.frames.resize(self.events.len(), number);
        let settled = Settled {
            frame: milestone(number),
            bytes: 400,
            recorded: moment(number),
        };
        self.current.settle(settled, (first..first + count).map(spot));
        for _ in 0..chance.below(3) {
            let mark = mark(chance);
            self.marks.insert(mark.key.clone(), mark.value.clone());
            self.current.set(mark);
        }
    }

    fn close(&mut self) {
        let following = self.current.following();
        let closed = std::mem::replace(&mut self.current, following);
        self.parts.push(Part::Active(Arc::new(closed)));
    }

    fn sealed(&self, frames: Frames) -> Part {
        let part = SealedPart::open(&self.disk, Path::new("index"), frames, SALT, &self.cache);
        Part::Sealed(Arc::new(part.unwrap()))
    }

    fn seal(&mut self, number: usize) {
        if let Part::Active(active) = &self.parts.all()[number] {
            let marks_set = self.parts.marks_set(number, active.marks()).unwrap();
            write(&self.workshop(), active, marks_set, &mut || Ok(())).unwrap();
            let part = self.sealed(active.stretch().unwrap().frames());
            self.parts.replace(number..number + 1, vec![part]);
        }
    }

    fn merge(&mut self, from: usize, to: usize) {
        let sealed = |part: &Part| match part {
            Part::Sealed(part) => part.clone(),
            Part::Active(_) => panic!("only files are merged"),
        };
        let inputs: Vec<_> = self.parts.all()[from..to].iter().map(sealed).collect();
        let stretch = merge(&self.workshop(), &inputs, 1, &mut || Ok(())).unwrap();
        let part = self.sealed(stretch.frames());
        self.parts.replace(from..to, vec![part]);
    }

    fn select(&self, query: &Query, range: Range, limit: usize) -> Selection {
        let mut selection = Selection::default();
        let (parts, newest) = (&self.parts, &self.current);
        let more = |done: bool, selection: &mut Selection, parts_first: bool| match parts_first {
            _ if !done => false,
            true => parts.select(query, range, limit, selection).unwrap(),
            false => select_newest(newest, query, range, limit, selection).unwrap(),
        };
        let forward = range.direction == Direction::Forward;
        let done = more(true, &mut selection, forward);
        selection.finished = more(done, &mut selection, !forward);
        selection
    }

    /// Everything that can be asked, against what is plainly so.
    fn check(&self, chance: &mut Chance) {
        let end = self.events.len() as u64;
        for round in 0..150 {
            self.check_query(chance, round);
            let (kind, before) = (chance.below(4), chance.below(end + 10));
            let tag = tag(kind, chance);
            let tagged = self.events[..before.min(end) as usize].iter();
            let expected = tagged.filter(|event| event.tags.contains(&tag)).count() as u64;
            let found = self.parts.tagged(&tag, before).unwrap() + self.current.tagged(&tag, before) as u64;
            assert_eq!(found, expected, "{tag} before {before}");
            let position = chance.below(end + 20);
            let id = id(position as u32);
            let found = self
                .current
                .position_of(id)
                .or(self.parts.position_of(id).unwrap());
            assert_eq!(found, (position < end).then_some(position));
            let span = match position < self.current.first() {
                true => self.parts.spans(&[position]).unwrap().pop().map(|(_, span)| span),
                false => self.current.span(position),
            };
            assert_eq!(span, (position < end).then(|| self.span(position)));
            let mut some: Vec<u64> = (0..end).filter(|_| chance.one_in(1 + end / 30)).collect();
            if chance.one_in(2) {
                some.reverse();
            }
            let expected = some.iter().filter(|position| **position < self.parts.end());
            let expected: Vec<_> = expected
                .map(|position| (*position, self.span(*position)))
                .collect();
            assert_eq!(self.parts.spans(&some).unwrap(), expected);
            let moment = moment(chance.below(self.frames.last().copied().unwrap_or(0) + 5));
            let expected = self
                .frames
                .partition_point(|frame| super::tests::moment(*frame) <= moment);
            let found = match self.current.count_at(moment) {
                0 => self.parts.count_at(moment).unwrap(),
                newest => self.current.first() + u64::from(newest),
            };
            assert_eq!(found, expected as u64);
        }
        self.check_marks(chance);
        let mut types = TypeCounts::new();
        self.events
            .iter()
            .for_each(|event| *types.entry(event.event_type.clone()).or_default() += 1);
        assert_eq!(
            (self.current.types(), self.current.type_count()),
            (types.clone(), types.len())
        );
    }

    fn span(&self, position: u64) -> Span {
        let frame = self.frames[position as usize];
        let spot = spot(position as u32);
        Span {
            place: Place {
                segment: milestone(frame).frame.segment,
                at: u64::from(spot.at),
            },
            bytes: spot.bytes,
            checksum: spot.checksum,
            recorded: moment(frame),
        }
    }

    fn check_query(&self, chance: &mut Chance, round: u32) {
        let end = self.events.len() as u64;
        let query = query(chance);
        let (from, to) = (chance.below(end + 100), chance.below(end + 1));
        let direction = [Direction::Forward, Direction::Backward][chance.below(2) as usize];
        self.check_range(&query, Range { from, to, direction }, round);
    }

    fn check_range(&self, query: &Query, range: Range, round: u32) {
        let limit = 1 + round as usize * 7 % 40;
        let matching =
            (0..range.to).filter(|at| *at >= range.from && query.matches(&self.events[*at as usize]));
        let mut expected: Vec<u64> = matching.collect();
        if range.direction == Direction::Backward {
            expected.reverse();
        }
        let found = self.select(query, range, limit);
        let context = format!("round {round}: {query:?} {range:?}");
        assert_eq!(found.finished, expected.len() <= limit, "{context}");
        expected.truncate(limit);
        let positions: Vec<u64> = found.picked.iter().map(|one| one.position).collect();
        assert_eq!(positions, expected, "{context}");
        let spans = self.parts.spans(&positions).unwrap();
        for one in &found.picked {
            let Some(span) = one.span else { continue };
            assert!(spans.contains(&(one.position, span)), "{one:?} {context}");
        }
    }

    fn check_marks(&self, chance: &mut Chance) {
        let set = self.marks.values().filter(|value| value.is_some()).count() as u64;
        assert_eq!(
            self.parts
                .marks_set(self.parts.all().len(), self.current.marks())
                .unwrap(),
            set
        );
        for (space, prefix) in [
            ("timer", ""),
            ("handled", "m1"),
            ("timer", "m59"),
            ("nobody", ""),
            ("handle", ""),
        ] {
            let wanted = MarksWanted::new(space, prefix);
            let mut found = self.parts.marks(&wanted).unwrap();
            found.extend(
                wanted
                    .among(self.current.marks())
                    .map(|(key, value)| (key.clone(), value.clone())),
            );
            found.retain(|_, value| value.is_some());
            let wants = |key: &MarkKey| key.space == space && key.name.starts_with(prefix);
            let expected = self
                .marks
                .iter()
                .filter(|(key, value)| wants(key) && value.is_some());
            assert!(found.iter().eq(expected), "{space} {prefix}");
        }
        for _ in 0..60 {
            let key = mark(chance).key;
            let newest = self.current.marks().get(&key).cloned();
            let found = newest.or(self.parts.mark(&key).unwrap()).flatten();
            assert_eq!(found, self.marks.get(&key).cloned().flatten());
        }
    }
}

#[test]
fn every_answer_equals_a_filter_over_all_events() {
    for seed in 0..6 {
        let mut chance = Chance::new(seed);
        let mut history = History::new();
        let part_frames = 3 + chance.below(60);
        for number in 0..500 {
            history.frame(number, &mut chance);
            if chance.one_in(part_frames) {
                history.close();
            }
        }
        history.check(&mut chance);
        for number in 0..history.parts.all().len() {
            if chance.one_in(2) {
                history.seal(number);
            }
        }
        history.check(&mut chance);
        (0..history.parts.all().len()).for_each(|number| history.seal(number));
        assert_eq!(history.parts.waiting(), 0);
        history.check(&mut chance);
        while history.parts.all().len() > 1 {
            let parts = history.parts.all().len() as u64;
            let from = chance.below(parts - 1);
            let to = from + 2 + chance.below((parts - from - 1).min(8));
            history.merge(from as usize, to.min(parts) as usize);
            history.check(&mut chance);
        }
    }
}

#[test]
fn long_lists_stay_right_through_merges() {
    let mut history = History::new();
    let mut events = 0_u32;
    for number in 0..90 {
        let count = 300;
        for number in events..events + count {
            let mut event = plain();
            event.id = id(number);
            event.event_type = EventType::new(if number % 7 == 0 { "rare" } else { "usual" });
            event.tags = vec![
                Tag::of("every", number % 3).unwrap(),
                Tag::of("some", number % 50).unwrap(),
            ];
            history.current.insert(&event);
            history.events.push(event);
        }
        let settled = Settled {
            frame: milestone(number),
            bytes: 400,
            recorded: moment(number),
        };
        history
            .current
            .settle(settled, (events..events + count).map(spot));
        events += count;
        history.frames.resize(events as usize, number);
        if number % 30 == 29 {
            history.close();
        }
    }
    (0..3).for_each(|number| history.seal(number));
    let check = |history: &History| {
        let mut chance = Chance::new(9);
        for round in 0..60 {
            let tag = Tag::of(["every", "some"][chance.below(2) as usize], chance.below(4)).unwrap();
            let item = QueryItem {
                types: (0..chance.below(2))
                    .map(|_| EventType::from_static("rare"))
                    .collect(),
                tags: (0..chance.below(2)).map(|_| tag.clone()).collect(),
                correlation: None,
            };
            let query = Query::any(vec![item, QueryItem::of(Vec::new(), tag.clone())]);
            let (from, to) = (chance.below(27_000), chance.below(27_001));
            history.check_range(
                &query,
                Range {
                    from,
                    to,
                    direction: Direction::Forward,
                },
                round,
            );
            history.check_range(
                &query,
                Range {
                    from,
                    to,
                    direction: Direction::Backward,
                },
                round,
            );
            let expected = history.events[..to as usize]
                .iter()
                .filter(|event| event.tags.contains(&tag));
            assert_eq!(history.parts.tagged(&tag, to).unwrap(), expected.count() as u64);
        }
    };
    check(&history);
    history.merge(1, 3);
    check(&history);
    history.merge(0, 2);
    check(&history);
}

#[test]
fn withdrawn_events_leave_no_trace() {
    let mut chance = Chance::new(2);
    let mut history = History::new();
    (0..150).for_each(|number| history.frame(number, &mut chance));
    let end = history.events.len() as u32;
    for round in 0..20 {
        let mut withdrawn: Vec<_> = (0..50)
            .map(|number| event(10_000 + number, &mut chance))
            .collect();
        withdrawn[7].event_type = EventType::new(format!("only.{round}"));
        withdrawn.iter().for_each(|event| history.current.insert(event));
        let last = u64::from(end) + 49;
        assert_eq!(history.current.position_of(withdrawn[49].id), Some(last));
        let named = history.current.named(last - 42).unwrap();
        assert_eq!(named, (withdrawn[7].id, withdrawn[7].event_type.clone()));
        assert_eq!(
            (history.current.next(), history.current.end()),
            (last + 1, u64::from(end))
        );
        history.current.withdraw();
        assert_eq!(history.current.position_of(withdrawn[0].id), None);
        assert_eq!(history.current.named(last), None);
    }
    history.check(&mut chance);
}

#[test]
fn a_file_is_opened_only_where_it_belongs() {
    let mut chance = Chance::new(3);
    let mut history = History::new();
    (0..40).for_each(|number| history.frame(number, &mut chance));
    history.close();
    history.seal(0);
    let frames = Frames { first: 0, last: 39 };
    let dir = Path::new("index");
    let path = dir.join(frames.name());
    let open =
        |disk: &SimDisk, frames, salt| SealedPart::open(disk, dir, frames, salt, &history.cache).map(drop);
    assert!(open(&history.disk, frames, SALT).is_ok());
    assert!(
        matches!(
            open(&history.disk, frames, SALT + 1),
            Err(Trouble::Damaged { .. })
        ),
        "another log"
    );
    let other = Frames { first: 0, last: 40 };
    assert!(matches!(
        open(&history.disk, other, SALT),
        Err(Trouble::Io { .. })
    ));
    let bytes = history.disk.content(&path).unwrap();
    history.disk.place(&dir.join(other.name()), &bytes);
    assert!(
        matches!(open(&history.disk, other, SALT), Err(Trouble::Damaged { .. })),
        "other frames"
    );
    let formatted = |format: u16| {
        let mut other = bytes.clone();
        // Behind the head of the page and the magic.
        other[16..18].copy_from_slice(&format.to_le_bytes());
        repair(&frames.name(), SALT, &mut other);
        history.disk.remove(&path).unwrap();
        history.disk.place(&path, &other);
        open(&history.disk, frames, SALT)
    };
    assert!(formatted(1).is_ok());
    for format in [0, 2] {
        let found = formatted(format);
        assert!(matches!(found, Err(Trouble::Damaged { .. })), "format {format}");
    }
    for size in [0, 100, 4_096, bytes.len() - 1] {
        history.disk.remove(&path).unwrap();
        history.disk.place(&path, &bytes[..size]);
        assert!(
            matches!(open(&history.disk, frames, SALT), Err(Trouble::Damaged { .. })),
            "{size} bytes"
        );
    }
}
