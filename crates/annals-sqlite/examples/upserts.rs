//! How many upserts a second a projection gets: `cargo run --release -p annals-sqlite --example upserts -- 1000000`.
//!
//! One row per article, 10,000 articles, exact decimal sums, a commit every 1,000 events.

use std::time::Instant;

use annals_core::port::sink::{Sink, SinkError, SinkView};
use annals_core::position::Position;
use annals_sqlite::Sqlite;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), SinkError> {
    let events: u64 = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(200_000);
    let folder = tempfile::tempdir().map_err(|error| SinkError::Unavailable(error.to_string()))?;
    let view = Sqlite::folder(folder.path())?.open("revenue", 1).await?;
    let mut tx = view.begin().await?;
    tx.execute_batch("CREATE TABLE revenue (sku INTEGER PRIMARY KEY, amount TEXT NOT NULL)")?;
    let start = Instant::now();
    for event in 1..=events {
        tx.execute(
            "INSERT INTO revenue VALUES (?1, '0.35') ON CONFLICT (sku) DO UPDATE SET amount = decimal_add(amount, excluded.amount)",
            [event.wrapping_mul(7_919) % 10_000],
        )?;
        if event % 1_000 == 0 {
            view.commit(tx, Position::new(event)).await?;
            tx = view.begin().await?;
        }
    }
    view.commit(tx, Position::new(events)).await?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{events} upserts in {seconds:.2} s: {:.0} per second",
        events as f64 / seconds
    );
    Ok(())
}
