//! Deciding and committing: appends in queue order, one frame and one flush for all that waited.
//!
//! In: jobs. Out: one answer for each, after the flush. Every condition is decided against everything before it, the
//! earlier appends of the same group included.
//!
//! Invariants:
//! 1. No answer leaves before the flush: a conflict with an event that is not durable yet is not told either.
//! 2. If the flush fails, every append decided after the first accepted one shares its fate, because its answer may
//!    have depended on it.
//! 3. The end moves once per group, after the flush, together with marks and index.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use annals_core::mark::MarkKey;
use annals_core::port::store::{AppendError, Appended};
use annals_core::position::Position;
use annals_core::time::{Clock, Timestamp};
use annals_log::bug::{Bug as LogBug, is_planted};
use annals_log::{Batch, CommitError, Committed, Group, Writer};
use bytes::Bytes;
use tokio::sync::watch;

use crate::answers::{Answer, Answers};
use crate::bug::Bug;
use crate::core::Core;
use crate::decide::{Before, numbered_bodies};
use crate::index::Settled;
use crate::keeper::Keeper;
use crate::options::{Options, WriterThread};
use crate::patience::Patience;
use crate::queue::Job;
use crate::record;
use crate::state::spot;

/// The one that writes. Lives on the writer's thread.
pub(crate) struct Committer {
    core: Arc<Core>,
    keeper: Arc<Keeper>,
    writer: Writer,
    clock: Arc<dyn Clock>,
    end: watch::Sender<Position>,
    group: Group,
    group_bytes_max: usize,
    /// Appends of this group that were accepted: their first positions, and the jobs.
    accepted: Vec<(u64, Job)>,
    /// Where each accepted append begins in the frame.
    places: Vec<u32>,
    /// Marks of this group, not durable yet.
    marks: HashMap<MarkKey, Option<Bytes>>,
    /// Appends of this group that were not accepted.
    decided: Vec<Decided>,
    answers: Answers,
    patience: Patience,
    /// Whether there may be threads.
    threaded: bool,
    /// The last append that was accepted is not in the index yet.
    is_late: bool,
    /// Why the index can take no more, if so.
    overwhelmed: Option<String>,
}

struct Decided {
    answer: Answer,
    /// Whether anything was accepted before it was decided.
    depends: bool,
}

/// An append of so many events enters the index while it is flushed, if it is the last of its group.
const MANY: u32 = 256;

impl Committer {
    pub(crate) fn new(
        (core, keeper): (Arc<Core>, Arc<Keeper>),
        writer: Writer,
        end: watch::Sender<Position>,
        options: &Options,
    ) -> Self {
        let threaded = options.writer == WriterThread::Own;
        Self {
            core,
            keeper,
            writer,
            clock: options.clock.clone(),
            end,
            group: Group::new(),
            group_bytes_max: options.group_bytes_max,
            accepted: Vec::new(),
            places: Vec::new(),
            marks: HashMap::new(),
            decided: Vec::new(),
            answers: match threaded {
                true => Answers::on_thread(),
                false => Answers::default(),
            },
            patience: Patience::default(),
            threaded,
            is_late: false,
            overwhelmed: None,
        }
    }

    /// Decides and commits everything, in as many groups as the bytes ask for.
    pub(crate) fn run(&mut self, mut jobs: VecDeque<Job>) {
        while !jobs.is_empty() {
            if self.overwhelmed.is_some() {
                self.overwhelmed = self.keeper.overwhelmed();
            }
            self.take_fitting(&mut jobs);
            if self.threaded && jobs.is_empty() {
                self.wait_for_more(&mut jobs);
            }
            let newest = self.core.state.read().newest();
            self.commit(self.clock.now().max(newest));
        }
    }

    fn take_fitting(&mut self, jobs: &mut VecDeque<Job>) {
        while let Some(job) = self.next_fitting(jobs) {
            self.take(job);
        }
    }

    /// How many appends of this group are decided.
    fn has(&self) -> usize {
        self.accepted.len() + self.decided.len()
    }

    /// Waits a little for those who were answered a moment ago, and decides what comes.
    fn wait_for_more(&mut self, jobs: &mut VecDeque<Job>) {
        let now = Instant::now();
        let Some(wait) = self.patience.wait(now, self.has()) else {
            return;
        };
        let until = now + wait;
        while jobs.is_empty() && self.has() < self.patience.callers() {
            let left = until.saturating_duration_since(Instant::now());
            let missing = self.patience.callers() - self.has();
            // Half of them at a time: they are decided while others are still on their way.
            let came = self.core.queue.take_when(missing.div_ceil(2), left);
            // It is time, or nobody can come any more.
            if came.is_empty() {
                break;
            }
            jobs.extend(came);
            self.take_fitting(jobs);
        }
    }

