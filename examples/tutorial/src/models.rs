//! The state of a book and of a reader: folds over what happened.
//!
//! In: events. Out: states; the same events always give the same state.

use std::collections::BTreeSet;

use annals::{Model, Snapshot};
use serde::{Deserialize, Serialize};

use crate::facts::{BookFact, BookId, ReaderFact, ReaderId};

// region: book
/// A book, as far as lending goes.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct Book {
    /// What is printed on it; empty until the library has it.
    pub title: String,
    /// Who has it; nobody if it is on the shelf.
    pub with: Option<ReaderId>,
}

impl Model for Book {
    type Key = BookId;
    type Event = BookFact;

    fn apply(&mut self, event: &BookFact) {
        match event {
            BookFact::Acquired(acquired) => self.title.clone_from(&acquired.title),
            BookFact::Lent(lent) => self.with = Some(lent.reader.clone()),
            BookFact::Returned(_) => self.with = None,
        }
    }
}
// endregion

// region: reader
/// What a reader has at home, and how often we had to write.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reader {
    /// Books at home.
    pub books: BTreeSet<BookId>,
    /// Reminders, ever.
    pub reminders: u32,
}

impl Model for Reader {
    type Key = ReaderId;
    type Event = ReaderFact;
    const SNAPSHOT: Option<Snapshot<Self>> = Some(Snapshot::named("reader", 1));

    fn apply(&mut self, event: &ReaderFact) {
        match event {
            ReaderFact::Lent(lent) => {
                self.books.insert(lent.book.clone());
            }
            ReaderFact::Returned(returned) => {
                self.books.remove(&returned.book);
            }
            ReaderFact::Reminded(_) => self.reminders += 1,
        }
    }
}
// endregion
