//! How large a file of invoices may be.
//!
//! Numbers only. Every one of them bounds memory or time: a field, a line count, and the bytes a small
//! compressed file may turn into.

/// The bounds within which a file is read; beyond them it is refused whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of CSV text, after decompression. Default: 4 GiB.
    pub text_bytes_max: u64,
    /// The most records below the header. A taken record costs about 70 bytes of memory. Default: 4,000,000.
    pub lines_max: u64,
    /// The most bytes of one field. Default: 1,024.
    pub field_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes_max: 4 << 30,
            lines_max: 4_000_000,
            field_bytes_max: 1_024,
        }
    }
}
