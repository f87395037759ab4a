//! annals-store under the workload, bare or with everything that the framework writes along.
//!
//! Durable: an append is answered after its commit group was written with a data-sync write; there is no other setting.
//! Variant `full`: each event carries correlation, causation and service, and each append an idempotency key: a mark that must not
//! be there before and holds the answer. Events have ids in both variants.

use std::future::Future;
use std::path::Path;

use annals_bench_workload::{Fact, Guard, Outcome, Peer, Seen, Visit};
use annals_core::condition::{Condition, Conflict};
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, RecordedEvent, Visibility};
use annals_core::id::{CorrelationId, EventId, uuid_v7};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, EventStore, Read};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::{Clock, SystemClock};
use annals_store::{EmbeddedStore, EventView, Options};
use anyhow::{Context, Result, bail};

/// The most events of one page of a long read.
const PAGE_EVENTS: usize = 4_096;

struct Annals {
    store: EmbeddedStore,
    is_full: bool,
}

fn main() -> Result<()> {
    annals_bench_workload::main::<Annals>()
}

impl Peer for Annals {
    const LENDS: bool = true;
    const PAGES: bool = true;

    async fn open(dir: &Path, variant: &str) -> Result<Self> {
        let is_full = match variant {
            "" => false,
            "full" => true,
            other => bail!("{other} is no variant"),
        };
        let store = EmbeddedStore::open(dir, Options::new())?;
        Ok(Self { store, is_full })
    }

    fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> impl Future<Output = Result<Outcome>> + Send {
        let append = self.request(facts, guard);
        async move {
            match self.store.append(append?).await {
                Ok(_) => Ok(Outcome::Durable),
                Err(AppendError::Conflict(Conflict::Match { .. })) => Ok(Outcome::Conflict),
                Err(error) => Err(error.into()),
            }
        }
    }

    /// Each event in memory of its own, as Tephra's driver does it.
    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        self.lend(Query::all(), |event| lent(event.to_stored().view(), visit))
            .map(|_| ())
    }

    async fn scan_borrowed(&self, visit: Visit<'_>) -> Result<()> {
        self.lend(Query::all(), |event| lent(event, visit)).map(|_| ())
    }

    async fn scan_pages(&self, visit: Visit<'_>) -> Result<()> {
        self.pages(Query::all(), visit).await.map(|_| ())
    }

    async fn by_tag(&self, tag: &str, visit: Visit<'_>) -> Result<u64> {
        self.lend(Query::tag(Tag::new(tag)?), |event| lent(event, visit))
    }

    async fn by_type(&self, kind: &str, visit: Visit<'_>) -> Result<()> {
        let query = Query::types(vec![EventType::new(kind)]);
        self.lend(query, |event| lent(event, visit)).map(|_| ())
    }
}

impl Annals {
    /// Answers the position before which everything was seen.
    fn lend(&self, query: Query, mut visit: impl FnMut(EventView<'_>) -> Result<()>) -> Result<u64> {
        let mut events = self.store.lend(query, Position::ZERO);
        while let Some(event) = events.next_event()? {
            visit(event)?;
        }
        Ok(events.end().get())
    }

    /// Reads page by page; answers the position before which everything was seen.
    async fn pages(&self, query: Query, visit: Visit<'_>) -> Result<u64> {
        let mut from = Position::ZERO;
        loop {
            let page = self
                .store
                .read(Read::new(query.clone(), from).limit(PAGE_EVENTS))
                .await?;
            for event in &page.events {
                visit(seen(event)?);
            }
            from = page.next;
            if page.finished {
                return Ok(from.get());
            }
        }
    }

    fn request(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Append> {
        let number = facts.first().context("an append without events")?.number;
        let mut append = Append {
            events: facts
                .into_iter()
                .map(|fact| self.event(fact))
                .collect::<Result<_>>()?,
            ..Append::default()
        };
        if let Some(guard) = guard {
            append.conditions.push(Condition::NoMatch {
                query: Query::tag(Tag::new(guard.tag)?),
                from: Position::new(guard.seen),
            });
        }
        if self.is_full {
            let key = MarkKey::new("idempotency", format!("request-{number:016x}"));
            let answer = format!(
                "{{\"fingerprint\":\"{number:016x}\",\"answer\":{{\"events\":{}}}}}",
                append.events.len()
            );
            append.conditions.push(Condition::MarkIs {
                key: key.clone(),
                expected: None,
            });
            append.marks.push(Mark::set(key, answer));
        }
        Ok(append)
    }

    fn event(&self, fact: Fact) -> Result<NewEvent> {
        let id = |salt: u8| {
            let mut random = [salt; 10];
            // Spread, as ids are, and different for different numbers.
            random[2..].copy_from_slice(&fact.number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
            uuid_v7(SystemClock.now(), random)
        };
        let metadata = if self.is_full {
            Metadata {
                correlation: Some(CorrelationId::from_uuid(id(1))),
                causation: Some(EventId::from_uuid(id(2))),
                service: Some("orders".into()),
                ..Metadata::default()
            }
        } else {
            Metadata::default()
        };
        let [order, customer] = &fact.tags;
        Ok(NewEvent {
            id: EventId::from_uuid(id(0)),
            event_type: EventType::from_static(fact.kind),
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags: vec![Tag::new(order)?, Tag::new(customer)?],
            occurred: None,
            metadata,
            data: fact.data.into(),
        })
    }
}

fn seen(event: &RecordedEvent) -> Result<Seen<'_>> {
    let [first, second] = event.tags.as_slice() else {
        bail!(
            "expected two tags at position {}, found {}",
            event.position,
            event.tags.len()
        );
    };
    Ok(Seen {
        kind: event.event_type.as_str(),
        tags: [first.as_str(), second.as_str()],
        data: &event.data,
    })
}

fn lent(event: EventView<'_>, visit: Visit<'_>) -> Result<()> {
    let mut tags = event.tags();
    let mut tag = || tags.next().context("an event with less than two tags");
    visit(Seen {
        kind: event.event_type(),
        tags: [tag()?, tag()?],
        data: event.data(),
    });
    Ok(())
}
