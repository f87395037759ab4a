//! The one writing connection of a view, and the transaction that owns it while it is open.
//!
//! In: statements of a projection. Out: all of them committed with a checkpoint, or none. The connection moves into
//! the transaction by value, which makes the transaction `Send`, and moves back when it ends.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use annals_core::port::sink::SinkError;
use annals_core::position::Position;
use rusqlite::{OptionalExtension, Params, Row};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connect::{self, WriteConnection};
use crate::failure;

/// As much of a statement as an error message shows, in characters.
const SQL_SHOWN: usize = 200;

/// Where the writing connection rests between transactions.
pub(crate) struct Writer {
    path: PathBuf,
    turn: Arc<Semaphore>,
    rest: Mutex<Option<WriteConnection>>,
}

/// An open transaction on a view. Dropped without commit it is rolled back.
///
/// Statements run on the caller's thread and are prepared once per connection. A statement cannot begin or end a
/// transaction, attach a file or touch the table `_checkpoint`: those are refused. `SAVEPOINT` is free to use.
pub struct SqliteTx {
    writer: Arc<Writer>,
    connection: Option<WriteConnection>,
    _turn: OwnedSemaphorePermit,
}

impl Writer {
    /// Opens the database, creating it if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, SinkError> {
        let rest = Mutex::new(Some(WriteConnection::open(path)?));
        Ok(Self {
            path: path.to_owned(),
            turn: Arc::new(Semaphore::new(1)),
            rest,
        })
    }

    /// Waits for its turn and begins.
    pub(crate) async fn begin(self: Arc<Self>) -> Result<SqliteTx, SinkError> {
        let turn = self
            .turn
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| self.removed())?;
        let resting = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let connection = resting.map_or_else(|| WriteConnection::open(&self.path), Ok)?;
        let begun = connection.as_owner(|connection| connection.execute_batch("BEGIN IMMEDIATE"));
        if let Err(error) = begun {
            let error = failure::of_sqlite(self.path.display(), &error);
            self.put_back(connection);
            return Err(error);
        }
        Ok(SqliteTx {
            writer: self,
            connection: Some(connection),
            _turn: turn,
        })
    }

    /// No transaction begins any more; the connection is closed, or will be when the open transaction ends.
    pub(crate) fn close(&self) {
        self.turn.close();
        drop(self.rest.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn put_back(&self, connection: WriteConnection) {
        if !self.turn.is_closed() {
            *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        }
    }

    fn removed(&self) -> SinkError {
        SinkError::Refused(format!(
            "{}: this view was removed; open it again",
            self.path.display()
        ))
    }
}

impl SqliteTx {
    /// Runs one statement and returns how many rows it changed.
    ///
    /// # Errors
    /// `Refused`: the statement is wrong, breaks a constraint, or tries to end the transaction. `Unavailable`: disk
    /// full or failing; drop the transaction and retry later. `Corrupt`: remove the view and rebuild it.
    pub fn execute(&mut self, sql: &str, params: impl Params) -> Result<usize, SinkError> {
        self.run(sql, |connection| connection.prepare_cached(sql)?.execute(params))
    }

    /// Runs several statements without parameters, such as those that create the tables.
    ///
    /// # Errors
    /// As [`SqliteTx::execute`]; statements before the wrong one have run.
    pub fn execute_batch(&mut self, sql: &str) -> Result<(), SinkError> {
        self.run(sql, |connection| connection.execute_batch(sql))
    }

    /// The first row of an answer, if there is one. Sees what this transaction wrote.
    ///
    /// # Errors
    /// As [`SqliteTx::execute`].
    pub fn query_row<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, SinkError> {
        self.run(sql, |connection| {
            connection.prepare_cached(sql)?.query_row(params, map).optional()
        })
    }

    /// All rows of an answer. Sees what this transaction wrote.
    ///
    /// # Errors
    /// As [`SqliteTx::execute`].
    pub fn query<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, SinkError> {
        self.run(sql, |connection| {
            connection.prepare_cached(sql)?.query_map(params, map)?.collect()
        })
    }

    /// Whether it was begun on the view of this writer.
    pub(crate) fn is_of(&self, writer: &Arc<Writer>) -> bool {
        Arc::ptr_eq(&self.writer, writer)
    }

    /// Writes the checkpoint and commits.
    pub(crate) fn commit(self, checkpoint: Position) -> Result<(), SinkError> {
        let open = self.open("COMMIT")?;
        let outcome = open.as_owner(|connection| {
            connect::set_checkpoint(connection, checkpoint)?;
            connection.execute_batch("COMMIT")
        });
        outcome.map_err(|error| self.failed("COMMIT", &error))
    }

    fn run<T>(
        &mut self,
        sql: &str,
        statement: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SinkError> {
        let outcome = statement(&self.open(sql)?.connection);
        outcome.map_err(|error| self.failed(sql, &error))
    }

    /// The connection, if the transaction is still open: a full or failing disk makes SQLite roll it back by itself,
    /// and what ran after that would be committed one by one.
    fn open(&self, sql: &str) -> Result<&WriteConnection, SinkError> {
        let open = self
            .connection
            .as_ref()
            .expect("taken out only when the transaction is dropped");
        if open.connection.is_autocommit() {
            let text = format!(
                "{}: an earlier failure rolled the transaction back",
                self.place(sql)
            );
            return Err(SinkError::Unavailable(text));
        }
        Ok(open)
    }

    fn failed(&self, sql: &str, error: &rusqlite::Error) -> SinkError {
        failure::of_sqlite(self.place(sql), error)
    }

    fn place(&self, sql: &str) -> String {
        let shown: String = sql
            .split_whitespace()
            .flat_map(|word| [word, " "])
            .collect::<String>();
        let shown: String = shown.trim_end().chars().take(SQL_SHOWN).collect();
        format!("{} ({shown})", self.writer.path.display())
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let rolled_back = connection.connection.is_autocommit()
            || connection
                .as_owner(|connection| connection.execute_batch("ROLLBACK"))
                .is_ok();
        // One that cannot be rolled back is closed, which does it; the next transaction opens a new one.
        if rolled_back {
            self.writer.put_back(connection);
        }
    }
}
