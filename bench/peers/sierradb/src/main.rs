//! SierraDB under the workload, in process: all events in one partition, since it has no order across partitions; the stream of
//! an event is its order, the customer is its metadata.
//!
//! Durable: an append is answered after the sync that covers it. As it comes, that sync waits for 4 KiB, 50 events or a timer
//! of 5 to 50 ms; here every append asks for one at once, which is faster for one writer. No compression. It has no tags and no
//! index by type: rows that need them are missing; a guard is the expected version of the stream.

use std::path::Path;

use annals_bench_workload::{Fact, Guard, Outcome, Peer, Seen, Visit};
use anyhow::{Result, ensure};
use sierradb::IterDirection;
use sierradb::StreamId;
use sierradb::bucket::segment::EventRecord;
use sierradb::database::{Database, DatabaseBuilder, ExpectedVersion, NewEvent, Transaction};
use sierradb::error::WriteError;
use sierradb::id::{uuid_to_partition_hash, uuid_v7_with_partition_hash};
use uuid::Uuid;

const PARTITION_KEY: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
const PARTITION: u16 = 0;

struct Sierra {
    database: Database,
}

fn main() -> Result<()> {
    annals_bench_workload::main::<Sierra>()
}

impl Peer for Sierra {
    const CANNOT: &'static [&'static str] = &["tag-1000", "type"];

    async fn open(dir: &Path, _variant: &str) -> Result<Self> {
        let mut builder = DatabaseBuilder::new();
        builder
            .total_buckets(1)
            .bucket_ids_from_range(0..1)
            .writer_threads(1);
        builder.max_batch_size(1).min_sync_bytes(1).compression(false);
        let database = builder.open(dir)?;
        Ok(Self { database })
    }

    async fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Outcome> {
        let expected = guard.map_or(ExpectedVersion::Any, |guard| {
            ExpectedVersion::from_next_version(guard.seen)
        });
        let events = facts
            .into_iter()
            .map(|fact| event(fact, expected))
            .collect::<Result<_>>()?;
        let transaction = Transaction::new(PARTITION_KEY, PARTITION, events)?;
        match self.database.append_events(transaction).await {
            Ok(_) => Ok(Outcome::Durable),
            Err(WriteError::WrongExpectedVersion { .. }) => Ok(Outcome::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        let mut all = self
            .database
            .read_partition(PARTITION, 0, IterDirection::Forward)
            .await?;
        while let Some(committed) = all.next().await? {
            for event in committed {
                visit(seen(&event)?);
            }
        }
        Ok(())
    }

    async fn by_tag(&self, tag: &str, visit: Visit<'_>) -> Result<u64> {
        let stream = StreamId::new(tag)?;
        let reading = self
            .database
            .read_stream(PARTITION, stream, 0, IterDirection::Forward);
        let (mut found, mut versions) = (reading.await?, 0);
        while let Some(committed) = found.next().await? {
            for event in committed {
                ensure!(
                    &*event.stream_id == tag,
                    "expected {tag}, found {}",
                    &*event.stream_id
                );
                visit(seen(&event)?);
                versions += 1;
            }
        }
        Ok(versions)
    }

    async fn by_type(&self, _kind: &str, _visit: Visit<'_>) -> Result<()> {
        anyhow::bail!("it has no index by type")
    }
}

fn event(fact: Fact, stream_version: ExpectedVersion) -> Result<NewEvent> {
    let [order, customer] = fact.tags;
    Ok(NewEvent {
        event_id: uuid_v7_with_partition_hash(uuid_to_partition_hash(PARTITION_KEY)),
        stream_id: StreamId::new(order)?,
        stream_version,
        event_name: fact.kind.to_owned(),
        timestamp: fact.number,
        metadata: customer.into_bytes(),
        payload: fact.data,
    })
}

fn seen(event: &EventRecord) -> Result<Seen<'_>> {
    Ok(Seen {
        kind: &event.event_name,
        tags: [&event.stream_id, std::str::from_utf8(&event.metadata)?],
        data: &event.payload,
    })
}
