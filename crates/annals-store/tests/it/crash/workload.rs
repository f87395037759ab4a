//! One seeded run: what was asked, what was answered, and what must be there after a cut at any of its operations.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use annals_core::condition::Condition;
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Read};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::{Clock, Timestamp};
use annals_store::disk::sim::chance::Chance;
use annals_store::disk::sim::{Fault, SimDisk, Survival};
use annals_store::{EmbeddedStore, IndexOptions, OpenError, Options, WriterThread};
use bytes::Bytes;
use uuid::Uuid;

use super::judge;
use super::oracle::{Model, Verdict};

/// Steps of one run; each is one commit group.
const STEPS: u64 = 20;
/// Operations of a run at which the disk is copied.
const CUTS: u64 = 14;
/// Ways in which each copy is cut.
const WAYS: usize = 3;

#[derive(Default)]
pub(super) struct StepClock(AtomicI64);

impl Clock for StepClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

/// What must be there from an operation on: all of `sure`, or all of `maybe` while a group is in flight.
#[derive(Clone)]
pub(super) struct Epoch {
    from_operation: u64,
    pub(super) sure: Arc<Model>,
    pub(super) maybe: Option<Arc<Model>>,
}

pub(super) struct Run {
    seed: u64,
    chance: Chance,
    disk: SimDisk,
    clock: Arc<StepClock>,
    model: Arc<Model>,
    epochs: Vec<Epoch>,
    next_id: u64,
    /// Appends that may be repeated.
    earlier: Vec<Append>,
}

pub(super) fn dir() -> &'static Path {
    Path::new("store")
}

pub(super) fn open(disk: &SimDisk, clock: Arc<StepClock>) -> Result<EmbeddedStore, OpenError> {
    let options = Options {
        clock,
        segment_bytes_first: 4 << 10,
        segment_bytes_max: 8 << 10,
        open_files_max: 2,
        // So small that most runs have files of the index, and files made of others.
        index: IndexOptions {
            part_events_max: 6,
            part_bytes_max: 4 << 10,
            cache_bytes_max: 0,
            ..IndexOptions::default()
        },
        writer: WriterThread::Stepped,
        ..Options::default()
    };
    EmbeddedStore::open_on(Arc::new(disk.clone()), dir(), options)
}

/// The answer of a future that needs nobody else.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a read waits for nobody"),
    }
}

/// Everything a store holds, as a model would.
pub(super) fn contents(store: &EmbeddedStore) -> Result<Model, String> {
    let page = now(store.read(Read {
        bytes: usize::MAX,
        ..Read::new(Query::all(), Position::ZERO).limit(usize::MAX)
    }));
    let events = page.map_err(|error| error.to_string())?.events;
    let mut model = Model {
        events,
        ..Model::default()
    };
    for space in ["checkpoint", "timer"] {
        model
            .marks
            .extend(now(store.marks(space, "")).map_err(|error| error.to_string())?);
    }
    Ok(model)
}

/// When the last commit group of the log was recorded.
fn newest_group(disk: &SimDisk) -> Result<Timestamp, String> {
    let mut newest = Timestamp::EPOCH;
    let looked = annals_log::inspect(Arc::new(disk.clone()), dir(), &mut |frame| {
        if frame.header.kind == annals_log::FrameKind::Records {
            newest = Timestamp::from_micros(frame.header.time);
        }
        Ok(())
    });
    looked.map(|_| newest).map_err(|error| error.to_string())
}

pub(super) fn tag(chance: &mut Chance) -> Tag {
    Tag::of(["order", "sku"][chance.below(2) as usize], chance.below(4)).unwrap()
}

fn mark_key(chance: &mut Chance) -> MarkKey {
    MarkKey::new(
        ["checkpoint", "timer"][chance.below(2) as usize],
        format!("m{}", chance.below(3)),
    )
}

