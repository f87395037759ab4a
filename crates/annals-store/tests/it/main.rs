//! The stores as their users see them.

// A test may stop at the first surprise.
#![allow(clippy::unwrap_used)]

/// Both stores keep the one contract.
mod conformance;
/// What goes wrong while a store is open.
mod faults;
/// The files of the index are hints.
mod index;
/// Reading that lends.
mod lend;
/// Harnesses with oracles of their own, and the bugs they must find.
mod torture;
/// What only the embedded store has: folders, locks, reopening.
mod embedded;
/// Backups, and stores made of them.
mod backup;
/// The frozen format.
mod format;
/// The oldest segments go to an archive.
mod truncate;
/// Many clients at once, judged exactly.
mod histories;
