//! redb under the workload: a table of events, a table that notes under which tags and type each is found.
//!
//! Durable: `Durability::Immediate`, the default, syncs data before a commit returns. Appends of many clients are
//! committed together, whatever queued up while the last commit ran. Everything else as it comes, the cache of 1 GiB too.

use std::path::Path;
use std::sync::Arc;

use annals_bench_workload::{
    Fact, Group, Guard, Outcome, Peer, Table, Visit, decode, encode, index_key, index_names, index_position,
};
use anyhow::{Context, Result};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const INDEX: TableDefinition<'_, &[u8], ()> = TableDefinition::new("index");

struct Redb {
    database: Arc<Database>,
    group: Group,
}

struct Writer(Arc<Database>);

fn main() -> Result<()> {
    annals_bench_workload::main::<Redb>()
}

impl Peer for Redb {
    async fn open(dir: &Path, _variant: &str) -> Result<Self> {
        let database = Arc::new(Database::create(dir.join("events.redb"))?);
        let transaction = database.begin_write()?;
        let next = {
            transaction.open_table(INDEX)?;
            let events = transaction.open_table(EVENTS)?;
            events.last()?.map_or(1, |(position, _)| position.value() + 1)
        };
        transaction.commit()?;
        Ok(Self {
            group: Group::start(Writer(database.clone()), next)?,
            database,
        })
    }

    async fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Outcome> {
        self.group.append(facts, guard).await
    }

    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        let transaction = self.database.begin_read()?;
        for entry in transaction.open_table(EVENTS)?.iter()? {
            visit(decode(entry?.1.value())?);
        }
        Ok(())
    }

    async fn by_tag(&self, tag: &str, visit: Visit<'_>) -> Result<u64> {
        self.named(tag, visit)
    }

    async fn by_type(&self, kind: &str, visit: Visit<'_>) -> Result<()> {
        self.named(kind, visit).map(|_| ())
    }
}

impl Redb {
    /// Answers the position of the last event.
    fn named(&self, name: &str, visit: Visit<'_>) -> Result<u64> {
        let transaction = self.database.begin_read()?;
        let (index, events) = (transaction.open_table(INDEX)?, transaction.open_table(EVENTS)?);
        let (from, to) = (index_key(name, 0), index_key(name, u64::MAX));
        let mut last = 0;
        for entry in index.range(from.as_slice()..=to.as_slice())? {
            last = index_position(entry?.0.value())?;
            let event = events.get(last)?.context("an event that is only in the index")?;
            visit(decode(event.value())?);
        }
        Ok(last)
    }
}

impl Table for Writer {
    fn newest(&mut self, tag: &str) -> Result<Option<u64>> {
        let index = self.0.begin_read()?.open_table(INDEX)?;
        let (from, to) = (index_key(tag, 0), index_key(tag, u64::MAX));
        let newest = index.range(from.as_slice()..=to.as_slice())?.next_back();
        newest.map(|entry| index_position(entry?.0.value())).transpose()
    }

    fn commit(&mut self, first: u64, facts: &[Fact]) -> Result<()> {
        let transaction = self.0.begin_write()?;
        {
            let (mut events, mut index) = (transaction.open_table(EVENTS)?, transaction.open_table(INDEX)?);
            let mut bytes = Vec::new();
            for (position, fact) in (first..).zip(facts) {
                bytes.clear();
                encode(fact, &mut bytes);
                events.insert(position, bytes.as_slice())?;
                for name in index_names(fact) {
                    index.insert(index_key(name, position).as_slice(), ())?;
                }
            }
        }
        Ok(transaction.commit()?)
    }
}