pub(super) fn query(chance: &mut Chance) -> Query {
    if chance.one_in(8) {
        return Query::all();
    }
    let mut item = QueryItem {
        tags: vec![tag(chance)],
        ..QueryItem::default()
    };
    if chance.one_in(3) {
        item.types.to_mut().push(event_type(chance));
    }
    if chance.one_in(4) {
        item.tags.push(tag(chance));
    }
    let mut items = vec![item];
    if chance.one_in(4) {
        items.push(QueryItem {
            tags: vec![tag(chance)],
            ..QueryItem::default()
        });
    }
    Query::any(items)
}

fn event_type(chance: &mut Chance) -> EventType {
    [
        EventType::from_static("placed"),
        EventType::from_static("paid"),
        EventType::from_static("sent"),
    ][chance.below(3) as usize]
        .clone()
}

type Waiting = BoxFuture<'static, Result<Appended, AppendError>>;

impl Run {
    pub(super) fn new(seed: u64) -> Self {
        let chance = Chance::new(seed);
        let (disk, clock) = (SimDisk::new(seed), Arc::new(StepClock::default()));
        Self {
            seed,
            chance,
            disk,
            clock,
            model: Arc::default(),
            epochs: Vec::new(),
            next_id: 0,
            earlier: Vec::new(),
        }
    }

    /// Works, cuts and judges; the number of images, or what was wrong.
    pub(super) fn judge_all(mut self) -> Result<u64, String> {
        let operations = self.work_twice()?;
        let mut images = 0;
        for (operation, copy) in self.disk.take_cuts() {
            let epoch = self.epoch_at(operation);
            for way in 0..WAYS {
                let mode = Survival::ALL[self.chance.below(6) as usize];
                let (image, again) = (copy.crash(self.chance.number(), mode), self.chance.one_in(4));
                let image = if again { self.cut_recovery(&image) } else { image };
                let twice = if again { ", and again during recovery" } else { "" };
                judge::image(&image, &epoch, &mut self.chance.clone()).map_err(|wrong| {
                    format!("cut {way} at operation {operation} of {operations}, {mode:?}{twice}: {wrong}")
                })?;
                images += 1;
            }
        }
        Ok(images)
    }

    /// The first time tells how many operations there are; the second time the disk is copied at some of them.
    fn work_twice(&mut self) -> Result<u64, String> {
        let mut rehearsal = Self::new(self.seed);
        rehearsal.work()?;
        let operations = rehearsal.disk.operations();
        let mut pick = Chance::new(self.seed ^ 0xC0FFEE);
        self.disk.cut_at((0..CUTS).map(|_| pick.below(operations)));
        self.work()?;
        Ok(operations)
    }

    fn epoch_at(&self, operation: u64) -> Epoch {
        let after = self
            .epochs
            .partition_point(|epoch| epoch.from_operation <= operation);
        self.epochs[after - 1].clone()
    }

    /// Opens an image and cuts it again somewhere on the way.
    fn cut_recovery(&mut self, image: &SimDisk) -> SimDisk {
        let copy = image.crash(0, Survival::Everything);
        copy.cut_at([self.chance.below(5)]);
        // Whether it opens is judged later, on the image that was cut again.
        drop(open(&copy, self.clock.clone()));
        let mode = Survival::ALL[self.chance.below(6) as usize];
        let cut = copy.take_cuts().pop();
        cut.map_or_else(
            || image.crash(0, Survival::Everything),
            |(_, copy)| copy.crash(self.chance.number(), mode),
        )
    }

    fn work(&mut self) -> Result<(), String> {
        self.begin_epoch(None);
        let mut store = self.reopen()?;
        for _ in 0..STEPS {
            self.clock
                .0
                .fetch_add(self.chance.below(20) as i64 - 5, Ordering::Relaxed);
            self.disturb();
            let goes_on = self.step(&store)?;
            if goes_on && self.chance.one_in(5) {
                store.step_idle();
            }
            if !goes_on || store.stats().failed || self.chance.one_in(10) {
                drop(store);
                store = self.reopen()?;
            }
        }
        Ok(())
    }

