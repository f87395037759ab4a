//! The contract of a store in its plainest words: a `Vec` of events, a map of marks, and filters.
//!
//! In: appends and questions. Out: the same answers as the embedded store, as the conformance suite proves. Nothing
//! is durable and every question walks the whole history, so it is for learning, tests and short-lived tools.
//!
//! Invariants: positions are indexes into the `Vec`; recorded time never decreases; one lock makes every append and
//! every read atomic; the end is announced only after the events are in place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_core::condition::{Condition, Conflict};
use annals_core::event::RecordedEvent;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{
    Append, AppendError, Appended, BoxFuture, Direction, EventStore, Page, Read, ReadError, TypeCount,
};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::{Clock, SystemClock, Timestamp};
use bytes::Bytes;
use tokio::sync::watch;

use crate::admit;

/// A store in memory. Cheap to clone; clones share one history.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    history: Mutex<History>,
    end: watch::Sender<Position>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct History {
    events: Vec<RecordedEvent>,
    marks: BTreeMap<MarkKey, Bytes>,
    /// When the newest append was recorded, also one of marks alone.
    newest: Timestamp,
}

impl MemoryStore {
    /// An empty store that takes its times from the system clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store that takes its times from this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let end = watch::Sender::new(Position::ZERO);
        Self {
            shared: Arc::new(Shared {
                history: Mutex::default(),
                end,
                clock,
            }),
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // A panic inside the lock cannot leave half an append: events are pushed after every check.
        self.shared.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append_now(&self, append: Append) -> Result<Appended, AppendError> {
        admit::check(&append)?;
        let mut history = self.history();
        if let Some(first_outcome) = history.already_there(&append)? {
            return Ok(first_outcome);
        }
        for (number, condition) in append.conditions.iter().enumerate() {
            history.check(number, condition)?;
        }
        let appended = history.push(append, self.shared.clock.now());
        let end = history.end();
        self.shared
            .end
            .send_if_modified(|known| std::mem::replace(known, end) != end);
        Ok(appended)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    fn end(&self) -> Position {
        Position::new(self.events.len() as u64)
    }

    /// The first outcome if every event is there already, side by side and with the same content.
    fn already_there(&self, append: &Append) -> Result<Option<Appended>, AppendError> {
        let place = |id| self.events.iter().position(|stored| stored.event.id == id);
        let known = append
            .events
            .iter()
            .find_map(|event| place(event.id).map(|at| (event.id, at)));
        let Some((id, position)) = known else {
            return Ok(None);
        };
        let whole =
            place(append.events[0].id).and_then(|first| self.events.get(first..first + append.events.len()));
        match whole {
            Some(stored) if stored.iter().map(|stored| &stored.event).eq(&append.events) => {
                Ok(Some(Appended {
                    first: stored[0].position,
                    count: stored.len() as u64,
                    recorded: stored[0].recorded,
                    duplicate: true,
                }))
            }
            _ => Err(AppendError::IdTaken {
                id,
                position: Position::new(position as u64),
            }),
        }
    }

    fn check(&self, number: usize, condition: &Condition) -> Result<(), Conflict> {
        match condition {
            Condition::NoMatch { query, from } => match self.matching(query, *from, Position::MAX).next() {
                Some(found) => Err(Conflict::Match {
                    condition: number,
                    from: *from,
                    position: found.position,
                    id: found.event.id,
                    event_type: found.event.event_type.clone(),
                }),
                None => Ok(()),
            },
            Condition::TagAt { tag, expected } => {
                let (tag, expected) = (tag.clone(), *expected);
                let found = self.revision(&tag, Position::MAX);
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
                let found = self.marks.get(key).cloned();
                if found == *expected {
                    Ok(())
                } else {
                    Err(Conflict::Mark {
                        condition: number,
                        key: key.clone(),
                        found,
                    })
                }
            }
        }
    }

    fn push(&mut self, append: Append, now: Timestamp) -> Appended {
        let recorded = now.max(self.newest);
        self.newest = recorded;
        let (first, count) = (self.end(), append.events.len() as u64);
        for event in append.events {
            self.events.push(RecordedEvent {
                position: self.end(),
                recorded,
                event,
            });
        }
        for Mark { key, value } in append.marks {
            match value {
                Some(value) => self.marks.insert(key, value),
                None => self.marks.remove(&key),
            };
        }
        Appended {
            first,
            count,
            recorded,
            duplicate: false,
        }
    }

    fn matching<'a>(
        &'a self,
        query: &'a Query,
        from: Position,
        to: Position,
    ) -> impl DoubleEndedIterator<Item = &'a RecordedEvent> {
        let to = to.min(self.end()).get() as usize;
        let from = (from.get() as usize).min(to);
        self.events[from..to]
            .iter()
            .filter(|stored| query.matches(&stored.event))
    }

