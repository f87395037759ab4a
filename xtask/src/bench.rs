//! `cargo xtask bench`: speed beside others, measured in one run.
//!
//! In: with what to compare, how often, how long. Out: a table, printed; and written into the page of benchmarks
//! together with the machine, the command, the commit and the versions.

pub(crate) mod page;
pub(crate) mod brokers;
pub(crate) mod peers;
