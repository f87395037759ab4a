//! Deciding one append: whether it was written before, and whether its conditions hold.
//!
//! In: an append and everything before it, durable or in the same group. Out: that it may be written, its first outcome,
//! or the conflict with both sides. Nothing is changed here.

use std::collections::HashMap;

use annals_core::condition::{Condition, Conflict};
use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::port::store::{AppendError, Appended, Direction, ReadError};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::time::Timestamp;
use annals_log::bug::is_planted;
use annals_log::{Batch, RECORD_HEADER_BYTES};
use bytes::Bytes;

use crate::bug::Bug;
use crate::core::Core;
use crate::fetch::{self, Wanted};
use crate::index::Range;
use crate::queue::Job;
use crate::record;

/// Everything an append is decided against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) core: &'a Core,
    /// Appends of the same group: their first positions, and the jobs.
    pub(crate) accepted: &'a [(u64, Job)],
    /// Marks of the same group.
    pub(crate) marks: &'a HashMap<MarkKey, Option<Bytes>>,
}

impl Before<'_> {
    fn position_of(&self, id: EventId) -> Result<Option<u64>, AppendError> {
        self.core
            .ask(|core| core.position_of(id))
            .map_err(|error| unanswered(&error))
    }

    /// The first outcome, if all events are there already, side by side and with the same content. Its time is not known
    /// yet where they are in this very group.
    pub(crate) fn already_there(&self, job: &Job) -> Result<Option<Appended>, AppendError> {
        let known = self.core.ask(|core| core.first_known(ids(&job.batch)));
        let Some((id, position)) = known.map_err(|error| unanswered(&error))? else {
            return Ok(None);
        };
        let taken = AppendError::IdTaken {
            id,
            position: Position::new(position),
        };
        let first = ids(&job.batch).next().map(|id| self.position_of(id));
        let Some(first) = first.transpose()?.flatten() else {
            return Err(taken);
        };
        for (id, at) in ids(&job.batch).zip(first..) {
            if self.position_of(id)? != Some(at) {
                return Err(taken);
            }
        }
        if first < self.core.boundary().get() {
            return self.was_archived(job, first, taken).map(Some);
        }
        for (body, at) in numbered_bodies(&job.batch).zip(first..) {
            if self.stored_body(at)? != body {
                return Err(taken);
            }
        }
        let durable = self.durable(first)?.map(|wanted| wanted.span.recorded);
        Ok(Some(Appended {
            first: Position::new(first),
            count: u64::from(job.batch.numbered()),
            recorded: durable.unwrap_or(Timestamp::EPOCH),
            duplicate: true,
        }))
    }

    /// The first outcome of an append whose events were archived: of each, length and checksum are still known.
    fn was_archived(&self, job: &Job, first: u64, taken: AppendError) -> Result<Appended, AppendError> {
        let bytes = job.batch.bytes();
        let records = Batch::records(bytes).filter(|record| record.is_numbered);
        let mut recorded = None;
        for record in records {
            let id = record::id_of(&bytes[record.body..record.end]);
            let known = self.core.ask(|core| match core.carried() {
                Some(carried) => Ok(carried.known(id)?),
                None => Ok(None),
            });
            let known = known.map_err(|error| unanswered(&error))?;
            let head = &bytes[record.body - RECORD_HEADER_BYTES..record.body];
            let Some(known) = known.filter(|known| known.head == head) else {
                return Err(taken);
            };
            recorded = Some(known.recorded);
        }
        Ok(Appended {
            first: Position::new(first),
            count: u64::from(job.batch.numbered()),
            recorded: recorded.ok_or(taken)?,
            duplicate: true,
        })
    }

    /// What is needed to fetch an event, if it is durable.
    fn durable(&self, position: u64) -> Result<Option<Wanted>, AppendError> {
        let wanted = self.core.ask(|core| core.wanted(&[position]));
        Ok(wanted.map_err(|error| unanswered(&error))?.pop())
    }

    /// The encoded event at a position, durable or in this very group.
    fn stored_body(&self, position: u64) -> Result<Bytes, AppendError> {
        let group = self.accepted.partition_point(|(first, _)| *first <= position);
        if let Some((first, job)) = group.checked_sub(1).map(|last| &self.accepted[last])
            && (position - first) < u64::from(job.batch.numbered())
        {
            let body = numbered_bodies(&job.batch)
                .nth((position - first) as usize)
                .unwrap_or_default();
            return Ok(Bytes::copy_from_slice(body));
        }
        let unreadable =
            |reason: String| AppendError::Unknown(format!("its first copy cannot be read: {reason}"));
        let wanted = self.durable(position)?;
        let wanted = wanted.ok_or_else(|| unreadable(format!("nothing is at position {position}")))?;
        fetch::body(&self.core.reader, &wanted).map_err(|error| unreadable(error.to_string()))
    }

    pub(crate) fn check(&self, number: usize, condition: &Condition) -> Result<(), AppendError> {
        match condition {
            Condition::NoMatch { query, from } => self.check_no_match(number, query, *from),
            Condition::TagAt { tag, expected } => {
                let count = self.core.ask(|core| core.tagged(tag, u64::MAX));
                let count = count.map_err(|error| unanswered(&error))?;
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
                    })?
                }
            }
            Condition::MarkIs { key, expected } => {
                let found = match self.marks.get(key) {
                    Some(in_flight) => in_flight.clone(),
                    None => {
                        let value = self.core.ask(|core| core.mark_value(key));
                        value.map_err(|error| unanswered(&error))?
                    }
                };
                let key = key.clone();
                if found == *expected {
                    Ok(())
                } else {
                    Err(Conflict::Mark {
                        condition: number,
                        key,
                        found,
                    })?
                }
            }
        }
    }

    fn check_no_match(&self, number: usize, query: &Query, from: Position) -> Result<(), AppendError> {
        let range = Range {
            from: from.get() + u64::from(is_planted(Bug::SkipEventAtBoundary)),
            to: match is_planted(Bug::MissInFlight) {
                true => self.core.state.read().end(),
                false => u64::MAX,
            },
            direction: Direction::Forward,
        };
        let found = self.core.ask(|core| core.select(query, range, 1));
        let found = found
            .map_err(|error| unanswered(&error))?
            .picked
            .first()
            .map(|one| one.position);
        let Some(position) = found else {
            return self.check_archived(number, query, from);
        };
        let (id, event_type) = match self.core.named(position) {
            Some(named) => named,
            None => self.fetched_name(position)?,
        };
        Err(Conflict::Match {
            condition: number,
            from,
            position: Position::new(position),
            id,
            event_type,
        })?
    }

    /// No event that is still here is in the way; whether an archived one is must be certain too.
    fn check_archived(&self, number: usize, query: &Query, from: Position) -> Result<(), AppendError> {
        let may = self.core.may_need_archived(from.get(), query);
        let carried = self.core.carried();
        match (may.map_err(|error| unanswered(&error))?, carried) {
            (true, Some(carried)) => Err(AppendError::Gone {
                condition: number,
                boundary: carried.boundary(),
                archive: carried.archive(),
            }),
            _ => Ok(()),
        }
    }

    /// Id and type of an event that is only in the log.
    fn fetched_name(&self, position: u64) -> Result<(EventId, EventType), AppendError> {
        let unreadable = |reason: String| {
            AppendError::Unknown(format!(
                "the event at position {position} is in the way and cannot be read: {reason}"
            ))
        };
        let wanted = self.durable(position)?;
        let wanted = wanted.ok_or_else(|| unreadable("it is not there".to_owned()))?;
        let body = fetch::body(&self.core.reader, &wanted).map_err(|error| unreadable(error.to_string()))?;
        let event = record::read_named(&body).map_err(unreadable)?;
        Ok((event.id(), EventType::new(event.event_type())))
    }
}

fn ids(batch: &Batch) -> impl Iterator<Item = EventId> + Clone {
    numbered_bodies(batch).map(record::id_of)
}

/// The bodies of its events.
pub(crate) fn numbered_bodies(batch: &Batch) -> impl Iterator<Item = &[u8]> + Clone {
    let records = Batch::records(batch.bytes()).filter(|record| record.is_numbered);
    records.map(|record| &batch.bytes()[record.body..record.end])
}

/// Nothing was written; the same append may be repeated.
fn unanswered(error: &ReadError) -> AppendError {
    AppendError::Unknown(format!("whether it may happen cannot be told: {error}"))
}
