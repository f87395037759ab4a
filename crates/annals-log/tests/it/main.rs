//! The log as its users see it.

/// Power cuts at every operation of a workload, judged by an oracle.
mod crash;
/// The same log on the disk of this machine.
mod real_disk;