    fn begin_epoch(&mut self, maybe: Option<Arc<Model>>) {
        let epoch = Epoch {
            from_operation: self.disk.operations(),
            sure: self.model.clone(),
            maybe,
        };
        self.epochs.push(epoch);
    }

    /// Sometimes lets one of the next operations fail, or fills the disk.
    fn disturb(&mut self) {
        match self.chance.below(12) {
            0 => self.disk.limit(Some(self.disk.used() + self.chance.below(6_000))),
            1..=3 => {
                let fault = [Fault::CutShort, Fault::FailFlush, Fault::NoSpace, Fault::Refuse]
                    [self.chance.below(4) as usize];
                self.disk
                    .fail_at(self.disk.operations() + self.chance.below(4), fault);
            }
            4..=6 => self.disk.limit(None),
            _ => {}
        }
    }

    /// Opens until it succeeds, and learns what became of a group whose outcome was unknown.
    fn reopen(&mut self) -> Result<EmbeddedStore, String> {
        let mut tries = 0;
        let store = loop {
            match open(&self.disk, self.clock.clone()) {
                Ok(store) => break store,
                Err(OpenError::Disk(_)) if tries < 8 => tries += 1,
                Err(error) => {
                    return Err(format!(
                        "reopening after {} operations: {error}",
                        self.disk.operations()
                    ));
                }
            }
            self.disk.limit(None);
        };
        // Groups that changed nothing but the newest time are told apart by that time.
        let newest = newest_group(&self.disk)?;
        let found = Model {
            newest,
            ..contents(&store)?
        };
        let maybe = self.epochs.last().and_then(|epoch| epoch.maybe.clone());
        self.model = [Some(self.model.clone()), maybe]
            .into_iter()
            .flatten()
            .find(|model| **model == found)
            .ok_or_else(|| {
                format!(
                    "reopened without a cut: expected {}, found {}",
                    judge::shape(&self.model),
                    judge::shape(&found)
                )
            })?;
        self.begin_epoch(None);
        Ok(store)
    }

    /// One group of appends. `false`: the writer has stopped.
    fn step(&mut self, store: &EmbeddedStore) -> Result<bool, String> {
        let appends: Vec<_> = (0..1 + self.chance.below(3)).map(|_| self.append()).collect();
        let mut next = self.model.as_ref().clone();
        let recorded = next.next_time(self.clock.now());
        let verdicts: Vec<_> = appends
            .iter()
            .map(|append| next.apply(append, recorded))
            .collect();
        self.begin_epoch(Some(Arc::new(next.clone())));
        let shown_too_early = self.watch(store);
        let answers = ask(store, &appends);
        self.disk.probe(None);
        if shown_too_early.load(Ordering::Relaxed) > 0 {
            return Err("events could be seen before they were durable".to_owned());
        }
        let failed = answers.iter().find_map(|answer| match answer {
            Err(error @ (AppendError::Full(_) | AppendError::Unknown(_) | AppendError::Closed(_))) => {
                Some(error.clone())
            }
            _ => None,
        });
        match failed {
            None => {
                compare(&answers, &verdicts)?;
                self.model = Arc::new(next);
                self.earlier.extend(appends);
                self.begin_epoch(None);
                Ok(true)
            }
            Some(AppendError::Unknown(_)) => Ok(false),
            Some(error) => {
                self.begin_epoch(None);
                self.unchanged(store)?;
                Ok(!matches!(error, AppendError::Closed(_)))
            }
        }
    }

    /// A group that was refused must leave no trace in what readers see.
    fn unchanged(&self, store: &EmbeddedStore) -> Result<(), String> {
        let found = contents(store)?;
        if found.events == self.model.events && found.marks == self.model.marks {
            return Ok(());
        }
        Err(format!(
            "a refused group: expected {}, found {}",
            judge::shape(&self.model),
            judge::shape(&found)
        ))
    }

