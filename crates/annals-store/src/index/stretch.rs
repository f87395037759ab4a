//! Stretches of the log: what a part of the index is of, and how its file is called.

use annals_core::time::Timestamp;
use annals_log::Milestone;

use super::term::{TermKind, hash};

const ENDING: &str = ".idx";
/// What the name of a file ends with until it is finished.
pub(crate) const UNFINISHED_ENDING: &str = ".idx.tmp";

/// The frames an index file is of, the last one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frames {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Frames {
    /// Those of a file name, if it is one of an index file.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (first, last) = name.strip_suffix(ENDING)?.split_once('-')?;
        let number = |text: &str| {
            text.parse()
                .ok()
                .filter(|number: &u64| format!("{number:012}") == text)
        };
        let (first, last) = (number(first)?, number(last)?);
        (first <= last).then_some(Self { first, last })
    }

    /// The name of their index file.
    pub(crate) fn name(&self) -> String {
        format!("{:012}-{:012}{ENDING}", self.first, self.last)
    }

    /// The name it has until it is finished.
    pub(crate) fn unfinished_name(&self) -> String {
        format!("{:012}-{:012}{UNFINISHED_ENDING}", self.first, self.last)
    }

    /// What is in the checksum of every page of their file.
    pub(super) fn identity(&self, salt: u64) -> u64 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.first.to_le_bytes());
        bytes[8..].copy_from_slice(&self.last.to_le_bytes());
        hash(salt, TermKind::Id, &bytes)
    }
}

/// The stretch of the log a part of the index is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The frame before it; none at the beginning of the log.
    pub(crate) after: Option<Milestone>,
    /// Its last frame.
    pub(crate) last: Milestone,
    /// The position of its first event.
    pub(crate) first: u64,
    pub(crate) events: u32,
    /// When its last commit group was recorded.
    pub(crate) newest: Timestamp,
    /// Bytes of its frames.
    pub(crate) log_bytes: u64,
}

impl Stretch {
    pub(crate) fn frames(&self) -> Frames {
        Frames {
            first: self.after.map_or(0, |after| after.number + 1),
            last: self.last.number,
        }
    }

    /// The position behind its last event.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_whole_files() {
        let frames = Frames {
            first: 10,
            last: 1 << 44,
        };
        assert_eq!(frames.name(), "000000000010-17592186044416.idx");
        assert_eq!(Frames::of(&frames.name()), Some(frames));
        for other in [
            &frames.unfinished_name(),
            "000000000010.idx",
            "10-20.idx",
            "000000000021-000000000020.idx",
            "LOCK",
        ] {
            assert_eq!(Frames::of(other), None, "{other}");
        }
        assert_ne!(frames.identity(1), frames.identity(2));
    }
}
