//! A lending desk: books are borrowed and given back.
//!
//! One key, two events, a model that folds them, and two commands that decide by it.

use annals::{Command, Event, Events, Key, Model, Refusal, Service, ServiceBuilder, command};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One book. Written down it is the tag `book:emma`.
#[derive(Key)]
#[key("book")]
pub struct BookId(String);

/// Somebody took a book home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("book.borrowed")]
pub struct BookBorrowed {
    /// Which.
    #[tag]
    pub book: BookId,
    /// Who.
    pub reader: String,
}

/// A book is back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("book.given_back")]
pub struct BookGivenBack {
    /// Which.
    #[tag]
    pub book: BookId,
}

/// What happens to a book.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum BookFact {
    /// Somebody took it home.
    Borrowed(BookBorrowed),
    /// It is back.
    GivenBack(BookGivenBack),
}

/// A book, as its past made it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Book {
    /// Who has it; nobody, if it is on its shelf.
    pub reader: Option<String>,
    /// How often it was borrowed.
    pub times: u32,
}

impl Model for Book {
    type Key = BookId;
    type Event = BookFact;

    fn apply(&mut self, event: &BookFact) {
        match event {
            BookFact::Borrowed(borrowed) => {
                self.reader = Some(borrowed.reader.clone());
                self.times += 1;
            }
            BookFact::GivenBack(_) => self.reader = None,
        }
    }
}

/// Why a book is not lent.
#[derive(Debug, Clone, PartialEq, Eq, Error, Refusal)]
pub enum BookError {
    /// Somebody else has it.
    #[error("{reader} has the book")]
    AlreadyBorrowed {
        /// Who.
        reader: String,
    },
}

/// Somebody wants a book.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
#[named("books.borrow")]
pub struct Borrow {
    /// Which.
    #[key]
    pub book: BookId,
    /// Who.
    pub reader: String,
}

/// Lends a book; asking twice for one's own loan is no second loan.
#[command]
pub fn borrow(command: Borrow, book: &Book) -> Result<Option<BookBorrowed>, BookError> {
    let Borrow { book: id, reader } = command;
    match &book.reader {
        Some(other) if *other != reader => Err(BookError::AlreadyBorrowed {
            reader: other.clone(),
        }),
        Some(_) => Ok(None),
        None => Ok(Some(BookBorrowed { book: id, reader })),
    }
}

/// Somebody brings a book.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
#[named("books.give_back")]
pub struct GiveBack {
    /// Which.
    #[key]
    pub book: BookId,
}

/// Takes a book back; one that is on its shelf stays there.
#[command]
pub fn give_back(command: GiveBack, book: &Book) -> Result<Option<BookGivenBack>, BookError> {
    Ok(book
        .reader
        .is_some()
        .then_some(BookGivenBack { book: command.book }))
}

/// The service.
pub fn service() -> ServiceBuilder {
    Service::builder("books")
        .command::<Borrow>()
        .command::<GiveBack>()
}

#[cfg(test)]
mod tests;