    /// Looks at the end in the middle of every flushed write.
    fn watch(&self, store: &EmbeddedStore) -> Arc<AtomicU64> {
        let (too_early, sure) = (Arc::new(AtomicU64::new(0)), self.model.end());
        let (seen, store) = (too_early.clone(), store.clone());
        self.disk.probe(Some(Box::new(move |_| {
            if store.end() > sure {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        })));
        too_early
    }

    fn append(&mut self) -> Append {
        let chance = &mut self.chance;
        if !self.earlier.is_empty() && chance.one_in(8) {
            let again = chance.below(self.earlier.len() as u64) as usize;
            return self.earlier[again].clone();
        }
        let marks: Vec<_> = (0..chance.below(3)).map(|_| mark(chance)).collect();
        let count = if marks.is_empty() {
            1 + chance.below(3)
        } else {
            chance.below(3)
        };
        let conditions = (0..chance.below(3))
            .map(|_| condition(&self.model, chance))
            .collect();
        let events = (0..count).map(|_| self.event()).collect();
        Append {
            events,
            conditions,
            marks,
        }
    }

    fn event(&mut self) -> NewEvent {
        self.next_id += 1;
        let chance = &mut self.chance;
        let mut tags = vec![tag(chance), tag(chance)];
        tags.dedup();
        let request = CorrelationId::from_uuid(Uuid::from_u128(u128::from(chance.below(6))));
        NewEvent {
            id: EventId::from_uuid(Uuid::from_u128(u128::from(self.next_id))),
            event_type: event_type(chance),
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags,
            occurred: None,
            metadata: Metadata {
                correlation: Some(request),
                ..Metadata::default()
            },
            data: Bytes::from(vec![self.next_id as u8; chance.below(500) as usize]),
        }
    }
}

fn mark(chance: &mut Chance) -> Mark {
    let key = mark_key(chance);
    if chance.one_in(4) {
        Mark::remove(key)
    } else {
        Mark::set(key, chance.number().to_string())
    }
}

/// Mostly one that holds.
fn condition(model: &Model, chance: &mut Chance) -> Condition {
    match chance.below(3) {
        0 => {
            let back = if chance.one_in(4) { chance.below(5) } else { 0 };
            Condition::NoMatch {
                query: query(chance),
                from: Position::new(model.end().get().saturating_sub(back)),
            }
        }
        1 => {
            let tag = tag(chance);
            let expected = if chance.one_in(5) {
                None
            } else {
                model.revision(&tag)
            };
            Condition::TagAt { tag, expected }
        }
        _ => {
            let key = mark_key(chance);
            let expected = if chance.one_in(5) {
                None
            } else {
                model.marks.get(&key).cloned()
            };
            Condition::MarkIs { key, expected }
        }
    }
}

/// Queues all appends, lets the writer take one step, and collects the answers.
fn ask(store: &EmbeddedStore, appends: &[Append]) -> Vec<Result<Appended, AppendError>> {
    let context = &mut Context::from_waker(Waker::noop());
    let mut waiting: Vec<Waiting> = appends
        .iter()
        .map(|append| store.append(append.clone()))
        .collect();
    let early: Vec<_> = waiting
        .iter_mut()
        .map(|append| append.as_mut().poll(context))
        .collect();
    store.step();
    let answers = early
        .into_iter()
        .zip(&mut waiting)
        .map(|(early, append)| match early {
            Poll::Ready(answer) => answer,
            Poll::Pending => now(append),
        });
    answers.collect()
}

fn compare(answers: &[Result<Appended, AppendError>], verdicts: &[Verdict]) -> Result<(), String> {
    for (number, (answer, verdict)) in answers.iter().zip(verdicts).enumerate() {
        let same = match (answer, verdict) {
            (Ok(found), Verdict::Taken(expected)) => found == expected,
            (Err(AppendError::Conflict(found)), Verdict::Conflict(expected)) => found == expected,
            (Err(AppendError::IdTaken { id, position }), Verdict::IdTaken(expected, at)) => {
                (id, position) == (expected, at)
            }
            _ => false,
        };
        if !same {
            return Err(format!(
                "append {number} of a group: expected {verdict:?}, found {answer:?}"
            ));
        }
    }
    Ok(())
}
