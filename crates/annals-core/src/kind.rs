//! What an error means to the caller, in one word.
//!
//! Retry policy, HTTP status and exit code are three tables over [`ErrorKind`], each written once, elsewhere.

use std::fmt;

/// The one-word meaning of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Somebody else was first; read again and decide again.
    Conflict,
    /// The rules of the domain say no; the same request will be refused again while the state stays as it is.
    Refused,
    /// The request itself is malformed or breaks a limit; do not retry it unchanged.
    Invalid,
    /// What was asked for does not exist.
    NotFound,
    /// What was asked for was archived and is no longer here; the error names the boundary and the archive.
    Gone,
    /// It may work later: disk full, overload, a lock held elsewhere. Retry with back-off.
    Unavailable,
    /// It is not known whether it happened. Ask again with the same id, never with a new one.
    Unknown,
    /// Stored bytes are damaged; somebody must look. Never retried automatically.
    Corrupt,
    /// The component was closed or stopped itself after a failure; reopen it.
    Closed,
}

impl ErrorKind {
    /// Whether doing the very same thing again, with the same ids, is sensible.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Conflict | Self::Unavailable | Self::Unknown)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::NotFound => "not found",
            Self::Gone => "gone",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Corrupt => "corrupt",
            Self::Closed => "closed",
        })
    }
}
