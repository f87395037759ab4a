//! Connections: how they are opened, and what a statement may do on them.
//!
//! In: a path. Out: a connection that is set up. A writing one refuses statements that would end the transaction,
//! write the checkpoint or reach another file, so that rows and checkpoint stay one commit whatever a projection says.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals_core::port::sink::SinkError;
use annals_core::position::Position;
use rusqlite::hooks::{AuthAction, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{decimal, failure};

/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements a connection keeps.
const STATEMENTS_KEPT: usize = 128;

/// The writing connection of a view, with the switch that keeps a projection's statements from the transaction.
pub(crate) struct WriteConnection {
    pub(crate) connection: Connection,
    own: Arc<AtomicBool>,
}

impl WriteConnection {
    /// Opens, and creates if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, SinkError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = open(path, flags)?;
        let own = Arc::new(AtomicBool::new(true));
        let mut writer = Self { connection, own };
        writer
            .prepare()
            .map_err(|error| failure::of_sqlite(path.display(), &error))?;
        Ok(writer)
    }

    fn prepare(&mut self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        self.connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS _checkpoint (only INTEGER PRIMARY KEY CHECK (only = 1), position INTEGER NOT NULL)",
        )?;
        let own = self.own.clone();
        self.connection
            .authorizer(Some(move |asked: rusqlite::hooks::AuthContext<'_>| {
                if own.load(Ordering::Relaxed) || is_allowed(&asked.action) {
                    Authorization::Allow
                } else {
                    Authorization::Deny
                }
            }))?;
        self.own.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Runs our own statements, which may begin, end and write the checkpoint.
    pub(crate) fn as_owner<T>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.own.store(true, Ordering::Relaxed);
        let outcome = run(&self.connection);
        self.own.store(false, Ordering::Relaxed);
        outcome
    }
}

/// Opens for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, SinkError> {
    let connection = open(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|error| failure::of_sqlite(path.display(), &error))?;
    Ok(connection)
}

/// The checkpoint as this connection sees it.
pub(crate) fn checkpoint(connection: &Connection) -> rusqlite::Result<Option<Position>> {
    let mut ask = connection.prepare_cached("SELECT position FROM _checkpoint")?;
    let found: Option<i64> = ask.query_row([], |row| row.get(0)).optional()?;
    Ok(found.map(|position| Position::new(position.cast_unsigned())))
}

/// Writes the checkpoint. Positions beyond 2^63 keep their bits.
pub(crate) fn set_checkpoint(connection: &Connection, checkpoint: Position) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO _checkpoint (only, position) VALUES (1, ?1) ON CONFLICT (only) DO UPDATE SET position = ?1",
        )?
        .execute([checkpoint.get().cast_signed()])
        .map(drop)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, SinkError> {
    Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
            connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
            decimal::register(&connection)?;
            Ok(connection)
        })
        .map_err(|error| failure::of_sqlite(path.display(), &error))
}

fn is_allowed(action: &AuthAction<'_>) -> bool {
    !matches!(
        action,
        AuthAction::Transaction { .. }
            | AuthAction::Attach { .. }
            | AuthAction::Detach { .. }
            | AuthAction::Insert {
                table_name: "_checkpoint"
            }
            | AuthAction::Update {
                table_name: "_checkpoint",
                ..
            }
            | AuthAction::Delete {
                table_name: "_checkpoint"
            }
            | AuthAction::DropTable {
                table_name: "_checkpoint"
            }
            | AuthAction::AlterTable {
                table_name: "_checkpoint",
                ..
            }
    )
}
