//! Event stores that keep the contract of [`annals_core::port::store`].
//!
//! What comes in: appends (events, marks, conditions) and questions. What goes out: positions once the bytes are
//! durable, and pages of events. [`MemoryStore`] is the contract in its plainest words; [`EmbeddedStore`] keeps it
//! on disk. This crate knows no broker, no handler and no async runtime.
//!
//! Modules are listed lowest first, and each imports only from those above it.

mod record;
mod admit;
mod memory;
mod index;
mod options;
mod state;
mod fetch;
mod queue;
mod core;
mod commit;
mod embedded;
mod verify;

pub use embedded::{EmbeddedStore, Stats};
pub use memory::MemoryStore;
pub use options::{OpenError, Options, WriterThread};
pub use verify::{Finding, VerifyReport, verify, verify_on};

pub use annals_log::RecoveryReport;
pub use annals_log::disk;
