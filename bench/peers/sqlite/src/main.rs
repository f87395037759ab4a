//! SQLite under the workload: a table of events, a table of tags, an index by type.
//!
//! Durable: `journal_mode = WAL` with `synchronous = FULL` flushes the log of changes at every commit. Appends of many clients are
//! committed together, whatever queued up while the last commit ran; a commit for each would be slower. Pages are cached up
//! to 64 MiB, reads are mapped, and the log is worked in after 16,000 pages.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use annals_bench_workload::{Fact, Group, Guard, Outcome, Peer, Seen, Table, Visit};
use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension, Row};

const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;
    PRAGMA mmap_size = 2147483648; PRAGMA wal_autocheckpoint = 16000;";
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS events (
        position INTEGER PRIMARY KEY, kind TEXT NOT NULL, tag1 TEXT NOT NULL, tag2 TEXT NOT NULL, data BLOB NOT NULL);
    CREATE INDEX IF NOT EXISTS events_by_kind ON events (kind);
    CREATE TABLE IF NOT EXISTS tags (tag TEXT, position INTEGER, PRIMARY KEY (tag, position)) WITHOUT ROWID;";
const ALL: &str = "SELECT kind, tag1, tag2, data, position FROM events ORDER BY position";
const BY_KIND: &str = "SELECT kind, tag1, tag2, data, position FROM events WHERE kind = ? ORDER BY position";
const BY_TAG: &str = "SELECT e.kind, e.tag1, e.tag2, e.data, e.position FROM tags t JOIN events e
    ON e.position = t.position WHERE t.tag = ? ORDER BY t.position";

struct Sqlite {
    file: PathBuf,
    group: Group,
    readers: Mutex<Vec<Connection>>,
}

struct Writer(Connection);

fn main() -> Result<()> {
    annals_bench_workload::main::<Sqlite>()
}

impl Peer for Sqlite {
    async fn open(dir: &Path, _variant: &str) -> Result<Self> {
        let file = dir.join("events.sqlite");
        let writer = connect(&file)?;
        writer.execute_batch(SCHEMA)?;
        let newest: Option<i64> =
            writer.query_row("SELECT max(position) FROM events", [], |row| row.get(0))?;
        Ok(Self {
            file,
            group: Group::start(Writer(writer), newest.unwrap_or(0) as u64 + 1)?,
            readers: Mutex::default(),
        })
    }

    async fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Outcome> {
        self.group.append(facts, guard).await
    }

    async fn scan(&self, visit: Visit<'_>) -> Result<()> {
        self.select(ALL, None, visit).map(|_| ())
    }

    async fn by_tag(&self, tag: &str, visit: Visit<'_>) -> Result<u64> {
        self.select(BY_TAG, Some(tag), visit)
    }

    async fn by_type(&self, kind: &str, visit: Visit<'_>) -> Result<()> {
        self.select(BY_KIND, Some(kind), visit).map(|_| ())
    }
}

impl Sqlite {
    /// Answers the position of the last event.
    fn select(&self, sql: &str, what: Option<&str>, visit: Visit<'_>) -> Result<u64> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = idle.map_or_else(|| connect(&self.file), Ok)?;
        let mut last = 0;
        {
            let mut statement = reader.prepare_cached(sql)?;
            let mut rows = statement.query(rusqlite::params_from_iter(what))?;
            while let Some(row) = rows.next()? {
                visit(seen(row)?);
                last = row.get::<_, i64>(4)? as u64;
            }
        }
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(reader);
        Ok(last)
    }
}

fn connect(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    connection.execute_batch(SETTINGS)?;
    Ok(connection)
}

fn seen<'a>(row: &'a Row<'_>) -> Result<Seen<'a>> {
    Ok(Seen {
        kind: row.get_ref(0)?.as_str()?,
        tags: [row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?],
        data: row.get_ref(3)?.as_blob()?,
    })
}

impl Table for Writer {
    fn newest(&mut self, tag: &str) -> Result<Option<u64>> {
        let sql = "SELECT position FROM tags WHERE tag = ? ORDER BY position DESC LIMIT 1";
        let mut statement = self.0.prepare_cached(sql)?;
        let newest: Option<i64> = statement.query_row([tag], |row| row.get(0)).optional()?;
        Ok(newest.map(|newest| newest as u64))
    }

    fn commit(&mut self, first: u64, facts: &[Fact]) -> Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut event = transaction.prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?, ?)")?;
            let mut tag = transaction.prepare_cached("INSERT INTO tags VALUES (?, ?)")?;
            for (position, fact) in (first as i64..).zip(facts) {
                let [one, two] = &fact.tags;
                event.execute((position, fact.kind, one, two, &fact.data))?;
                tag.execute((one, position))?;
                tag.execute((two, position))?;
            }
        }
        Ok(transaction.commit()?)
    }
}
