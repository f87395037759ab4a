//! The loan of one book: whoever keeps it too long is reminded, again and again.
//!
//! In: events of the book, and its own timer. Out: commands and timers, as data. It knows neither the letter nor the
//! post.

use std::time::Duration;

use annals::{Effects, Events, Model, On, Process};
use serde::{Deserialize, Serialize};

use crate::facts::{BookId, BookLent, BookReturned, ReaderId};
use crate::lending::Remind;

// region: process
/// How long a book may be kept.
pub const LOAN: Duration = Duration::from_secs(28 * 24 * 60 * 60);
/// Between two reminders.
pub const AGAIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a loan sees.
#[derive(Debug, Clone, PartialEq, Events)]
pub enum LoanFact {
    /// It begins.
    Lent(BookLent),
    /// It ends.
    Returned(BookReturned),
}

/// The book is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Due;

/// The loan of a book, if there is one just now.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct Loan {
    with: Option<(BookId, ReaderId)>,
}

impl Model for Loan {
    type Key = BookId;
    type Event = LoanFact;

    fn apply(&mut self, event: &LoanFact) {
        self.with = match event {
            LoanFact::Lent(lent) => Some((lent.book.clone(), lent.reader.clone())),
            LoanFact::Returned(_) => None,
        };
    }
}

impl Process for Loan {
    const NAME: &'static str = "loan";
    type Timer = Due;

    fn react(&self, on: On<'_, LoanFact, Due>, effects: &mut Effects<Due>) {
        match (on, &self.with) {
            (On::Event(LoanFact::Lent(_)), _) => effects.after(LOAN, Due),
            (On::Event(LoanFact::Returned(_)), _) => effects.cancel(&Due),
            (On::Timer(Due), Some((book, reader))) => {
                let (book, reader) = (book.clone(), reader.clone());
                effects.send(Remind { book, reader });
                effects.after(AGAIN, Due);
            }
            _ => {}
        }
    }
}
// endregion

#[cfg(test)]
mod tests;
