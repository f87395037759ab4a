//! What there is and what can happen to it: keys and events.
//!
//! In: nothing. Out: types that are stored for ever under the names written here; the Rust names may change.

use annals::{Event, Events, Key};
use serde::{Deserialize, Serialize};

// region: keys
/// One copy of a book, by the number on its back.
#[derive(Key)]
#[key("book")]
pub struct BookId(String);

/// Somebody who borrows, by the number on the card.
#[derive(Key)]
#[key("reader")]
pub struct ReaderId(String);
// endregion

// region: events
/// The library has one more book.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("book.acquired")]
pub struct BookAcquired {
    /// Which.
    #[tag(partition)]
    pub book: BookId,
    /// What is printed on it.
    pub title: String,
}

/// A reader took a book home.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("book.lent")]
pub struct BookLent {
    /// Which book.
    #[tag(partition)]
    pub book: BookId,
    /// To whom.
    #[tag]
    pub reader: ReaderId,
}

/// A book is back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("book.returned")]
pub struct BookReturned {
    /// Which book.
    #[tag(partition)]
    pub book: BookId,
    /// From whom.
    #[tag]
    pub reader: ReaderId,
}

/// A reader was told that a book is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("reader.reminded")]
pub struct ReaderReminded {
    /// Whom.
    #[tag(partition)]
    pub reader: ReaderId,
    /// Of which book.
    #[tag]
    pub book: BookId,
}
// endregion

// region: sets
/// What happens to a book.
#[derive(Debug, Clone, PartialEq, Events)]
pub enum BookFact {
    /// It came to the library.
    Acquired(BookAcquired),
    /// It left with a reader.
    Lent(BookLent),
    /// It is back.
    Returned(BookReturned),
}

/// What a reader does, and what is done about it.
#[derive(Debug, Clone, PartialEq, Events)]
pub enum ReaderFact {
    /// Took a book.
    Lent(BookLent),
    /// Brought one back.
    Returned(BookReturned),
    /// Was told. No decision on lending depends on it.
    #[commutes]
    Reminded(ReaderReminded),
}
// endregion
