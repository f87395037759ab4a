//! Marks: small durable entries in a log that are not events.

use std::fmt;

use bytes::Bytes;
use smol_str::SmolStr;

/// The name of a mark: a space such as `checkpoint`, and a name inside it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkKey {
    /// Which kind of mark: `checkpoint`, `timer`, `idempotency`, …
    pub space: SmolStr,
    /// Which one.
    pub name: SmolStr,
}

impl MarkKey {
    /// The longest space and name together, in bytes.
    pub const BYTES_MAX: usize = 1_024;

    /// A key from its two parts.
    pub fn new(space: impl Into<SmolStr>, name: impl Into<SmolStr>) -> Self {
        Self {
            space: space.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for MarkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.space, self.name)
    }
}

impl fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Sets or removes one mark. Committed together with the events of its append; has no position, wakes nobody;
/// the last write of a key wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which mark.
    pub key: MarkKey,
    /// Its new value, at most 64 KiB; `None` removes the mark.
    pub value: Option<Bytes>,
}

impl Mark {
    /// Sets a mark.
    pub fn set(key: MarkKey, value: impl Into<Bytes>) -> Self {
        Self {
            key,
            value: Some(value.into()),
        }
    }

    /// Removes a mark; no effect if there is none.
    pub fn remove(key: MarkKey) -> Self {
        Self { key, value: None }
    }
}
