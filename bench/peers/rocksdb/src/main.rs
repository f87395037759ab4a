//! RocksDB under the workload: a column family of events, one that notes under which tags each is found, one for types.
//!
//! Durable: every batch is written with `sync`, which syncs data of the log before it returns. RocksDB commits together what several
//! threads write; here one thread writes for all clients, whatever queued up while the last commit ran, since positions have to be
//! without holes and guards decided before. No compression; everything else as it comes, the checksum of the log too, which the crate
//! compiles for processors without an instruction for it.

use std::path::Path;
use std::sync::Arc;

use annals_bench_workload::{
    Fact, Group, Guard, Outcome, Peer, Table, Visit, decode, encode, index_key, index_position,
};
use anyhow::{Context, Result};
use rocksdb::{ColumnFamily, DB, DBCompressionType, Options, ReadOptions, WriteBatch, WriteOptions};

const EVENTS: &str = "events";
const TAGS: &str = "tags";
const TYPES: &str = "types";
/// Events of an index that are looked up with one call.
const LOOK_UP: usize = 1_024;

#[derive(Clone)]
struct Store(Arc<DB>);

struct Rocks {
    store: Store,
    group: Group,
}

fn main() -> Result<()> {
    annals_bench_workload::main::<Rocks>()
}

impl Peer for Rocks {
    async fn open(dir: &Path, _variant: &str) -> Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_compression_type(DBCompressionType::None);
        let families = [EVENTS, TAGS, TYPES].map(|name| (name, options.clone()));
        let store = Store(Arc::new(DB::open_cf_with_opts(&options, dir, families)?));
        let newest = store.newest_event()?;
        Ok(Self {
            group: Group::start(store.clone(), newest + 1)?,
            store,
        })
    }

    async fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Outcome> {
        self.group.append(facts, guard).await
    }

    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        let mut entries = self.store.0.raw_iterator_cf(self.store.family(EVENTS)?);
        entries.seek_to_first();
        while let Some(event) = entries.value() {
            visit(decode(event)?);
            entries.next();
        }
        Ok(entries.status()?)
    }

    async fn by_tag(&self, tag: &str, visit: Visit<'_>) -> Result<u64> {
        self.store.named(TAGS, tag, visit)
    }

    async fn by_type(&self, kind: &str, visit: Visit<'_>) -> Result<()> {
        self.store.named(TYPES, kind, visit).map(|_| ())
    }
}

impl Store {
    fn family(&self, name: &str) -> Result<&ColumnFamily> {
        self.0
            .cf_handle(name)
            .context("a column family that was not opened")
    }

    /// The position of the newest event, 0 where there is none.
    fn newest_event(&self) -> Result<u64> {
        let mut entries = self.0.raw_iterator_cf(self.family(EVENTS)?);
        entries.seek_to_last();
        let newest = entries.key().map_or(Ok(0), index_position)?;
        entries.status()?;
        Ok(newest)
    }

    /// Answers the position of the last event.
    fn named(&self, family: &str, name: &str, visit: Visit<'_>) -> Result<u64> {
        let events = self.family(EVENTS)?;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(index_key(name, u64::MAX));
        let mut entries = self.0.raw_iterator_cf_opt(self.family(family)?, options);
        entries.seek(index_key(name, 0));
        let mut last = 0;
        while entries.valid() {
            let mut keys = Vec::new();
            while keys.len() < LOOK_UP
                && let Some(key) = entries.key()
            {
                last = index_position(key)?;
                keys.push(last.to_be_bytes());
                entries.next();
            }
            for event in self.0.batched_multi_get_cf(events, &keys, true) {
                visit(decode(&event?.context("an event that is only in the index")?)?);
            }
        }
        entries.status()?;
        Ok(last)
    }
}

impl Table for Store {
    fn newest(&mut self, tag: &str) -> Result<Option<u64>> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(index_key(tag, 0));
        let mut entries = self.0.raw_iterator_cf_opt(self.family(TAGS)?, options);
        entries.seek_for_prev(index_key(tag, u64::MAX));
        let newest = entries.key().map(index_position).transpose()?;
        entries.status()?;
        Ok(newest)
    }

    fn commit(&mut self, first: u64, facts: &[Fact]) -> Result<()> {
        let (events, tags, types) = (self.family(EVENTS)?, self.family(TAGS)?, self.family(TYPES)?);
        let (mut batch, mut bytes) = (WriteBatch::default(), Vec::new());
        for (position, fact) in (first..).zip(facts) {
            bytes.clear();
            encode(fact, &mut bytes);
            batch.put_cf(events, position.to_be_bytes(), &bytes);
            for tag in &fact.tags {
                batch.put_cf(tags, index_key(tag, position), []);
            }
            batch.put_cf(types, index_key(fact.kind, position), []);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.0.write_opt(batch, &options)?)
    }
}
