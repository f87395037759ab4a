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

use annals_core::condition::{Condition, Conflict};
use annals_core::event::NewEvent;
use annals_core::mark::MarkKey;
use annals_core::port::store::{AppendError, Appended, Direction};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::time::{Clock, Timestamp};
use annals_log::bug::{self, Bug};
use annals_log::{Batch, CommitError, Committed, Group, RECORD_HEADER_BYTES, Writer};
use bytes::Bytes;
use tokio::sync::{oneshot, watch};

use crate::core::Core;
use crate::fetch;
use crate::index::{EVENTS_MAX, Range};
use crate::queue::Job;
use crate::state::{State, narrow, widen};

/// The one that writes. Lives on the writer's thread.
pub(crate) struct Committer {
    core: Arc<Core>,
    writer: Writer,
    clock: Arc<dyn Clock>,
    end: watch::Sender<Position>,
    group: Group,
    group_bytes_max: usize,
    /// Appends of this group that were accepted: their first positions, and the jobs.
    accepted: Vec<(u32, Job)>,
    /// Where each accepted append begins in the frame.
    places: Vec<u32>,
    /// Marks of this group, not durable yet.
    marks: HashMap<MarkKey, Option<Bytes>>,
    answers: Vec<Answer>,
}

type Reply = oneshot::Sender<Result<Appended, AppendError>>;

struct Answer {
    reply: Reply,
    outcome: Result<Appended, AppendError>,
    /// Whether anything was accepted before it was decided.
    depends: bool,
}

impl Committer {
    pub(crate) fn new(
        core: Arc<Core>,
        writer: Writer,
        clock: Arc<dyn Clock>,
        end: watch::Sender<Position>,
        group_bytes_max: usize,
    ) -> Self {
        Self {
            core,
            writer,
            clock,
            end,
            group: Group::new(),
            group_bytes_max,
            accepted: Vec::new(),
            places: Vec::new(),
            marks: HashMap::new(),
            answers: Vec::new(),
        }
    }

