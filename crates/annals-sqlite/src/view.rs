//! One version of one projection: its rows to write and to read.

use std::path::Path;
use std::sync::Arc;

use annals_core::port::sink::{SinkError, SinkView};
use annals_core::port::store::BoxFuture;
use annals_core::position::Position;
use rusqlite::{Connection, Params};
use serde_json::{Map, Value};

use crate::connect;
use crate::readers::Readers;
use crate::table::{self, Table};
use crate::writer::{SqliteTx, Writer};

/// The rows of one version of one projection. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct SqliteView {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    // Dropped in this order: the last connection to close folds the log into the database, which a reader cannot do.
    readers: Readers,
    writer: Arc<Writer>,
}

impl SqliteView {
    pub(crate) fn open(path: &Path) -> Result<Self, SinkError> {
        let writer = Arc::new(Writer::open(path)?);
        let view = Self {
            shared: Arc::new(Shared {
                writer,
                readers: Readers::new(path),
            }),
        };
        // Damage of the first pages shows here and not at the first question.
        view.read(|connection| connect::checkpoint(connection).map(drop))?;
        Ok(view)
    }

    /// Asks on a reading connection, on the caller's thread, inside one read transaction: several statements see the
    /// same commit, and a writer does not disturb them. At most 16 at a time per view; more wait up to 5 s. Call it
    /// from a thread that may block when the answer takes long, and do not call it inside itself.
    ///
    /// # Errors
    /// `Refused`: the statement is wrong or tries to write. `Unavailable`: too many readers, or the disk fails.
    /// `Corrupt`: remove the view and rebuild it.
    pub fn read<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, SinkError> {
        self.shared.readers.read("read", ask)
    }

    /// The rows of a statement as JSON objects by column name, at most [`crate::ROWS_MAX`]. The statement is trusted
    /// text of the program; values from outside belong into `params`.
    ///
    /// # Errors
    /// As [`SqliteView::read`].
    pub fn rows(&self, sql: &str, params: impl Params) -> Result<Vec<Map<String, Value>>, SinkError> {
        self.table(sql, params).map(Table::into_objects)
    }

    /// The rows of a statement with their columns in order.
    ///
    /// # Errors
    /// As [`SqliteView::read`].
    pub fn table(&self, sql: &str, params: impl Params) -> Result<Table, SinkError> {
        self.shared
            .readers
            .read(sql, |connection| table::collect(connection, sql, params))
    }

    /// A table together with the checkpoint it was read at.
    ///
    /// # Errors
    /// As [`SqliteView::read`].
    pub fn table_at(&self, sql: &str, params: impl Params) -> Result<(Table, Option<Position>), SinkError> {
        let ask = |connection: &Connection| {
            Ok((
                table::collect(connection, sql, params)?,
                connect::checkpoint(connection)?,
            ))
        };
        self.shared.readers.read(sql, ask)
    }

    /// Reads every page of the database and checks its structure; takes time in proportion to its size.
    ///
    /// # Errors
    /// `Corrupt` with SQLite's first findings; others as [`SqliteView::read`].
    pub fn verify(&self) -> Result<(), SinkError> {
        let found: Vec<String> = self.shared.readers.read("integrity_check", |connection| {
            connection
                .prepare("PRAGMA integrity_check(10)")?
                .query_map([], |row| row.get(0))?
                .collect()
        })?;
        if found == ["ok"] {
            Ok(())
        } else {
            Err(SinkError::Corrupt(found.join("; ")))
        }
    }

    /// Ends writing for good and lets go of the files, as far as nobody uses them at this moment.
    pub(crate) fn close(&self) {
        self.shared.writer.close();
        self.shared.readers.close_idle();
    }
}

impl SinkView for SqliteView {
    type Tx = SqliteTx;

    fn begin(&self) -> BoxFuture<'_, Result<SqliteTx, SinkError>> {
        Box::pin(self.shared.writer.clone().begin())
    }

    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Position>, SinkError>> {
        Box::pin(async { self.read(connect::checkpoint) })
    }

    fn commit(&self, tx: SqliteTx, checkpoint: Position) -> BoxFuture<'_, Result<(), SinkError>> {
        Box::pin(async move {
            if !tx.is_of(&self.shared.writer) {
                return Err(SinkError::Refused(
                    "expected a transaction of this view, found one of another".to_owned(),
                ));
            }
            tx.commit(checkpoint)
        })
    }
}
