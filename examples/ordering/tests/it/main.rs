//! The integration tests of the example, one binary.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is")]

/// Plain sums over a file, for everything else to be compared with.
mod oracle;
/// Files that are taken.
mod intake;
/// Files that are not.
mod intake_faults;
/// The payment provider: its promises, its moods, its limits.
mod provider;
/// The payment provider as a program that is killed.
mod provider_kill;
/// A payment provider inside a test.
mod bank;
/// The whole system on virtual time.
mod system;
/// The bugs that the books must find.
mod bugs;
/// Orders as large as they may be.
mod large;
/// Every service a process of its own.
mod town;
/// The town over real brokers, killed one after the other.
mod apart;
/// The town over real brokers, in all kinds of trouble.
mod chaos;
/// The town with a service in Python, which is killed.
mod notifications;
