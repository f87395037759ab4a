//! Many clients of one store at once: appends under conditions on few tags, so that they race; repetitions, marks as
//! keys of requests, and reads. Everything is written down as the client saw it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use annals_core::condition::Condition;
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, EventStore, Page, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use uuid::Uuid;

use super::operation::{Asked, Logged, Operation, Place, Seen, What};
use crate::seed::Seed;

/// How much, by whom.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Threads, each one client.
    pub clients: u64,
    /// Operations of all of them together, at least.
    pub operations: u64,
    /// What they do; not when.
    pub seed: u64,
}

const TYPES: [EventType; 4] = [
    EventType::from_static("order.placed"),
    EventType::from_static("order.paid"),
    EventType::from_static("order.shipped"),
    EventType::from_static("order.noted"),
];
/// Few, so that clients race for them.
const TAGS: u64 = 24;
/// How far back a client looks.
const BACK: u64 = 60;

/// Lets clients work and answers what they saw, in no order.
///
/// # Errors
/// A read was refused, or an append for another reason than a condition: nothing fails here.
pub fn run(store: &Arc<dyn EventStore>, load: &Load) -> Result<Vec<Operation>, String> {
    let seed = Seed::new(load.seed);
    let (began, done) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let written = Arc::new(Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..load.clients)
        .map(|number| {
            let mut client = Client {
                store: store.clone(),
                seed: seed.split(),
                began,
                number,
                next: 0,
                end: Position::ZERO,
                before: None,
                operations: Vec::new(),
            };
            let (done, written, until) = (done.clone(), written.clone(), load.operations);
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .map_err(|error| error.to_string())?;
                while done.fetch_add(1, Ordering::Relaxed) < until {
                    runtime.block_on(client.step())?;
                }
                let mut all: std::sync::MutexGuard<'_, Vec<_>> =
                    written.lock().unwrap_or_else(PoisonError::into_inner);
                all.append(&mut client.operations);
                Ok::<_, String>(())
            })
        })
        .collect();
    for client in clients {
        client.join().map_err(|_| "a client panicked".to_owned())??;
    }
    let mut all = written.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *all))
}

/// The whole log of a store, for the judge.
///
/// # Errors
/// It cannot be read, or a position is missing in it.
pub async fn log(store: &dyn EventStore) -> Result<Vec<Logged>, String> {
    let mut log = Vec::new();
    loop {
        let page = store.read(Read::new(Query::all(), Position::new(log.len() as u64)));
        let page = page.await.map_err(|error| error.to_string())?;
        for event in page.events {
            if event.position.get() != log.len() as u64 {
                return Err(format!(
                    "expected position {}, found {}",
                    log.len(),
                    event.position
                ));
            }
            let NewEvent {
                id, event_type, tags, ..
            } = event.event;
            log.push(Logged { id, event_type, tags });
        }
        if page.finished {
            return Ok(log);
        }
    }
}

struct Client {
    store: Arc<dyn EventStore>,
    seed: Seed,
    began: Instant,
    number: u64,
    /// Of its next event.
    next: u64,
    /// Where the log ended when it last looked.
    end: Position,
    /// Its last append, to be repeated.
    before: Option<Append>,
    operations: Vec<Operation>,
}

