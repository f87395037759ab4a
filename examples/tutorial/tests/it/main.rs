//! What the tutorial says, held against what runs.

/// The code in the pages is the code in the files.
mod docs;
/// The library on virtual time and on disk.
mod running;
/// What the README shows of the order system.
mod stock;