    /// Seals the log if anything was written since the last seal.
    pub(crate) fn seal(&mut self) {
        if let Err(error) = self.writer.seal() {
            self.stopped(&error);
        }
    }

    fn next_fitting(&self, jobs: &mut VecDeque<Job>) -> Option<Job> {
        let next = jobs.front()?.batch.bytes().len();
        let fits = self.accepted.is_empty() || self.group.payload_bytes() + next <= self.group_bytes_max;
        if fits { jobs.pop_front() } else { None }
    }

    fn take(&mut self, job: Job) {
        self.enter_late();
        let depends = !self.accepted.is_empty();
        let outcome = match self.decide(&job) {
            Ok(None) => return self.accept(job),
            Ok(Some(first_outcome)) => Ok(first_outcome),
            Err(error) => Err(error),
        };
        let answer = Answer { job, outcome };
        self.decided.push(Decided { answer, depends });
    }

    /// `None`: it may be written. `Some`: it was written before, with this outcome.
    fn decide(&self, job: &Job) -> Result<Option<Appended>, AppendError> {
        if let Some(reason) = self.writer.stopped() {
            return Err(AppendError::Closed(reason.to_owned()));
        }
        let before = Before {
            core: &self.core,
            accepted: &self.accepted,
            marks: &self.marks,
        };
        if let Some(first_outcome) = before.already_there(job)? {
            return Ok(Some(first_outcome));
        }
        for (number, condition) in job.conditions.iter().enumerate() {
            before.check(number, condition)?;
        }
        match &self.overwhelmed {
            Some(reason) => Err(AppendError::Full(reason.clone())),
            None => Ok(None),
        }
    }

    fn accept(&mut self, job: Job) {
        let first = self.core.state.read().current.next();
        for mark in &job.marks {
            self.marks.insert(mark.key.clone(), mark.value.clone());
        }
        let place = match is_planted(Bug::SplitMarks) {
            true => self.group.add(&apart(&job.batch).0),
            false => self.group.add(&job.batch),
        };
        self.is_late = self.threaded && job.batch.numbered() >= MANY;
        if !self.is_late {
            enter(&self.core, &job.batch);
        }
        self.places.push(place);
        self.accepted.push((first, job));
    }

    /// Every decision needs everything before it in the index.
    fn enter_late(&mut self) {
        if std::mem::take(&mut self.is_late)
            && let Some((_, job)) = self.accepted.last()
        {
            enter(&self.core, &job.batch);
        }
    }

    /// Writes and flushes the group. What is not in the index yet enters it meanwhile.
    fn write(&mut self, recorded: Timestamp) -> Result<Committed, CommitError> {
        let is_late = std::mem::take(&mut self.is_late);
        let late = self.accepted.last().filter(|_| is_late);
        let (core, writer, group) = (&self.core, &mut self.writer, &mut self.group);
        let Some((_, Job { batch, .. })) = late else {
            return writer.commit(group, recorded.as_micros());
        };
        thread::scope(|scope| {
            let entering = thread::Builder::new().name("annals-entering".into());
            let entering = entering.spawn_scoped(scope, || enter(core, batch));
            let committed = writer.commit(group, recorded.as_micros());
            if entering.is_err() {
                enter(core, batch);
            }
            committed
        })
    }

    /// Only where [`Bug::SplitMarks`] is planted.
    fn commit_marks(&mut self, recorded: Timestamp) {
        let mut marks = Group::new();
        for (_, job) in &self.accepted {
            marks.add(&apart(&job.batch).1);
        }
        if !marks.is_empty() {
            self.writer.commit(&mut marks, recorded.as_micros()).ok();
        }
    }

