//! fjall under the workload: a keyspace of events, a keyspace that notes under which tags and type each is found.
//!
//! Durable: every batch is committed with `PersistMode::SyncData`. Appends of many clients are committed together, whatever
//! queued up while the last commit ran. No compression; everything else as it comes.

use std::path::Path;

use annals_bench_workload::{
    Fact, Group, Guard, Outcome, Peer, Table, Visit, decode, encode, index_key, index_names, index_position,
};
use anyhow::{Context, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

#[derive(Clone)]
struct Keyspaces {
    database: Database,
    events: Keyspace,
    index: Keyspace,
}

struct Fjall {
    keyspaces: Keyspaces,
    group: Group,
}

fn main() -> Result<()> {
    annals_bench_workload::main::<Fjall>()
}

impl Peer for Fjall {
    async fn open(dir: &Path, _variant: &str) -> Result<Self> {
        let database = Database::builder(dir).open()?;
        let keyspaces = Keyspaces {
            events: database.keyspace("events", KeyspaceCreateOptions::default)?,
            index: database.keyspace("index", KeyspaceCreateOptions::default)?,
            database,
        };
        let newest = keyspaces.events.last_key_value();
        let newest = newest.map(|entry| index_position(&entry.key()?)).transpose()?;
        Ok(Self {
            group: Group::start(keyspaces.clone(), newest.unwrap_or(0) + 1)?,
            keyspaces,
        })
    }

    async fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Outcome> {
        self.group.append(facts, guard).await
    }

    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        for entry in self.keyspaces.events.iter() {
            visit(decode(&entry.value()?)?);
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

impl Fjall {
    /// Answers the position of the last event.
    fn named(&self, name: &str, visit: Visit<'_>) -> Result<u64> {
        let Keyspaces { events, index, .. } = &self.keyspaces;
        let mut last = 0;
        for entry in index.range(index_key(name, 0)..=index_key(name, u64::MAX)) {
            last = index_position(&entry.key()?)?;
            let event = events.get(last.to_be_bytes())?;
            visit(decode(&event.context("an event that is only in the index")?)?);
        }
        Ok(last)
    }
}

impl Table for Keyspaces {
    fn newest(&mut self, tag: &str) -> Result<Option<u64>> {
        let mut range = self.index.range(index_key(tag, 0)..=index_key(tag, u64::MAX));
        range
            .next_back()
            .map(|entry| index_position(&entry.key()?))
            .transpose()
    }

    fn commit(&mut self, first: u64, facts: &[Fact]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (position, fact) in (first..).zip(facts) {
            let mut bytes = Vec::with_capacity(320);
            encode(fact, &mut bytes);
            batch.insert(&self.events, position.to_be_bytes(), bytes);
            for name in index_names(fact) {
                batch.insert(&self.index, index_key(name, position), []);
            }
        }
        Ok(batch.commit()?)
    }
}
