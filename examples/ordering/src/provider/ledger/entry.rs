//! One line of the ledger file.
//!
//! In comes an answer given for the first time, out goes a line of JSON that ends in a line feed, and the
//! way back. It does not know files.

use serde::{Deserialize, Serialize};

use super::super::protocol::{Charge, Refund};

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    Charge(Charge),
    Refund(Refund),
}

impl Entry {
    /// Appends the entry's line to `bytes`.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        serde_json::to_writer(&mut *bytes, self).expect("plain data is written to memory");
        bytes.push(b'\n');
    }

    /// Reads an entry from a line without its line feed.
    pub(super) fn read(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}
