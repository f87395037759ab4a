//! Tephra under the workload, in process.
//!
//! Durable: every commit of its writer ends in one data sync before it replies; there is no other setting. Segments of
//! 256 MiB and everything else as it comes.

use std::future::Future;
use std::path::Path;
use std::sync::Mutex;

use annals_bench_workload::{Fact, Guard, Outcome, Peer, Seen, Visit};
use anyhow::{Context, Result};
use tephra::read::{Reads, Sequenced};
use tephra::{
    AppendCondition, AppendError, Event, EventRef, EventType, Position, Query, QueryItem, SegmentConfig,
    SegmentSet, Tag, Tags, WriteCoordinator, WriteHandle, WriterConfig,
};

struct Tephra {
    handle: WriteHandle,
    /// Ends the writer when it goes.
    _coordinator: Mutex<WriteCoordinator>,
}

fn main() -> Result<()> {
    annals_bench_workload::main::<Tephra>()
}

impl Peer for Tephra {
    const LENDS: bool = true;

    async fn open(dir: &Path, _variant: &str) -> Result<Self> {
        let set = SegmentSet::open(dir, SegmentConfig::new(256 << 20))?;
        let (coordinator, handle) = WriteCoordinator::start(set, WriterConfig::default())?;
        Ok(Self {
            handle,
            _coordinator: Mutex::new(coordinator),
        })
    }

    fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> impl Future<Output = Result<Outcome>> + Send {
        let events: Result<Vec<Event>> = facts.into_iter().map(event).collect();
        async move {
            let condition = guard.map(|guard| -> Result<_> {
                Ok(AppendCondition::new(tag_query(&guard.tag)?).after(Position::new(guard.seen)))
            });
            match self.handle.append_async(events?, condition.transpose()?).await {
                Ok(_) => Ok(Outcome::Durable),
                Err(AppendError::Conflict { .. }) => Ok(Outcome::Conflict),
                Err(error) => Err(error.into()),
            }
        }
    }

    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        let reads = self.handle.read(&Query::all(), Position::ZERO, None);
        each(reads, |found| visit_event(found.event.to_owned().as_ref(), visit))
    }

    async fn scan_borrowed(&self, visit: Visit<'_>) -> Result<()> {
        let reads = self.handle.read(&Query::all(), Position::ZERO, None);
        each(reads, |found| visit_event(found.event, visit))
    }

    async fn by_tag(&self, tag: &str, visit: Visit<'_>) -> Result<u64> {
        let reads = self.handle.read(&tag_query(tag)?, Position::ZERO, None);
        let seen = reads.watermark().get();
        each(reads, |found| visit_event(found.event, visit))?;
        Ok(seen)
    }

    async fn by_type(&self, kind: &str, visit: Visit<'_>) -> Result<()> {
        let query = Query::item(QueryItem::of_types(vec![EventType::new(kind)?]));
        let reads = self.handle.read(&query, Position::ZERO, None);
        each(reads, |found| visit_event(found.event, visit))
    }
}

fn tag_query(tag: &str) -> Result<Query> {
    Ok(Query::item(QueryItem::with_tags(Tags::new([Tag::new(tag)?])?)))
}

fn event(fact: Fact) -> Result<Event> {
    let [order, customer] = fact.tags;
    let tags = Tags::new([Tag::new(order)?, Tag::new(customer)?])?;
    Ok(Event::new(&EventType::new(fact.kind)?, &tags, &fact.data)?)
}

fn each(mut reads: Reads, mut visit: impl FnMut(Sequenced<'_>) -> Result<()>) -> Result<()> {
    while let Some(found) = reads.next() {
        visit(found?)?;
    }
    Ok(())
}

fn visit_event(event: EventRef<'_>, visit: Visit<'_>) -> Result<()> {
    let mut tags = event.tags();
    let mut tag = || tags.next().context("an event with less than two tags");
    visit(Seen {
        kind: event.event_type(),
        tags: [tag()?, tag()?],
        data: event.data(),
    });
    Ok(())
}
