//! The sink through its port.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// Rows and checkpoint are one commit.
mod commit;
/// Versions beside each other, promotion, removal.
mod versions;
/// What happens to files that are not what they were.
mod damage;
/// Readers and the one writer at the same time.
mod readers;

use annals_core::port::sink::{Sink, SinkError, SinkView};
use annals_core::position::Position;
use annals_sqlite::{Sqlite, SqliteTx, SqliteView};
use tempfile::TempDir;

/// A fresh sink in a folder of its own.
fn sink() -> (TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sqlite::folder(folder.path()).unwrap();
    (folder, sink)
}

/// Version 1 of `stock` with its table, committed at position 0.
async fn stock(sink: &Sqlite) -> SqliteView {
    let view = sink.open("stock", 1).await.unwrap();
    let mut tx = view.begin().await.unwrap();
    tx.execute_batch("CREATE TABLE stock (sku TEXT PRIMARY KEY, amount TEXT NOT NULL)")
        .unwrap();
    view.commit(tx, Position::ZERO).await.unwrap();
    view
}

/// Adds to the amount of one article.
fn add(tx: &mut SqliteTx, sku: &str, amount: &str) -> Result<usize, SinkError> {
    tx.execute(
        "INSERT INTO stock VALUES (?1, ?2)
         ON CONFLICT (sku) DO UPDATE SET amount = decimal_add(amount, excluded.amount)",
        [sku, amount],
    )
}

/// The amount of one article, as a reader sees it.
fn amount(view: &SqliteView, sku: &str) -> Option<String> {
    let rows = view
        .rows("SELECT amount FROM stock WHERE sku = ?1", [sku])
        .unwrap();
    rows.first().map(|row| row["amount"].as_str().unwrap().to_owned())
}
