//! What the tutorial says, held against what runs.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is")]

/// The code in the pages is the code in the files.
mod docs;
/// The library on virtual time and on disk.
mod running;
/// What the README shows of the order system.
mod stock;
