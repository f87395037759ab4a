//! Runs the real binary, as people and scripts do.

mod run;
mod demo;
mod folder;
mod node;
mod exits;
mod starter;
/// How the system looks from outside.
mod outside;
/// The system and its provider, killed again and again.
mod kill;
/// Plain sums over a file of invoices, shared with the example's own tests.
#[path = "../../../../examples/ordering/tests/it/oracle.rs"]
mod oracle;
/// Files of invoices through the whole system.
mod feed;
/// Read models deleted and damaged.
mod rebuild;
/// A recorder over real brokers.
mod record;
/// Many clients at once, judged exactly.
mod histories;
/// Events carried from one store to another.
mod carry;
/// Backups of a node at work.
mod backup;
/// The oldest events moved to an archive.
mod truncate;
/// Archives in a bucket.
#[cfg(feature = "s3")]
mod objects;
