//! The log as its users see it.

// A test may stop at the first surprise.
#![allow(clippy::unwrap_used)]

/// Power cuts at every operation of a workload, judged by an oracle.
mod crash;
/// The same log on the disk of this machine.
mod real_disk;
