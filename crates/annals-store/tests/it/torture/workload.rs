//! One seeded run: what was asked, what was answered, and what must be there after a cut at any of its operations.
//!
//! In: a seed, what is to go wrong, steps to leave out. Out: images to judge, or what was wrong on the way. Each step
//! draws from numbers of its own, so that leaving one out changes the others as little as can be.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use annals_core::condition::{Condition, Conflict};
use annals_core::mark::{Mark as StoredMark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Read};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::time::{Clock, Timestamp};
use annals_store::disk::sim::chance::Chance;
use annals_store::disk::sim::{Fault, Hit, Operation, SimDisk, Survival};
use annals_store::{EmbeddedStore, IndexOptions, OpenError, Options, WriterThread};
use bytes::Bytes;

use super::marks::{Mark, reached, reached_if};
use super::oracle::{Model, Verdict};
use super::{chosen, judge, tried};

/// Steps of one run; each is one commit group.
pub(super) const STEPS: u64 = 20;
/// Of so many operations the disk is copied at one.
const CUT_ONE_IN: u64 = 7;
/// Runs have fewer operations than this.
const OPERATIONS_MAX: u64 = 2_000;
/// Events of one part of the index.
pub(super) const PART_EVENTS: u32 = 4;
/// Ways in which each copy is cut.
const WAYS: usize = 4;
/// Steps after which a fault that lasts is mended.
const MENDED_AFTER: u64 = 3;
/// Bytes of the largest frame that is put into the content of an event.
const COPIED_FRAME_BYTES_MAX: u64 = 150;

#[derive(Default)]
pub(super) struct StepClock(AtomicI64);

impl Clock for StepClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::Relaxed))
    }
}

impl StepClock {
    /// Mostly forward, sometimes back.
    pub(super) fn go_on(&self, chance: &mut Chance) {
        self.0.fetch_add(chance.below(20) as i64 - 5, Ordering::Relaxed);
    }
}

/// What must be there from an operation on: all of `sure`, or all of `maybe` while a group is in flight.
#[derive(Clone)]
pub(super) struct Epoch {
    from_operation: u64,
    pub(super) sure: Arc<Model>,
    pub(super) maybe: Option<Arc<Model>>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Something now and then.
    Chance,
    /// Nothing.
    Nothing,
    /// The operation of this number.
    Once(u64, Fault),
    /// Every operation from this number on, until it is mended.
    Lasting(u64, Fault),
    /// From this operation on no file grows, until a group was refused and something was taken away.
    Full(u64),
}

pub(super) struct Run {
    seed: u64,
    plan: Plan,
    skipped: BTreeSet<u64>,
    chance: Chance,
    disk: SimDisk,
    clock: Arc<StepClock>,
    model: Arc<Model>,
    epochs: Vec<Epoch>,
    next_id: u64,
    /// Appends that may be repeated, and how often the store had been opened when they were made.
    earlier: Vec<(Append, u64)>,
    opened: u64,
    at_step: u64,
    /// The step in which something went wrong first.
    met_at: Option<u64>,
    /// The last group was refused for want of space, and the store was not opened since.
    was_full: bool,
    /// A new segment found no space since the last group that was taken.
    no_space_for_segment: bool,
}

/// When something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum During {
    Opening,
    /// A group of this many appends.
    Group(usize),
    Sealing,
}

pub(super) fn dir() -> &'static Path {
    Path::new("store")
}

pub(super) fn open(disk: &SimDisk, clock: Arc<StepClock>) -> Result<EmbeddedStore, OpenError> {
    open_with_parts(disk, clock, PART_EVENTS)
}

