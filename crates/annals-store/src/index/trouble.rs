//! Why an index has no answer. It is never wrong: it answers, or says this.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::carried::CarriedError;

/// Why a file of the index has no answer.
#[derive(Debug, Error)]
pub(crate) enum Trouble {
    /// It is not as it was written. It is made again from the log.
    #[error("{} at byte {at}: {what}; it is an index and can be made again", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// Which byte of it.
        at: u64,
        /// What was expected and found.
        what: String,
        /// Which of the files this process has opened; none if it was not opened.
        opened: Option<u32>,
    },
    /// The disk did not answer. Try again.
    #[error("{} cannot be read at byte {at}: {source}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// Which byte of it.
        at: u64,
        /// What the system said.
        source: io::Error,
    },
    /// What is known of archived events cannot be read. It is no index: nothing makes it again.
    #[error(transparent)]
    Carried(#[from] CarriedError),
}