    /// Decides and commits everything, in as many groups as the bytes ask for.
    pub(crate) fn run(&mut self, mut jobs: VecDeque<Job>) {
        while !jobs.is_empty() {
            let recorded = self.clock.now().max(self.core.state.read().newest);
            while let Some(job) = self.next_fitting(&mut jobs) {
                self.take(job, recorded);
            }
            self.commit(recorded);
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

    fn take(&mut self, job: Job, recorded: Timestamp) {
        let depends = !self.accepted.is_empty();
        match self.decide(&job, recorded) {
            Ok(None) => self.accept(job),
            Ok(Some(first_outcome)) => {
                self.answers.push(Answer {
                    reply: job.reply,
                    outcome: Ok(first_outcome),
                    depends,
                });
            }
            Err(error) => self.answers.push(Answer {
                reply: job.reply,
                outcome: Err(error),
                depends,
            }),
        }
    }

    /// `None`: it may be written. `Some`: it was written before, with this outcome.
    fn decide(&self, job: &Job, recorded: Timestamp) -> Result<Option<Appended>, AppendError> {
        if let Some(reason) = self.writer.stopped() {
            return Err(AppendError::Closed(reason.to_owned()));
        }
        if let Some(first_outcome) = self.already_there(job, recorded)? {
            return Ok(Some(first_outcome));
        }
        let state = self.core.state.read();
        for (number, condition) in job.conditions.iter().enumerate() {
            self.check(&state, number, condition)?;
        }
        if u64::from(state.index.next()) + job.events.len() as u64 > EVENTS_MAX {
            return Err(AppendError::Full(format!(
                "this build holds at most {EVENTS_MAX} events in one store"
            )));
        }
        Ok(None)
    }

    /// The first outcome, if all events are there already, side by side and with the same content.
    fn already_there(&self, job: &Job, recorded: Timestamp) -> Result<Option<Appended>, AppendError> {
        let state = self.core.state.read();
        let known = |event: &NewEvent| {
            state
                .index
                .position_of(event.id)
                .map(|position| (event.id, position))
        };
        let Some((id, position)) = job.events.iter().find_map(known) else {
            return Ok(None);
        };
        let taken = AppendError::IdTaken {
            id,
            position: widen(position),
        };
        let Some(first) = state.index.position_of(job.events[0].id) else {
            return Err(taken);
        };
        let side_by_side = job
            .events
            .iter()
            .zip(first..)
            .all(|(event, at)| state.index.position_of(event.id) == Some(at));
        if !side_by_side {
            return Err(taken);
        }
        let durable = first < state.end;
        let first_recorded = if durable {
            state.index.recorded(first)
        } else {
            Some(recorded)
        };
        drop(state);
        for (body, at) in numbered_bodies(&job.batch).zip(first..) {
            if self.stored_body(at)? != body {
                return Err(taken);
            }
        }
        Ok(Some(Appended {
            first: widen(first),
            count: job.events.len() as u64,
            recorded: first_recorded.unwrap_or(recorded),
            duplicate: true,
        }))
    }

    /// The encoded event at a position, durable or in this very group.
    fn stored_body(&self, position: u32) -> Result<Bytes, AppendError> {
        let group = self.accepted.partition_point(|(first, _)| *first <= position);
        if let Some((first, job)) = group.checked_sub(1).map(|last| &self.accepted[last])
            && (position - first) < job.events.len() as u32
        {
            let body = numbered_bodies(&job.batch)
                .nth((position - first) as usize)
                .unwrap_or_default();
            return Ok(Bytes::copy_from_slice(body));
        }
        let unreadable =
            |reason: String| AppendError::Unknown(format!("its first copy cannot be read: {reason}"));
        let wanted = self
            .core
            .wanted(&self.core.state.read(), position)
            .map_err(|error| unreadable(error.to_string()))?;
        fetch::body(&self.core.reader, &wanted).map_err(|error| unreadable(error.to_string()))
    }

    fn check(&self, state: &State, number: usize, condition: &Condition) -> Result<(), Conflict> {
        match condition {
            Condition::NoMatch { query, from } => check_no_match(state, number, query, *from),
            Condition::TagAt { tag, expected } => {
                let count = state.index.tagged(tag, u32::MAX) as u64;
                let found = count.checked_sub(1).map(Revision::new);
                let (tag, expected) = (tag.clone(), *expected);
                if found == expected {
                    Ok(())
                } else {
                    Err(Conflict::Tag {
                        condition: number,
                        tag,
                        expected,
                        found,
                    })
                }
            }
            Condition::MarkIs { key, expected } => {
                let found = match self.marks.get(key) {
                    Some(in_flight) => in_flight.clone(),
                    None => state.marks.get(key).cloned(),
                };
                let key = key.clone();
                if found == *expected {
                    Ok(())
                } else {
                    Err(Conflict::Mark {
                        condition: number,
                        key,
                        found,
                    })
                }
            }
        }
    }

    fn accept(&mut self, job: Job) {
        let mut state = self.core.state.write();
        let first = state.index.next();
        job.events.iter().for_each(|event| state.index.insert(event));
        drop(state);
        for mark in &job.marks {
            self.marks.insert(mark.key.clone(), mark.value.clone());
        }
        self.places.push(self.group.add(&job.batch));
        self.accepted.push((first, job));
    }

    fn commit(&mut self, recorded: Timestamp) {
        if bug::is_planted(Bug::ShowUnflushed) {
            self.end.send_replace(widen(self.core.state.read().index.next()));
        }
        let committed = match self.accepted.is_empty() {
            true => Ok(()),
            false => match self.writer.commit(&mut self.group, recorded.as_micros()) {
                Ok(committed) => {
                    self.publish(committed, recorded);
                    Ok(())
                }
                Err(error) => {
                    self.core.state.write().index.withdraw();
                    Err(self.stopped(&error))
                }
            },
        };
        self.group.clear();
        self.places.clear();
        self.marks.clear();
        self.answer(committed, recorded);
    }

    /// Everything of the group becomes visible at once.
    fn publish(&mut self, committed: Committed, recorded: Timestamp) {
        let frame = committed.frame.at as u32;
        let jobs = self.accepted.iter().zip(&self.places);
        let starts = jobs.flat_map(|((_, job), place)| {
            let records = Batch::records(job.batch.bytes()).filter(|record| record.is_numbered);
            records.map(move |record| frame + place + (record.body - RECORD_HEADER_BYTES) as u32)
        });
        let end = self.core.reader.end().at as u32;
        let mut state = self.core.state.write();
        assert_eq!(
            committed.first,
            u64::from(state.end),
            "the log counts as the store does"
        );
        state.settle(committed.frame.segment, starts, end, recorded);
        for (_, job) in &mut self.accepted {
            job.marks.drain(..).for_each(|mark| state.set(mark));
        }
        let durable = widen(state.end);
        self.end
            .send_if_modified(|known| std::mem::replace(known, durable) != durable);
    }

    fn answer(&mut self, committed: Result<(), AppendError>, recorded: Timestamp) {
        for (first, job) in self.accepted.drain(..) {
            let count = job.events.len() as u64;
            let done = Appended {
                first: widen(first),
                count,
                recorded,
                duplicate: false,
            };
            reply(job.reply, committed.clone().map(|()| done));
        }
        for Answer {
            reply: to,
            outcome,
            depends,
        } in self.answers.drain(..)
        {
            let outcome = match &committed {
                Err(error) if depends => Err(error.clone()),
                _ => outcome,
            };
            reply(to, outcome);
        }
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

/// A caller that is gone does not want the answer.
fn reply(to: Reply, outcome: Result<Appended, AppendError>) {
    to.send(outcome).ok();
}

fn numbered_bodies(batch: &Batch) -> impl Iterator<Item = &[u8]> {
    let records = Batch::records(batch.bytes()).filter(|record| record.is_numbered);
    records.map(|record| &batch.bytes()[record.body..record.end])
}

fn check_no_match(state: &State, number: usize, query: &Query, from: Position) -> Result<(), Conflict> {
    let range = Range {
        from: narrow(from),
        to: state.index.next(),
        direction: Direction::Forward,
    };
    let found = state.index.select(query, range, 1).positions.first().copied();
    let Some(position) = found else { return Ok(()) };
    let id = state
        .index
        .id_at(position)
        .expect("the index knows the id of every event it finds");
    let event_type = state
        .index
        .type_of(position)
        .expect("the index knows the type of every event it finds");
    Err(Conflict::Match {
        condition: number,
        from,
        position: widen(position),
        id,
        event_type,
    })
}
