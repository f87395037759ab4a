//! Exit codes: what a script learns without reading a word.
//!
//! In: an outcome. Out: its number. The table exists once, here; the help and the docs print it.

use std::process::ExitCode;

use annals_core::kind::ErrorKind;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Ok,
    /// It ran and found a failure: damage, a refused command, a malformed input file.
    Failed,
    /// The command line or the settings make no sense.
    Usage,
    /// No node answers.
    Unreachable,
    /// What was asked for does not exist.
    NotFound,
    /// Somebody else was first, or holds the lock.
    Conflict,
    /// It took longer than allowed.
    Timeout,
    /// Ctrl-C.
    Interrupted,
}

/// Every exit code, as the help shows them.
pub const TABLE: &str = "\
Exit codes:
  0    all went well
  1    it ran and found a failure: damage, a refused command, a malformed input file
  2    wrong usage or settings
  3    no node can be reached
  4    not found
  5    conflict: somebody else was first, or holds the lock
  6    it took too long
  130  interrupted";

impl Exit {
    /// Its number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotFound => 4,
            Self::Conflict => 5,
            Self::Timeout => 6,
            Self::Interrupted => 130,
        }
    }

    /// The one table from an error's meaning to an exit code.
    pub const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::NotFound | ErrorKind::Gone => Self::NotFound,
            ErrorKind::Unknown => Self::Timeout,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
