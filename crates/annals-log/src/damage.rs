//! Where stored bytes are not what was written, and what was expected of them.

use std::fmt;
use std::path::PathBuf;

/// One place of damage. Its text names the file, the byte, and both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Which file.
    pub file: PathBuf,
    /// Which byte of it, from 0.
    pub at: u64,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            at,
            expected,
            found,
        } = self;
        write!(
            f,
            "{} at byte {at}: expected {expected}, found {found}",
            file.display()
        )
    }
}
