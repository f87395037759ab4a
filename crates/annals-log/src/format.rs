//! Files that another build wrote: what is said of them.
//!
//! In: a file and what is foreign in it. Out: an error that names both and says what to do.

use std::path::PathBuf;

use thiserror::Error;

use crate::frame::{FORMAT, Foreign};

/// Why a file cannot be read by this build, although nothing in it is damaged. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A newer build wrote it. Open it with that one.
    #[error("{} has format {found}; this build reads formats up to {supported}; nothing was changed", file.display())]
    Newer {
        /// Which file.
        file: PathBuf,
        /// The format it has.
        found: u16,
        /// The newest format this build reads.
        supported: u16,
    },
    /// A newer build wrote it, in this format, with something this build does not know. Open it with that one.
    #[error("{} has {found}, which this build does not know; nothing was changed", file.display())]
    Feature {
        /// Which file.
        file: PathBuf,
        /// What is not known.
        found: String,
    },
    /// It has format 0, which builds before the first release wrote. Export its events with the build that wrote it, and
    /// import them with this one.
    #[error(
        "{} has format 0, which was never released; export its events with the build that wrote it and import them \
         with this one; nothing was changed",
        file.display()
    )]
    Unreleased {
        /// Which file.
        file: PathBuf,
    },
}

impl FormatError {
    /// A file that is of a newer format than [`FORMAT`].
    pub fn newer(file: PathBuf, found: u16) -> Self {
        Self::Newer {
            file,
            found,
            supported: FORMAT,
        }
    }

    pub(crate) fn foreign(file: PathBuf, foreign: Foreign) -> Self {
        match foreign {
            Foreign::Format(found) => Self::newer(file, found),
            Foreign::Feature(found) => Self::Feature { file, found },
        }
    }
}
