//! The decisions of the library.
//!
//! In: commands and the models they are about. Out: events, or a refusal. Pure: nothing here reads a clock, a store or a
//! socket.

use annals::{Command, Each, Refusal, command};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::facts::{BookAcquired, BookId, BookLent, BookReturned, ReaderId, ReaderReminded};
use crate::models::{Book, Reader};

/// The most books a reader may have at home.
pub const BOOKS_MAX: usize = 3;

// region: refusal
/// Why the library says no.
#[derive(Debug, Clone, PartialEq, Eq, Error, Refusal)]
pub enum LendingRefusal {
    /// The number is in use.
    #[error("there is a book {0} already, with another title")]
    BookExists(BookId),
    /// Nobody knows it.
    #[error("there is no book {0}")]
    NoSuchBook(BookId),
    /// Somebody else was first.
    #[error("{0} is lent")]
    Lent(BookId),
    /// The reader would have too many.
    #[error("a reader has at most {BOOKS_MAX} books, this would make {0}")]
    TooMany(usize),
}
// endregion

// region: acquire
/// A book comes to the library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
#[named("library.acquire")]
pub struct Acquire {
    /// A number that no other book has.
    #[key]
    pub book: BookId,
    /// What is printed on it.
    pub title: String,
}

/// The same book twice is one book.
///
/// # Errors
/// The number belongs to another book.
#[command]
pub fn acquire(command: Acquire, book: &Book) -> Result<Option<BookAcquired>, LendingRefusal> {
    let Acquire { book: id, title } = command;
    match book.title.as_str() {
        "" => Ok(Some(BookAcquired { book: id, title })),
        known if known == title => Ok(None),
        _ => Err(LendingRefusal::BookExists(id)),
    }
}
// endregion

// region: lend
/// A reader brings several books to the desk: all of them go home, or none does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
#[named("library.lend")]
pub struct Lend {
    /// Who.
    #[key]
    pub reader: ReaderId,
    /// Which, each once.
    #[key(each)]
    pub books: Vec<BookId>,
}

/// Decided over the reader and every one of the books.
///
/// # Errors
/// A book is not there, or the reader would have too many.
#[command]
pub fn lend(command: Lend, reader: &Reader, books: &Each<Book>) -> Result<Vec<BookLent>, LendingRefusal> {
    let mut lent = Vec::new();
    for (id, book) in books.iter().filter(|(id, _)| !reader.books.contains(*id)) {
        if book.title.is_empty() {
            return Err(LendingRefusal::NoSuchBook(id.clone()));
        }
        if book.with.is_some() {
            return Err(LendingRefusal::Lent(id.clone()));
        }
        let (book, reader) = (id.clone(), command.reader.clone());
        lent.push(BookLent { book, reader });
    }
    match reader.books.len() + lent.len() {
        all if all > BOOKS_MAX => Err(LendingRefusal::TooMany(all)),
        _ => Ok(lent),
    }
}
// endregion

// region: give_back
/// A book is on the desk again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
#[named("library.give_back")]
pub struct GiveBack {
    /// Which.
    #[key]
    pub book: BookId,
}

/// Whoever brings it: the book knows who had it.
///
/// # Errors
/// Nobody knows the book.
#[command]
pub fn give_back(command: GiveBack, book: &Book) -> Result<Option<BookReturned>, LendingRefusal> {
    if book.title.is_empty() {
        return Err(LendingRefusal::NoSuchBook(command.book));
    }
    let back = |reader: ReaderId| BookReturned {
        book: command.book,
        reader,
    };
    Ok(book.with.clone().map(back))
}
// endregion

// region: remind
/// A reader is to be told that a book is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Command)]
#[named("library.remind")]
pub struct Remind {
    /// Of which book.
    #[key]
    pub book: BookId,
    /// Whom.
    #[key]
    pub reader: ReaderId,
}

/// Nothing happens if the book came back in the meantime.
///
/// # Errors
/// None: it never refuses.
#[command]
pub fn remind(command: Remind, book: &Book) -> Result<Option<ReaderReminded>, std::convert::Infallible> {
    let Remind { book: id, reader } = command;
    let still = book.with.as_ref() == Some(&reader);
    Ok(still.then_some(ReaderReminded { reader, book: id }))
}
// endregion

#[cfg(test)]
mod tests;
