//! Event stores that keep the contract of [`annals_core::port::store`].
//!
//! What comes in: appends (events, marks, conditions) and questions. What goes out: positions once the bytes are
//! durable, and pages of events. [`MemoryStore`] is the contract in its plainest words; [`EmbeddedStore`] keeps it
//! on disk. This crate knows no broker, no handler and no async runtime.
//!
//! Modules are listed lowest first, and each imports only from those above it.

mod admit;
mod memory;

pub use memory::MemoryStore;