    fn revision(&self, tag: &Tag, before: Position) -> Option<Revision> {
        let query = Query::tag(tag.clone());
        let count = self.matching(&query, Position::ZERO, before).count() as u64;
        count.checked_sub(1).map(Revision::new)
    }

    fn page(&self, read: &Read) -> Page {
        let matching = self.matching(&read.query, read.from, read.to);
        match read.direction {
            Direction::Forward => {
                let (events, finished) = take_page(matching, read);
                let last = events.last().map_or(read.from, |newest| newest.position.next());
                let next = if finished {
                    read.from.max(read.to.min(self.end()))
                } else {
                    last
                };
                Page {
                    events,
                    next,
                    finished,
                }
            }
            Direction::Backward => {
                let (events, finished) = take_page(matching.rev(), read);
                let last = events.last().map_or(read.to, |oldest| oldest.position);
                Page {
                    events,
                    next: if finished { read.from } else { last },
                    finished,
                }
            }
        }
    }
}

/// The events of one page, and whether they are the last that match.
fn take_page<'a>(
    mut matching: impl Iterator<Item = &'a RecordedEvent>,
    read: &Read,
) -> (Vec<RecordedEvent>, bool) {
    let (mut events, mut bytes) = (Vec::new(), 0);
    loop {
        let Some(stored) = matching.next() else {
            return (events, true);
        };
        let full = events.len() >= read.limit.max(1) || bytes >= read.bytes;
        if full && !events.is_empty() {
            return (events, false);
        }
        bytes += stored.event.data.len();
        events.push(stored.clone());
    }
}

impl EventStore for MemoryStore {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let store = self.clone();
        Box::pin(async move { store.append_now(append) })
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move { Ok(self.history().page(&read)) })
    }

    fn end(&self) -> Position {
        *self.shared.end.borrow()
    }

    fn watch_end(&self) -> watch::Receiver<Position> {
        self.shared.end.subscribe()
    }

    fn revision(&self, tag: Tag, before: Position) -> BoxFuture<'_, Result<Option<Revision>, ReadError>> {
        Box::pin(async move { Ok(self.history().revision(&tag, before)) })
    }

    fn end_at(&self, moment: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move {
            let older = self
                .history()
                .events
                .partition_point(|stored| stored.recorded <= moment);
            Ok(Position::new(older as u64))
        })
    }

    fn types(&self) -> BoxFuture<'_, Result<Vec<TypeCount>, ReadError>> {
        Box::pin(async move {
            let mut counts = BTreeMap::new();
            for stored in &self.history().events {
                *counts.entry(stored.event.event_type.clone()).or_default() += 1;
            }
            Ok(counts
                .into_iter()
                .map(|(event_type, events)| TypeCount { event_type, events })
                .collect())
        })
    }

    fn type_count(&self) -> usize {
        let history = self.history();
        let types: std::collections::HashSet<_> =
            history.events.iter().map(|s| &s.event.event_type).collect();
        types.len()
    }

    fn mark(&self, key: MarkKey) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>> {
        Box::pin(async move { Ok(self.history().marks.get(&key).cloned()) })
    }

    fn marks(&self, space: &str, prefix: &str) -> BoxFuture<'_, Result<Vec<(MarkKey, Bytes)>, ReadError>> {
        let (space, prefix) = (space.to_owned(), prefix.to_owned());
        Box::pin(async move {
            let history = self.history();
            let wanted = |key: &MarkKey| key.space == space && key.name.starts_with(&prefix);
            Ok(history
                .marks
                .iter()
                .filter(|(key, _)| wanted(key))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect())
        })
    }
}
