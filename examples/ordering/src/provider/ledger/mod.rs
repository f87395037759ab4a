//! The provider's ledger: an append-only file of JSON lines and what it adds up to.
//!
//! In come charges and refunds, out go answers that are on the disk. Every answer given for the first
//! time is one line, for example
//! `{"charge":{"key":"a","order":"1","amount":"10","status":"captured"}}`. It does not know HTTP and does
//! not decide whose card is declined.

mod entry;
mod book;
mod file;
mod keeper;

pub use file::{OpenError, Replayed};
pub(in crate::provider) use keeper::{Ledger, LedgerError};