    fn commit(&mut self, recorded: Timestamp) {
        if is_planted(LogBug::ShowUnflushed) {
            self.end
                .send_replace(Position::new(self.core.state.read().current.next()));
        }
        let began = Instant::now();
        let committed = match self.accepted.is_empty() {
            true => Ok(()),
            false => match self.write(recorded) {
                Ok(committed) => {
                    if is_planted(Bug::SplitMarks) {
                        self.commit_marks(recorded);
                    }
                    self.publish(committed, recorded);
                    Ok(())
                }
                Err(error) => {
                    self.core.state.write().current.withdraw();
                    Err(self.stopped(&error))
                }
            },
        };
        self.group.clear();
        self.places.clear();
        self.marks.clear();
        let changed = committed.is_ok() && !self.accepted.is_empty();
        let told = match is_planted(Bug::AcknowledgeQueued) {
            true => Ok(()),
            false => committed,
        };
        let waiting = self.core.queue.waiting();
        if changed {
            let now = Instant::now();
            self.patience.flushed(now, now - began, self.has(), waiting);
        }
        self.answer(told, recorded, waiting > 0);
        // Only after the answers have left: making room for the index is not what callers wait for.
        if changed {
            self.close_full_part();
        }
    }

    /// Everything of the group becomes visible at once.
    fn publish(&mut self, committed: Committed, recorded: Timestamp) {
        let frame = committed.frame.at as u32;
        let jobs = self.accepted.iter().zip(&self.places);
        let spots = jobs.flat_map(|((_, job), place)| {
            let bytes = job.batch.bytes();
            let records = Batch::records(bytes).filter(|record| record.is_numbered);
            records.map(move |record| spot(bytes, &record, frame + place + record.body as u32))
        });
        let settled = Settled {
            frame: committed.milestone,
            bytes: committed.end.at - committed.frame.at,
            recorded,
        };
        let mut state = self.core.state.write();
        assert_eq!(committed.first, state.end(), "the log counts as the store does");
        state.current.settle(settled, spots);
        for (_, job) in &mut self.accepted {
            job.marks.drain(..).for_each(|mark| state.current.set(mark));
        }
        let durable = Position::new(state.end());
        self.end
            .send_if_modified(|known| std::mem::replace(known, durable) != durable);
    }

    /// Lets the newest part of the index become a file if it is large enough.
    fn close_full_part(&mut self) {
        let mut state = self.core.state.write();
        if !self.core.index.is_full(&state.current) {
            return;
        }
        state.close_part();
        drop(state);
        self.keeper.part_closed();
        self.overwhelmed = self.keeper.overwhelmed();
    }

    fn answer(&mut self, committed: Result<(), AppendError>, recorded: Timestamp, others_wait: bool) {
        let first_of_group = self.accepted.first().map_or(u64::MAX, |(first, _)| *first);
        let accepted = self.accepted.drain(..).map(|(first, job)| {
            let done = Appended {
                first: Position::new(first),
                count: u64::from(job.batch.numbered()),
                recorded,
                duplicate: false,
            };
            let outcome = committed.clone().map(|()| done);
            Answer { job, outcome }
        });
        let decided = self.decided.drain(..).map(|Decided { mut answer, depends }| {
            match (&committed, &mut answer.outcome) {
                (Err(error), outcome) if depends && !is_planted(Bug::AnswerPastFailedGroup) => {
                    *outcome = Err(error.clone());
                }
                (_, Ok(earlier)) if earlier.first.get() >= first_of_group => earlier.recorded = recorded,
                _ => {}
            }
            answer
        });
        self.answers.give(accepted.chain(decided).collect(), others_wait);
    }

    /// Translates an error of the log, and closes the queue if the writer has stopped.
    fn stopped(&self, error: &CommitError) -> AppendError {
        if let Some(reason) = self.writer.stopped() {
            self.core.queue.close(reason);
            self.core.failed.store(true, Ordering::Release);
        }
        match error {
            CommitError::NotWritten(source) => AppendError::Full(source.to_string()),
            CommitError::Unknown(source) => AppendError::Unknown(source.to_string()),
            other => AppendError::Closed(other.to_string()),
        }
    }
}

/// Events enter the index before they are durable; readers are bounded by the durable end.
fn enter(core: &Core, batch: &Batch) {
    let mut state = core.state.write();
    for body in numbered_bodies(batch) {
        let event = record::read_named(body).expect("it was encoded a moment ago");
        state.current.insert(&event);
    }
}

/// The numbered records of a batch, and the others.
fn apart(batch: &Batch) -> (Batch, Batch) {
    let (mut numbered, mut others) = (Batch::default(), Batch::default());
    for record in Batch::records(batch.bytes()) {
        let body = &batch.bytes()[record.body..record.end];
        match record.is_numbered {
            true => numbered.push_numbered(|bytes| bytes.extend_from_slice(body)),
            false => others.push_unnumbered(|bytes| bytes.extend_from_slice(body)),
        }
    }
    (numbered, others)
}