/// As [`open`], with an index whose parts become files once they have so many events.
pub(super) fn open_with_parts(
    disk: &SimDisk,
    clock: Arc<StepClock>,
    part_events_max: u32,
) -> Result<EmbeddedStore, OpenError> {
    let options = Options {
        clock,
        segment_bytes_first: 4 << 10,
        segment_bytes_max: 8 << 10,
        open_files_max: 2,
        // So small that most runs have files of the index, and files made of others.
        index: IndexOptions {
            part_events_max,
            part_bytes_max: u64::from(part_events_max) * 600,
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

/// Small frames of the log, as they lie on the disk.
fn small_frames(disk: &SimDisk) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let looked = annals_log::inspect(Arc::new(disk.clone()), dir(), &mut |frame| {
        if frame.header.frame_bytes() <= COPIED_FRAME_BYTES_MAX {
            frames.push((
                frame.header.segment,
                frame.header.place,
                frame.header.frame_bytes(),
            ));
        }
        Ok(())
    });
    let bytes = |(segment, place, bytes): (u32, u64, u64)| {
        let content = disk.content(&dir().join(format!("{segment:010}.seg")))?;
        content
            .get(place as usize..(place + bytes) as usize)
            .map(<[u8]>::to_vec)
    };
    looked
        .map(|_| frames.into_iter().filter_map(bytes).collect())
        .unwrap_or_default()
}

type Waiting = BoxFuture<'static, Result<Appended, AppendError>>;

impl Run {
    pub(super) fn new(seed: u64, plan: Plan) -> Self {
        Self::on(SimDisk::new(seed), seed, plan)
    }

    /// A run on a disk that stays with the caller.
    pub(super) fn on(disk: SimDisk, seed: u64, plan: Plan) -> Self {
        let clock = Arc::new(StepClock::default());
        match plan {
            Plan::Once(operation, fault) => disk.fail_at(operation, fault),
            Plan::Lasting(operation, fault) => disk.fail_from(operation, fault),
            Plan::Chance | Plan::Nothing | Plan::Full(_) => {}
        }
        Self {
            seed,
            plan,
            skipped: BTreeSet::new(),
            chance: Chance::new(seed),
            disk,
            clock,
            model: Arc::default(),
            epochs: Vec::new(),
            next_id: 0,
            earlier: Vec::new(),
            opened: 0,
            at_step: 0,
            met_at: None,
            was_full: false,
            no_space_for_segment: false,
        }
    }

    /// Leaves these steps out.
    pub(super) fn without(mut self, skipped: &BTreeSet<u64>) -> Self {
        self.skipped.clone_from(skipped);
        self
    }

    /// Works, cuts and judges; or what was wrong.
    pub(super) fn judge_all(mut self) -> Result<(), String> {
        let mut pick = Chance::new(self.seed ^ 0xC0_FFEE);
        let one_in = if self.skipped.is_empty() { CUT_ONE_IN } else { 2 };
        self.disk
            .cut_at((0..OPERATIONS_MAX).filter(|_| pick.one_in(one_in)));
        self.work()?;
        self.chance = Chance::new(!self.seed);
        for (operation, copy) in self.disk.take_cuts() {
            let epoch = self.epoch_at(operation);
            for way in 0..WAYS {
                let mode = self.survival();
                let image = copy.crash(self.chance.number(), mode);
                let (image, again) = self.cut_recovery(image);
                judge::image(&image, &epoch, &mut self.chance).map_err(|wrong| {
                    format!("cut {way} at operation {operation}, {mode:?}{again}: {wrong}")
                })?;
                tried();
            }
        }
        Ok(())
    }

    /// Works with what is planned to go wrong, and looks for everything at the end; or what was wrong.
    pub(super) fn survive(mut self) -> Result<u64, String> {
        self.work()?;
        let operations = self.disk.operations();
        let epoch = self.epoch_at(operations);
        self.chance = Chance::new(!self.seed);
        for mode in [Survival::Everything, Survival::Nothing] {
            judge::image(&self.disk.crash(1, mode), &epoch, &mut self.chance)
                .map_err(|wrong| format!("at the end, {mode:?}: {wrong}"))?;
        }
        tried();
        Ok(operations)
    }

    fn survival(&mut self) -> Survival {
        Survival::ALL[self.chance.below(Survival::ALL.len() as u64) as usize]
    }

    fn epoch_at(&self, operation: u64) -> Epoch {
        let after = self
            .epochs
            .partition_point(|epoch| epoch.from_operation <= operation);
        self.epochs[after - 1].clone()
    }

    /// Sometimes opens an image and cuts it again somewhere on the way, and sometimes that one too.
    fn cut_recovery(&mut self, mut image: SimDisk) -> (SimDisk, &'static str) {
        let times = [1, 1, 2, 0, 0, 0, 0, 0][self.chance.below(8) as usize];
        for _ in 0..times {
            let copy = image.crash(0, Survival::Everything);
            copy.cut_at([self.chance.below(5)]);
            // Whether it opens is judged later, on the image that was cut again.
            drop(open(&copy, self.clock.clone()));
            let mode = self.survival();
            if let Some((_, copy)) = copy.take_cuts().pop() {
                image = copy.crash(self.chance.number(), mode);
            }
        }
        match times {
            0 => (image, ""),
            1 => {
                reached(Mark::RecoveryCutOnce);
                (image, ", and again during recovery")
            }
            _ => {
                reached(Mark::RecoveryCutTwice);
                (image, ", and twice during recovery")
            }
        }
    }

    fn work(&mut self) -> Result<(), String> {
        self.begin_epoch(None);
        let mut store = self.reopen()?;
        for step in (0..STEPS)
            .filter(|step| !self.skipped.contains(step))
            .collect::<Vec<_>>()
        {
            self.chance = Chance::new((self.seed << 8 | step) ^ 0x5EED);
            self.at_step = step;
            self.clock.go_on(&mut self.chance);
            self.disturb();
            let files = store.stats().index_files;
            let goes_on = self.step(&store)?;
            reached_if(store.stats().index_files < files, Mark::IndexFilesMerged);
            if goes_on && self.chance.one_in(5) {
                store.step_idle();
                self.note(During::Sealing);
            }
            if !goes_on || store.stats().failed || self.chance.one_in(10) {
                drop(store);
                self.note(During::Sealing);
                store = self.reopen()?;
            }
        }
        drop(store);
        self.note(During::Sealing);
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

    /// Sometimes lets one of the next operations fail, or fills the disk; mends what lasted long enough.
    fn disturb(&mut self) {
        if let Plan::Full(operation) = self.plan {
            if self.was_full && self.chance.one_in(2) {
                self.disk.heal();
                self.plan = Plan::Nothing;
            } else if self.disk.operations() >= operation {
                self.disk.limit(Some(self.disk.used()));
            }
            return;
        }
        if self.plan != Plan::Chance {
            if let Some(met) = self.met_at
                && self.at_step >= met + MENDED_AFTER
            {
                self.disk.heal();
            }
            return;
        }
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
            reached(Mark::FailedWhileOpening);
            self.disk.limit(None);
            if tries == 2 {
                self.disk.heal();
            }
        };
        self.note(During::Opening);
        (self.opened, self.was_full) = (self.opened + 1, false);
        self.no_space_for_segment = false;
        // Groups that changed nothing but the newest time are told apart by that time.
        let newest = newest_group(&self.disk)?;
        let found = Model {
            newest,
            ..contents(&store)?
        };
        let maybe = self.epochs.last().and_then(|epoch| epoch.maybe.clone());
        let was_unknown = maybe.is_some();
        let is_maybe = maybe.as_deref() == Some(&found);
        reached_if(was_unknown && is_maybe, Mark::UnknownFoundPresent);
        reached_if(was_unknown && !is_maybe, Mark::UnknownFoundAbsent);
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
        let mut appends: Vec<_> = (0..1 + self.chance.below(3)).map(|_| self.append()).collect();
        self.repeat_inside(&mut appends);
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
        self.note(During::Group(appends.len()));
        if shown_too_early.load(Ordering::Relaxed) > 0 {
            return Err("events could be seen before they were durable".to_owned());
        }
        let failed = answers.iter().find_map(|answer| match answer {
            Err(error @ (AppendError::Full(_) | AppendError::Unknown(_) | AppendError::Closed(_))) => {
                Some(error.clone())
            }
            _ => None,
        });
        let Some(failed) = failed else {
            compare(&answers, &verdicts)?;
            reached_if(self.was_full, Mark::WentOnWithoutReopening);
            reached_if(
                self.was_full && self.no_space_for_segment,
                Mark::WentOnAfterSpaceCameBack,
            );
            (self.was_full, self.no_space_for_segment) = (false, false);
            self.note_verdicts(&appends, &verdicts);
            self.model = Arc::new(next);
            self.earlier
                .extend(appends.into_iter().map(|append| (append, self.opened)));
            self.begin_epoch(None);
            return Ok(true);
        };
        compare_failed(&answers, &verdicts)?;
        match failed {
            AppendError::Unknown(_) => {
                self.must_have_stopped(store)?;
                Ok(false)
            }
            error => {
                self.begin_epoch(None);
                self.unchanged(store)?;
                self.was_full = matches!(error, AppendError::Full(_));
                Ok(!matches!(error, AppendError::Closed(_)))
            }
        }
    }

    /// After a failed flush nothing is taken and nothing is written.
    fn must_have_stopped(&mut self, store: &EmbeddedStore) -> Result<(), String> {
        let operations = self.disk.operations();
        let append = Append {
            marks: vec![StoredMark::set(MarkKey::new("timer", "late"), "x")],
            ..Append::default()
        };
        let answers = ask(store, &[append]);
        store.step_idle();
        if !matches!(answers[..], [Err(AppendError::Closed(_))]) || self.disk.operations() != operations {
            return Err(format!(
                "after a failed flush: expected a refusal, found {answers:?}"
            ));
        }
        reached(Mark::StoppedUntilReopened);
        Ok(())
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
        if !self.earlier.is_empty() && self.chance.one_in(8) {
            let again = self.chance.below(self.earlier.len() as u64) as usize;
            return self.earlier[again].0.clone();
        }
        let marks: Vec<_> = (0..self.chance.below(3))
            .map(|_| chosen::mark(&mut self.chance))
            .collect();
        let count = if marks.is_empty() {
            1 + self.chance.below(3)
        } else {
            self.chance.below(3)
        };
        let conditions = (0..self.chance.below(3))
            .map(|_| chosen::condition(&self.model, &mut self.chance))
            .collect();
        let mut events: Vec<_> = (0..count).map(|_| self.next_event()).collect();
        if let Some(event) = events.first_mut()
            && self.chance.one_in(12)
        {
            event.data = self.frames_as_content(&event.data);
        }
        Append {
            events,
            conditions,
            marks,
        }
    }

    fn next_event(&mut self) -> annals_core::event::NewEvent {
        self.next_id += 1;
        chosen::event(self.next_id, &mut self.chance)
    }

    /// Content that holds a frame of this log, at every alignment: it must not pass for one.
    fn frames_as_content(&mut self, instead: &Bytes) -> Bytes {
        let frames = small_frames(&self.disk);
        let Some(frame) = frames.get(self.chance.below(frames.len() as u64) as usize) else {
            return instead.clone();
        };
        reached(Mark::FrameInsidePayload);
        let copies = (0..8).flat_map(|_| frame.iter().copied().chain([0]));
        copies.collect::<Vec<u8>>().into()
    }

    /// Sometimes repeats an append of the same group, as it was or with other content.
    fn repeat_inside(&mut self, appends: &mut Vec<Append>) {
        let first = &appends[0];
        if first.events.is_empty() || !self.chance.one_in(6) {
            return;
        }
        let mut again = first.clone();
        if self.chance.one_in(3) {
            again.events[0].version += 1;
        }
        appends.push(again);
    }
}

/// Queues all appends, lets the writer take one step, and collects the answers.
pub(super) fn ask(store: &EmbeddedStore, appends: &[Append]) -> Vec<Result<Appended, AppendError>> {
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

fn is_as_judged(answer: &Result<Appended, AppendError>, verdict: &Verdict) -> bool {
    match (answer, verdict) {
        (Ok(found), Verdict::Taken(expected)) => found == expected,
        (Err(AppendError::Conflict(found)), Verdict::Conflict(expected)) => found == expected,
        (Err(AppendError::IdTaken { id, position }), Verdict::IdTaken(expected, at)) => {
            (id, position) == (expected, at)
        }
        _ => false,
    }
}

pub(super) fn compare(answers: &[Result<Appended, AppendError>], verdicts: &[Verdict]) -> Result<(), String> {
    for (number, (answer, verdict)) in answers.iter().zip(verdicts).enumerate() {
        if !is_as_judged(answer, verdict) {
            return Err(format!(
                "append {number} of a group: expected {verdict:?}, found {answer:?}"
            ));
        }
    }
    Ok(())
}

/// Of a group that failed: up to the first append that was to be written the answers stand; from there on all share its
/// fate, also those that only depended on it.
fn compare_failed(answers: &[Result<Appended, AppendError>], verdicts: &[Verdict]) -> Result<(), String> {
    let is_written = |verdict: &Verdict| matches!(verdict, Verdict::Taken(taken) if !taken.duplicate);
    let written = verdicts.iter().position(is_written).unwrap_or(verdicts.len());
    let refused_at_once = matches!(answers.first(), Some(Err(AppendError::Closed(_))));
    if !refused_at_once {
        compare(&answers[..written], &verdicts[..written])?;
    }
    let shares_fate = |answer: &Result<Appended, AppendError>| {
        matches!(
            answer,
            Err(AppendError::Full(_) | AppendError::Unknown(_) | AppendError::Closed(_))
        )
    };
    for (answer, verdict) in answers.iter().zip(verdicts).skip(written) {
        if !shares_fate(answer) {
            return Err(format!(
                "a group failed, and one of its appends was answered with {answer:?}"
            ));
        }
        reached_if(!is_written(verdict), Mark::AnswerSharedFateOfGroup);
    }
    Ok(())
}

impl Run {
    /// What went wrong since this was last asked.
    fn note(&mut self, during: During) {
        let hits = self.disk.take_hits();
        if hits.is_empty() {
            return;
        }
        self.met_at.get_or_insert(self.at_step);
        for hit in hits {
            let of_segment = hit.fault == Fault::NoSpace && hit.path.to_string_lossy().ends_with(".seg.tmp");
            self.no_space_for_segment |= of_segment;
            if let Some(mark) = mark_of(&hit, during) {
                reached(mark);
            }
        }
    }

    fn note_verdicts(&self, appends: &[Append], verdicts: &[Verdict]) {
        let end = self.model.end();
        for (append, verdict) in appends.iter().zip(verdicts) {
            match verdict {
                Verdict::Taken(taken) if taken.duplicate && taken.first >= end && taken.count > 0 => {
                    reached(Mark::RepeatInsideGroup);
                }
                Verdict::Taken(taken) if taken.duplicate => {
                    let same = |earlier: &&(Append, u64)| {
                        earlier.0.events.first().map(|event| event.id)
                            == append.events.first().map(|event| event.id)
                    };
                    let earlier = self.earlier.iter().find(same);
                    let before = earlier.is_some_and(|(_, opened)| *opened < self.opened);
                    reached_if(before, Mark::RepeatAnsweredFromBeforeReopening);
                }
                Verdict::Taken(_) => {
                    let passed = append.conditions.iter().any(|one| self.passes_at_boundary(one));
                    reached_if(passed, Mark::PassedAtBoundary);
                }
                Verdict::Conflict(Conflict::Match { from, position, .. }) => {
                    reached_if(*position >= end, Mark::ConflictWithGroup);
                    reached_if(position == from, Mark::ConflictAtBoundary);
                }
                Verdict::Conflict(_) => {}
                Verdict::IdTaken(_, position) => {
                    reached_if(*position >= end, Mark::IdTakenInsideGroup);
                }
            }
        }
    }

    /// Whether only the boundary keeps the event right before it from being in the way.
    fn passes_at_boundary(&self, condition: &Condition) -> bool {
        let Condition::NoMatch { query, from } = condition else {
            return false;
        };
        let before = from.get().checked_sub(1);
        let before = before.and_then(|before| self.model.events.get(before as usize));
        before.is_some_and(|stored| super::oracle::matches(query, &stored.event))
    }
}

/// The mark of something that went wrong.
fn mark_of(hit: &Hit, during: During) -> Option<Mark> {
    use Operation::{Allocate, Create, Flush, FlushDir, Remove, Rename, Write, WriteFlushed};
    let path = hit.path.to_string_lossy();
    let (segment, index) = (path.ends_with(".seg.tmp"), path.ends_with(".idx.tmp"));
    let frame = path.ends_with(".seg") && hit.operation == WriteFlushed;
    Some(match (hit.fault, hit.operation) {
        (Fault::NoSpace, Create | Allocate | Write | WriteFlushed) if segment => Mark::NoSpaceAtNewSegment,
        (Fault::NoSpace, _) if frame => Mark::NoSpaceAtFrame,
        (Fault::NoSpace, Create | Allocate | Write | WriteFlushed) if index => Mark::NoSpaceAtIndexFile,
        (Fault::CutShort, Allocate | Write) if segment => Mark::CutShortAtNewSegment,
        (Fault::CutShort, _) if frame => Mark::CutShortAtFrame,
        (Fault::CutShort, Allocate | Write | WriteFlushed) if index => Mark::CutShortAtIndexFile,
        (Fault::Refuse, Create) => Mark::RefusedCreate,
        (Fault::Refuse, Rename) => Mark::RefusedRename,
        (Fault::Refuse, Remove) => Mark::RefusedRemove,
        (Fault::Refuse, _) if frame => Mark::RefusedFrame,
        (Fault::FailFlush, FlushDir) => Mark::FlushFailedOfDirectory,
        (Fault::FailFlush, Flush) if segment => Mark::FlushFailedOfNewSegment,
        (Fault::FailFlush, Flush | WriteFlushed) if index => Mark::FlushFailedOfIndexFile,
        (Fault::FailFlush, _) if frame => match during {
            During::Sealing => Mark::FlushFailedOfSeal,
            During::Group(1) => Mark::FlushFailedOfFrameAlone,
            During::Group(_) => Mark::FlushFailedOfFrameOfSeveral,
            During::Opening => return None,
        },
        _ => return None,
    })
}
