//! Tags: the names by which events are found.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;
use thiserror::Error;

/// A typed id written down, such as `order:42`. Every tag is a stream with an order and revisions of its own.
///
/// The part before the first colon is the kind: lower-case letters, digits, `_` and `-`, beginning with a letter.
/// The rest is the value: anything but control characters, at least one byte. At most [`Tag::BYTES_MAX`] in all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Tag(SmolStr);

/// A text that cannot be a tag.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TagError {
    /// There is no colon, or nothing before or after it, or the kind has other characters than allowed.
    #[error("expected a tag of the form kind:value such as order:42, found {0:?}")]
    Form(String),
    /// A control character inside.
    #[error("a tag holds no control characters, found one at byte {at} of {found:?}")]
    Control {
        /// The text that was to be a tag.
        found: String,
        /// Where the control character begins.
        at: usize,
    },
    /// Longer than [`Tag::BYTES_MAX`].
    #[error("a tag has at most {max} bytes, found {found}", max = Tag::BYTES_MAX)]
    TooLong {
        /// How many bytes it had.
        found: usize,
    },
}

impl Tag {
    /// The longest tag, in bytes of UTF-8.
    pub const BYTES_MAX: usize = 512;

    /// Checks and takes a whole tag, `kind:value`.
    ///
    /// # Errors
    /// [`TagError`] says what is wrong with the text; do not retry it unchanged.
    pub fn new(text: impl Into<SmolStr>) -> Result<Self, TagError> {
        let text = text.into();
        check(&text)?;
        Ok(Self(text))
    }

    /// The tag of a kind and a value that is written out.
    ///
    /// # Errors
    /// As [`Tag::new`].
    pub fn of(kind: &str, value: impl fmt::Display) -> Result<Self, TagError> {
        Self::new(smol_str::format_smolstr!("{kind}:{value}"))
    }

    /// What kind of thing it names: `order`.
    pub fn kind(&self) -> &str {
        self.0.split_once(':').map_or("", |(kind, _)| kind)
    }

    /// Which one: `42`.
    pub fn value(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, value)| value)
    }

    /// The whole tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str) -> Result<(), TagError> {
    if text.len() > Tag::BYTES_MAX {
        return Err(TagError::TooLong { found: text.len() });
    }
    if !is_plain(text)
        && let Some((at, _)) = text.char_indices().find(|(_, c)| c.is_control())
    {
        return Err(TagError::Control {
            found: text.to_owned(),
            at,
        });
    }
    let bytes = text.as_bytes();
    let kind = bytes.iter().take_while(|b| is_of_kind(**b)).count();
    match bytes.get(kind) {
        Some(b':') if bytes[0].is_ascii_lowercase() && kind + 1 < bytes.len() => Ok(()),
        _ => Err(TagError::Form(text.to_owned())),
    }
}

/// Whether it is of printable ASCII alone, as nearly every tag is: that is seen faster than in characters.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .fold(true, |plain, b| plain & (b' '..=b'~').contains(&b))
}

fn is_of_kind(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-'
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Tag {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Tag {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(SmolStr::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
