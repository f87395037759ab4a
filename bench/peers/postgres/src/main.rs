//! PostgreSQL under the workload, over a socket of the file system: the tables that SQLite has too.
//!
//! Durable: `fsync` and `synchronous_commit` are on, so that a commit returns after the sync of its log. Appends of many clients are
//! committed together in one statement, whatever queued up while the last commit ran, and get positions without holes; guards are
//! decided in the driver, one look-up each.

mod server;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals_bench_workload::{Fact, Group, Guard, Outcome, Peer, Seen, Table, Visit};
use anyhow::{Context, Result};
use futures_util::{StreamExt, pin_mut};
use tokio::runtime::Handle;
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

use server::Server;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS events (
        position bigint PRIMARY KEY, kind text NOT NULL, tag1 text NOT NULL, tag2 text NOT NULL, data bytea NOT NULL);
    CREATE INDEX IF NOT EXISTS events_by_kind ON events (kind, position);
    CREATE TABLE IF NOT EXISTS tags (tag text, position bigint, PRIMARY KEY (tag, position));";
const INSERT: &str = "WITH written AS (INSERT INTO events
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bytea[]))
    INSERT INTO tags SELECT * FROM unnest($3::text[] || $4::text[], $1::bigint[] || $1::bigint[])";
const ALL: &str = "SELECT kind, tag1, tag2, data, position FROM events ORDER BY position";
const BY_KIND: &str = "SELECT kind, tag1, tag2, data, position FROM events WHERE kind = $1 ORDER BY position";
const BY_TAG: &str = "SELECT e.kind, e.tag1, e.tag2, e.data, e.position FROM tags t JOIN events e
    ON e.position = t.position WHERE t.tag = $1 ORDER BY t.position";
const NEWEST: &str = "SELECT position FROM tags WHERE tag = $1 ORDER BY position DESC LIMIT 1";
/// How long a server may take to answer after a crash.
const START_MAX: Duration = Duration::from_secs(60);

struct Postgres {
    group: Group,
    readers: Mutex<Vec<Reader>>,
    server: Server,
}

struct Reader {
    client: Client,
    all: Statement,
    by_kind: Statement,
    by_tag: Statement,
}

struct Writer {
    client: Client,
    insert: Statement,
    newest: Statement,
    runtime: Handle,
}

fn main() -> Result<()> {
    annals_bench_workload::main::<Postgres>()
}

impl Peer for Postgres {
    async fn open(dir: &Path, _variant: &str) -> Result<Self> {
        let server = Server::start(dir)?;
        let began = Instant::now();
        let client = loop {
            match connect(&server).await {
                Ok(client) => break client,
                Err(error) if began.elapsed() > START_MAX => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        client.batch_execute(SCHEMA).await?;
        let newest = client.query_one("SELECT max(position) FROM events", &[]).await?;
        let newest: Option<i64> = newest.get(0);
        let writer = Writer {
            insert: client.prepare(INSERT).await?,
            newest: client.prepare(NEWEST).await?,
            client,
            runtime: Handle::current(),
        };
        Ok(Self {
            group: Group::start(writer, newest.unwrap_or(0) as u64 + 1)?,
            readers: Mutex::default(),
            server,
        })
    }

    async fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Outcome> {
        self.group.append(facts, guard).await
    }

    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        self.select(|reader| &reader.all, None, visit).await.map(|_| ())
    }

    async fn by_tag(&self, tag: &str, visit: Visit<'_>) -> Result<u64> {
        self.select(|reader| &reader.by_tag, Some(tag), visit).await
    }

    async fn by_type(&self, kind: &str, visit: Visit<'_>) -> Result<()> {
        self.select(|reader| &reader.by_kind, Some(kind), visit)
            .await
            .map(|_| ())
    }

    /// Statistics of the tables, without which it reads them whole for a tag.
    async fn settle(&self) -> Result<()> {
        let client = connect(&self.server).await?;
        Ok(client.batch_execute("ANALYZE").await?)
    }

    fn crash_elsewhere(&self) -> Result<()> {
        self.server.crash()
    }

    fn resident_elsewhere_kib(&self) -> Option<u64> {
        self.server.resident_kib()
    }
}

impl Postgres {
    /// Answers the position of the last event.
    async fn select(
        &self,
        which: fn(&Reader) -> &Statement,
        what: Option<&str>,
        visit: Visit<'_>,
    ) -> Result<u64> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => Reader::connect(&self.server).await?,
        };
        let mut last = 0;
        {
            let rows = reader.client.query_raw(which(&reader), what).await?;
            pin_mut!(rows);
            while let Some(row) = rows.next().await {
                let row = row?;
                visit(seen(&row));
                last = row.get::<_, i64>(4) as u64;
            }
        }
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(reader);
        Ok(last)
    }
}

impl Reader {
    async fn connect(server: &Server) -> Result<Self> {
        let client = connect(server).await?;
        Ok(Self {
            all: client.prepare(ALL).await?,
            by_kind: client.prepare(BY_KIND).await?,
            by_tag: client.prepare(BY_TAG).await?,
            client,
        })
    }
}

async fn connect(server: &Server) -> Result<Client> {
    let mut config = Config::new();
    config.host_path(&server.socket).user("annals").dbname("postgres");
    let (client, connection) = config
        .connect(NoTls)
        .await
        .context("the server does not answer")?;
    tokio::spawn(connection);
    Ok(client)
}

fn seen(row: &Row) -> Seen<'_> {
    Seen {
        kind: row.get(0),
        tags: [row.get(1), row.get(2)],
        data: row.get(3),
    }
}

impl Table for Writer {
    fn newest(&mut self, tag: &str) -> Result<Option<u64>> {
        let row = self
            .runtime
            .block_on(self.client.query_opt(&self.newest, &[&tag]))?;
        Ok(row.map(|row| row.get::<_, i64>(0) as u64))
    }

    fn commit(&mut self, first: u64, facts: &[Fact]) -> Result<()> {
        let positions: Vec<i64> = (first as i64..).take(facts.len()).collect();
        let kinds: Vec<&str> = facts.iter().map(|fact| fact.kind).collect();
        let tag = |at: usize| -> Vec<&str> { facts.iter().map(|fact| fact.tags[at].as_str()).collect() };
        let (orders, customers) = (tag(0), tag(1));
        let data: Vec<&[u8]> = facts.iter().map(|fact| fact.data.as_slice()).collect();
        self.runtime.block_on(
            self.client
                .execute(&self.insert, &[&positions, &kinds, &orders, &customers, &data]),
        )?;
        Ok(())
    }
}
