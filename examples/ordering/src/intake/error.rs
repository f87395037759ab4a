//! Why a file is not taken at all.
//!
//! A [`Fault`] says what was expected, what was found, where, and what to do; an [`IntakeError`] adds the
//! file's name. Nothing of a file with a fault is taken. It does not know lines that are refused one by
//! one: those are reasons, not faults.

use std::io;
use std::path::PathBuf;

/// A file that was not taken, and why.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}; nothing of this file was taken", path.display())]
pub struct IntakeError {
    /// The file as it was named by the caller.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a file. Lines are physical lines, 1-based, the header being line 1; where a
/// record goes over several lines it is the line on which the record starts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file could not be opened. Correct the name or the rights and try again.
    #[error("cannot be opened ({source}); check the name and the rights")]
    Open {
        /// What the system said.
        source: io::Error,
    },
    /// Reading stopped in the middle. Try again; if it stays, the disk or the connection is at fault.
    #[error("cannot be read beyond byte {byte} ({source}); try again, then look at the disk")]
    Read {
        /// How many bytes of text had been read, after decompression.
        byte: u64,
        /// What the system said.
        source: io::Error,
    },
    /// There is not even a header.
    #[error("expected a header line and invoice lines, found an empty file; fetch the file again")]
    Empty,
    /// The content is something else than CSV text or zstd-compressed CSV text.
    #[error("expected CSV text in UTF-8, plain or compressed with zstd, found {found}; {advice}")]
    Foreign {
        /// What the first bytes look like.
        found: &'static str,
        /// What to do with such a file.
        advice: &'static str,
    },
    /// The compressed data is cut or damaged.
    #[error("the zstd data is cut or damaged after {byte} bytes of text ({source}); fetch the file again")]
    Compressed {
        /// How many bytes of text could be decompressed.
        byte: u64,
        /// What the decompressor said.
        source: io::Error,
    },
    /// More text than the limit allows. Split the file or raise the limit.
    #[error("expected at most {limit} bytes of text, found more; split the file or raise the limit")]
    TooLarge {
        /// The limit in bytes, after decompression.
        limit: u64,
    },
    /// More records than the limit allows. Split the file or raise the limit.
    #[error("line {line}: expected at most {limit} records, found more; split the file or raise the limit")]
    TooManyLines {
        /// The line of the first record too many.
        line: u64,
        /// The limit in records.
        limit: u64,
    },
    /// A byte that is not UTF-8. Save the file as UTF-8 and try again.
    #[error(
        "line {line}, column {column}, byte {byte}: expected UTF-8, found the byte 0x{found:02X}; save the file as UTF-8"
    )]
    Utf8 {
        /// Where the record starts.
        line: u64,
        /// The column's name, or its number where the header is not known yet.
        column: String,
        /// The 0-based place of the byte in the (decompressed) file.
        byte: u64,
        /// The byte.
        found: u8,
    },
    /// The first line has none of the known columns.
    #[error(
        "line 1: expected a header with the columns {expected}, found {found:?}; is this the right file?"
    )]
    NotInvoices {
        /// The columns, in their usual order.
        expected: String,
        /// The beginning of the first line.
        found: String,
    },
    /// The header lacks columns.
    #[error("line 1: expected the columns {expected}, found no {missing}; add what is missing")]
    MissingColumn {
        /// All columns, in their usual order.
        expected: String,
        /// The missing ones.
        missing: String,
    },
    /// The header has a column that is not known.
    #[error("line 1, column {number}: expected one of {expected}, found {found:?}; rename or remove it")]
    UnknownColumn {
        /// Its place in the header, 1-based.
        number: usize,
        /// All columns, in their usual order.
        expected: String,
        /// Its name.
        found: String,
    },
    /// The header has a column twice.
    #[error(
        "line 1, column {number}: expected each column once, found {name} again (first as column {first}); remove one"
    )]
    DuplicateColumn {
        /// The place of the second one, 1-based.
        number: usize,
        /// The place of the first one, 1-based.
        first: usize,
        /// The name both have.
        name: &'static str,
    },
    /// A record with too few or too many fields: a cut line, a stray comma, an empty line in between.
    #[error(
        "line {line}, column {column}: expected {expected} fields, found {found}; the line may be cut or a field with a comma not quoted"
    )]
    FieldCount {
        /// Where the record starts.
        line: u64,
        /// The first column without a field, or "behind the last column".
        column: &'static str,
        /// As many as the header has.
        expected: usize,
        /// The number of fields in the record.
        found: usize,
    },
    /// A field longer than the limit.
    #[error("line {line}, column {column}: expected at most {limit} bytes, found more; shorten the field")]
    FieldTooLong {
        /// Where the record starts.
        line: u64,
        /// The column's name, or its number where it has none.
        column: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A quoted field that does not end within the limit or before the end of the file.
    #[error(
        "line {line}, column {column}: expected a closing quote, found none within {limit} bytes or to the end of the file; close the quote"
    )]
    UnterminatedQuote {
        /// Where the record starts.
        line: u64,
        /// The column's name, or its number where it has none.
        column: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// Something other than a comma or a line end behind a closing quote.
    #[error(
        "line {line}, column {column}: expected a comma or the end of the line behind the closing quote, \
         found {found:?}; double the quotes inside a quoted field"
    )]
    TextBehindQuote {
        /// Where the record starts.
        line: u64,
        /// The column's name, or its number where it has none.
        column: String,
        /// The character found.
        found: char,
    },
    /// A field that cannot be understood.
    #[error("line {line}, column {column}: expected {expected}, found {found:?}; correct the field")]
    Value {
        /// Where the record starts.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What such a field looks like.
        expected: &'static str,
        /// The beginning of the field.
        found: String,
    },
    /// The sums became larger than an exact amount can be.
    #[error("line {line}: expected sums of at most 28 digits, found more; split the file")]
    SumTooLarge {
        /// The record that was too much.
        line: u64,
    },
}
