//! A library that lends books, in one service: the code of the tutorial.
//!
//! In: commands (take in, lend, give back, remind). Out: events, the shelf as rows, and a reminder when a book is kept
//! too long. No book is with two readers, no reader has more than [`lending::BOOKS_MAX`] books. It knows no fees, no
//! reservations and no second library.
//!
//! Modules are listed lowest first. What stands between `region` and `endregion` is shown in `docs/tutorial.md`; a test
//! compares the two.

pub mod facts;
pub mod models;
pub mod lending;
pub mod reminding;
pub mod shelf;
pub mod library;
