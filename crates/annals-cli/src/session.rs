//! What every verb works with: the settings, stdout, stderr.

use crate::notes::Notes;
use crate::out::Out;
use crate::settings::{Format, Settings};

/// One run of one verb.
pub(crate) struct Session {
    pub(crate) settings: Settings,
    pub(crate) out: Out,
    pub(crate) notes: Notes,
}

impl Session {
    /// As the settings want it.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            out: Out::new(&settings),
            notes: Notes::new(&settings),
            settings,
        }
    }

    /// Whether people read it.
    pub(crate) fn is_table(&self) -> bool {
        self.out.format == Format::Table
    }
}
