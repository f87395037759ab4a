//! The shelf as rows: one per book.
//!
//! In: events. Out: the table `shelf` in SQLite. It can be deleted at any time and is built again from the events.

use annals::core::port::sink::SinkError;
use annals::{Projection, Recorded};
use annals_sqlite::{Sqlite, SqliteTx};

use crate::facts::BookFact;

// region: projection
/// Table `shelf`: number, title, and who has the book; nobody if it can be lent.
pub struct Shelf;

impl Projection for Shelf {
    const NAME: &'static str = "shelf";
    const VERSION: u32 = 1;
    type Event = BookFact;
    type Sink = Sqlite;

    async fn create(&mut self, tx: &mut SqliteTx) -> Result<(), SinkError> {
        tx.execute_batch("CREATE TABLE shelf (book TEXT PRIMARY KEY, title TEXT NOT NULL, reader TEXT)")
    }

    async fn project(&mut self, event: Recorded<'_, &BookFact>, tx: &mut SqliteTx) -> Result<(), SinkError> {
        match event.event {
            BookFact::Acquired(acquired) => {
                let row = (acquired.book.get(), &acquired.title);
                tx.execute("INSERT INTO shelf (book, title) VALUES (?1, ?2)", row)?;
            }
            BookFact::Lent(lent) => {
                let row = (lent.book.get(), lent.reader.get());
                tx.execute("UPDATE shelf SET reader = ?2 WHERE book = ?1", row)?;
            }
            BookFact::Returned(returned) => {
                tx.execute(
                    "UPDATE shelf SET reader = NULL WHERE book = ?1",
                    [returned.book.get()],
                )?;
            }
        }
        Ok(())
    }
}
// endregion