impl Client {
    /// What the clock says, in nanoseconds.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    async fn step(&mut self) -> Result<(), String> {
        match self.seed.below(100) {
            0..30 => self.append_where_nobody_was().await,
            30..45 => self.append_at_a_revision().await,
            45..55 => self.append_under_a_key().await,
            55..70 => {
                let events = self.events(1 + self.seed.below(3));
                self.append(events, Vec::new(), Vec::new()).await
            }
            70..78 => self.repeat().await,
            _ => {
                let from = self.end.get().saturating_sub(self.seed.below(BACK));
                let query = self.query();
                self.read(query, Position::new(from), 1_024).await.map(|_| ())
            }
        }
    }

    fn tag(&self) -> Tag {
        let number = self.seed.below(TAGS);
        Tag::of("order", number).expect("a short word and a number are a tag")
    }

    fn query(&self) -> Query {
        let one = EventType::clone(&TYPES[self.seed.below(TYPES.len() as u64) as usize]);
        match self.seed.below(4) {
            0 => Query::all(),
            1 => Query::types(vec![one]),
            2 => Query::tag(self.tag()),
            _ => {
                let other = QueryItem {
                    tags: vec![self.tag(), self.tag()],
                    ..QueryItem::default()
                };
                Query::any(vec![QueryItem::of(vec![one], self.tag()), other])
            }
        }
    }

    fn events(&mut self, count: u64) -> Vec<NewEvent> {
        (0..count).map(|_| self.event()).collect()
    }

    fn event(&mut self) -> NewEvent {
        let id = u128::from(self.number + 1) << 64 | u128::from(self.next);
        self.next += 1;
        let event_type = TYPES[self.seed.below(TYPES.len() as u64) as usize].clone();
        let mut tags = vec![self.tag()];
        if self.seed.below(3) == 0 {
            let other = self.tag();
            if !tags.contains(&other) {
                tags.push(other);
            }
        }
        NewEvent {
            id: EventId::from_uuid(Uuid::from_u128(id)),
            event_type,
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags,
            occurred: None,
            metadata: Metadata::default(),
            data: vec![b'x'; self.seed.below(120) as usize].into(),
        }
    }

    /// Reads, thinks, and appends unless anybody came between; sometimes on the strength of an older look.
    async fn append_where_nobody_was(&mut self) -> Result<(), String> {
        let query = self.query();
        let from = Position::new(self.end.get().saturating_sub(self.seed.below(BACK)));
        let page = self.read(query.clone(), from, 1_024).await?;
        let looked = match page.events.last() {
            // Exactly at the newest that is known, one too early, or where the log ended.
            Some(last) if self.seed.below(3) > 0 => last.position.plus(self.seed.below(2)),
            _ => page.next,
        };
        let events = self.events(1 + self.seed.below(2));
        let condition = Condition::NoMatch { query, from: looked };
        self.append(events, vec![condition], Vec::new()).await
    }

    async fn append_at_a_revision(&mut self) -> Result<(), String> {
        let tag = self.tag();
        let before = self.store.end();
        let expected = self.store.revision(tag.clone(), before).await;
        let expected = expected.map_err(|error| error.to_string())?;
        let mut events = self.events(1);
        events[0].tags = vec![tag.clone()];
        let condition = Condition::TagAt { tag, expected };
        self.append(events, vec![condition], Vec::new()).await
    }

    /// A key that others use too: one of them wins.
    async fn append_under_a_key(&mut self) -> Result<(), String> {
        let key = MarkKey::new("idempotency", format!("k{}", self.end.get() / 20));
        let condition = Condition::MarkIs {
            key: key.clone(),
            expected: None,
        };
        let events = self.events(1);
        let mark = Mark::set(key, events[0].id.to_string());
        self.append(events, vec![condition], vec![mark]).await
    }

    async fn append(
        &mut self,
        events: Vec<NewEvent>,
        conditions: Vec<Condition>,
        marks: Vec<Mark>,
    ) -> Result<(), String> {
        let append = Append {
            events,
            conditions,
            marks,
        };
        self.tell(append.clone()).await?;
        self.before = Some(append);
        Ok(())
    }

    /// The last append again, as after an answer that was lost.
    async fn repeat(&mut self) -> Result<(), String> {
        match self.before.take() {
            Some(before) => self.tell(before).await,
            None => Ok(()),
        }
    }

    async fn tell(&mut self, append: Append) -> Result<(), String> {
        let asked = Asked {
            ids: append.events.iter().map(|event| event.id).collect(),
            conditions: append.conditions.clone(),
            marks: append.marks.clone(),
        };
        let called = self.now();
        let told = self.store.append(append);
        // Sometimes nobody waits for the answer.
        let told = match self.seed.per_mille(3) {
            true => tokio::time::timeout(Duration::ZERO, told).await.ok(),
            false => Some(told.await),
        };
        let mut returned = self.now();
        let what = match told {
            Some(Ok(appended)) => {
                self.end = self.end.max(appended.end());
                let place = Place::First(appended.first);
                match appended.duplicate {
                    true => What::Repeated(asked, place),
                    false => What::Appended(asked, place),
                }
            }
            Some(Err(AppendError::Conflict(conflict))) => What::Refused(asked, conflict),
            Some(Err(other)) => return Err(format!("an append failed: {other}")),
            None => {
                returned = u64::MAX;
                What::Unknown(asked)
            }
        };
        self.operations.push(Operation {
            called,
            returned,
            what,
        });
        Ok(())
    }

    async fn read(&mut self, query: Query, from: Position, limit: usize) -> Result<Page, String> {
        let called = self.now();
        let page = self.store.read(Read::new(query.clone(), from).limit(limit)).await;
        let page = page.map_err(|error: ReadError| error.to_string())?;
        let returned = self.now();
        self.end = self.end.max(page.next);
        let events = page
            .events
            .iter()
            .map(|event| (event.position, event.id))
            .collect();
        self.operations.push(Operation {
            called,
            returned,
            what: What::Read(Seen {
                query,
                from,
                next: page.next,
                finished: page.finished,
                events,
            }),
        });
        Ok(page)
    }
}
