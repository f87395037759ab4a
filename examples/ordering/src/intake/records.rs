//! Records and their fields, out of bytes.
//!
//! In comes the text of a file, out go records as slices of text, with the line on which each starts.
//! The dialect is RFC 4180 with two liberties: a line may end in LF or CRLF, and a quote in the middle
//! of an unquoted field is a character like any other. Invariants:
//!
//! 1. Memory is bounded: one record, whose fields and their number have limits, and one read-ahead chunk.
//! 2. Every byte is checked to be UTF-8, and not NUL, before it is handed out.
//! 3. No record is skipped: an empty line is a record with one empty field, except at the end of the file.
//!
//! It does not know columns: it numbers them from 1 and the caller gives the names.

use std::borrow::Cow;

use super::error::Fault;
use super::source::Source;

#[cfg(test)]
mod tests;

const CHUNK: usize = 128 << 10;
const FIELDS_MAX: usize = 64;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads records one after another.
pub(super) struct Records<'a> {
    source: Source<'a>,
    buffer: Vec<u8>,
    start: usize,
    complete: bool,
    line: u64,
    byte: u64,
    fields: Vec<Field>,
    field_bytes_max: usize,
}

/// One record, borrowed until the next one is read.
pub(super) struct Record<'a> {
    /// The physical line on which it starts, 1-based.
    pub(super) line: u64,
    text: &'a str,
    fields: &'a [Field],
}

/// What is wrong with a record, with the field's number instead of the column's name.
#[derive(Debug)]
pub(super) enum Broken {
    /// The file is at fault, not the record.
    Whole(Fault),
    /// One field is at fault.
    Field {
        /// Where the record starts.
        line: u64,
        /// Which field, 0-based.
        number: usize,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

/// What is wrong with one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A byte that is not UTF-8, at this place of the file.
    Utf8 { byte: u64, found: u8 },
    /// Longer than the limit.
    TooLong,
    /// A quote that does not close.
    Unterminated,
    /// A character behind the closing quote.
    BehindQuote { found: char },
    /// More fields than any header has.
    TooMany,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    start: usize,
    end: usize,
    /// Whether it holds doubled quotes that stand for one.
    doubled: bool,
}

enum Split {
    /// A whole record: its bytes with the line end, and the line ends within and behind it.
    Record { length: usize, lines: u64 },
    /// The record goes on beyond the bytes at hand.
    More,
    /// A field that cannot be.
    Flaw { number: usize, flaw: Flaw },
}

enum Ended {
    Field {
        end: usize,
        doubled: bool,
        next: usize,
        lines: u64,
    },
    Record {
        end: usize,
        doubled: bool,
        next: usize,
        lines: u64,
    },
    More,
    Flaw(Flaw),
}

impl<'a> Record<'a> {
    /// How many fields it has; at least one.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The field with this 0-based number, without the spaces around it.
    pub(super) fn field(&self, number: usize) -> Cow<'a, str> {
        let field = self.fields[number];
        let text = self.text[field.start..field.end].trim();
        if field.doubled {
            Cow::Owned(text.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Whether this is an empty line.
    pub(super) fn is_blank(&self) -> bool {
        self.fields.len() == 1 && self.text.trim().is_empty()
    }

    /// The beginning of the record, for people.
    pub(super) fn beginning(&self) -> String {
        self.text.trim().chars().take(60).collect()
    }
}

impl<'a> Records<'a> {
    /// Reads from `source`, whose fields may have `field_bytes_max` bytes. A byte order mark is passed over.
    pub(super) fn open(source: Source<'a>, field_bytes_max: usize) -> Result<Self, Fault> {
        let mut records = Self {
            source,
            buffer: Vec::with_capacity(CHUNK),
            start: 0,
            complete: false,
            line: 1,
            byte: 0,
            fields: Vec::with_capacity(FIELDS_MAX),
            field_bytes_max,
        };
        while records.buffer.len() < BYTE_ORDER_MARK.len() && !records.complete {
            records.refill()?;
        }
        if records.buffer.starts_with(BYTE_ORDER_MARK) {
            records.pass(BYTE_ORDER_MARK.len(), 0);
        }
        Ok(records)
    }

    /// The next record, or `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, Broken> {
        let (length, lines) = loop {
            let unread = &self.buffer[self.start..];
            if unread.is_empty() && self.complete {
                return Ok(None);
            }
            match split(unread, self.complete, self.field_bytes_max, &mut self.fields) {
                Split::Record { length, lines } => break (length, lines),
                Split::More => self.refill().map_err(Broken::Whole)?,
                Split::Flaw { number, flaw } => {
                    return Err(Broken::Field {
                        line: self.line,
                        number,
                        flaw,
                    });
                }
            }
        };
        let (start, line, byte) = (self.start, self.line, self.byte);
        self.pass(length, lines);
        let bytes = &self.buffer[start..start + length];
        let text = checked(bytes).map_err(|place| {
            let number = self
                .fields
                .iter()
                .position(|field| place < field.end)
                .unwrap_or(self.fields.len() - 1);
            let flaw = Flaw::Utf8 {
                byte: byte + place as u64,
                found: bytes[place],
            };
            Broken::Field { line, number, flaw }
        })?;
        Ok(Some(Record {
            line,
            text,
            fields: &self.fields,
        }))
    }

    /// The beginning of what is not read yet, for people.
    pub(super) fn beginning(&self) -> String {
        let unread = &self.buffer[self.start..];
        String::from_utf8_lossy(&unread[..unread.len().min(60)]).into_owned()
    }

    fn pass(&mut self, length: usize, lines: u64) {
        self.start += length;
        self.byte += length as u64;
        self.line += lines;
    }

    fn refill(&mut self) -> Result<(), Fault> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let kept = self.buffer.len();
        self.buffer.resize(kept + CHUNK, 0);
        let count = self.source.read(&mut self.buffer[kept..])?;
        self.buffer.truncate(kept + count);
        self.complete = count == 0;
        Ok(())
    }
}

/// The text, or the place of the first byte that cannot be in one.
fn checked(bytes: &[u8]) -> Result<&str, usize> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.valid_up_to())?;
    match bytes.iter().position(|byte| *byte == 0) {
        Some(place) => Err(place),
        None => Ok(text),
    }
}

/// Finds the fields of the record at the beginning of `bytes`; `complete` says that nothing follows them.
fn split(bytes: &[u8], complete: bool, field_bytes_max: usize, fields: &mut Vec<Field>) -> Split {
    fields.clear();
    let (mut start, mut lines_before) = (0, 0);
    loop {
        let number = fields.len();
        if number == FIELDS_MAX {
            return Split::Flaw {
                number,
                flaw: Flaw::TooMany,
            };
        }
        let quoted = bytes.get(start) == Some(&b'"');
        let first = start + usize::from(quoted);
        let ended = if quoted {
            quoted_field(bytes, first, complete, field_bytes_max)
        } else {
            plain_field(bytes, first, complete, field_bytes_max)
        };
        match ended {
            Ended::Field {
                end,
                doubled,
                next,
                lines,
            } => {
                fields.push(Field {
                    start: first,
                    end,
                    doubled,
                });
                (start, lines_before) = (next, lines_before + lines);
            }
            Ended::Record {
                end,
                doubled,
                next,
                lines,
            } => {
                fields.push(Field {
                    start: first,
                    end,
                    doubled,
                });
                return Split::Record {
                    length: next,
                    lines: lines_before + lines,
                };
            }
            Ended::More => return Split::More,
            Ended::Flaw(flaw) => return Split::Flaw { number, flaw },
        }
    }
}

fn plain_field(bytes: &[u8], start: usize, complete: bool, field_bytes_max: usize) -> Ended {
    // One byte more than the limit for the delimiter, one for a carriage return before it.
    let window = &bytes[start..bytes.len().min(start + field_bytes_max + 2)];
    match window.iter().position(|byte| matches!(byte, b',' | b'\n')) {
        Some(length) if length > field_bytes_max && window[length - 1] != b'\r' => Ended::Flaw(Flaw::TooLong),
        Some(length) if window[length] == b',' => Ended::Field {
            end: start + length,
            doubled: false,
            next: start + length + 1,
            lines: 0,
        },
        Some(length) => Ended::Record {
            end: start + length,
            doubled: false,
            next: start + length + 1,
            lines: 1,
        },
        None if window.len() > field_bytes_max + 1 => Ended::Flaw(Flaw::TooLong),
        None if complete && window.len() > field_bytes_max && !window.ends_with(b"\r") => {
            Ended::Flaw(Flaw::TooLong)
        }
        None if complete => Ended::Record {
            end: bytes.len(),
            doubled: false,
            next: bytes.len(),
            lines: 1,
        },
        None => Ended::More,
    }
}

fn quoted_field(bytes: &[u8], start: usize, complete: bool, field_bytes_max: usize) -> Ended {
    let (mut from, mut doubled) = (start, false);
    loop {
        let window = &bytes[from..bytes.len().min(start + field_bytes_max + 1).max(from)];
        let Some(length) = window.iter().position(|byte| *byte == b'"') else {
            let unclosed = complete || bytes.len() > start + field_bytes_max;
            return if unclosed {
                Ended::Flaw(Flaw::Unterminated)
            } else {
                Ended::More
            };
        };
        let end = from + length;
        let lines = || bytes[start..end].iter().filter(|byte| **byte == b'\n').count() as u64;
        match (bytes.get(end + 1), bytes.get(end + 2)) {
            (Some(b'"'), _) => (from, doubled) = (end + 2, true),
            (Some(b','), _) => {
                return Ended::Field {
                    end,
                    doubled,
                    next: end + 2,
                    lines: lines(),
                };
            }
            (Some(b'\n'), _) => {
                return Ended::Record {
                    end,
                    doubled,
                    next: end + 2,
                    lines: lines() + 1,
                };
            }
            (Some(b'\r'), Some(b'\n')) => {
                return Ended::Record {
                    end,
                    doubled,
                    next: end + 3,
                    lines: lines() + 1,
                };
            }
            (None, _) | (Some(b'\r'), None) if !complete => return Ended::More,
            (None, _) | (Some(b'\r'), None) => {
                return Ended::Record {
                    end,
                    doubled,
                    next: bytes.len(),
                    lines: lines() + 1,
                };
            }
            // A character has up to four bytes; the message wants a whole one.
            (Some(_), _) if !complete && bytes.len() < end + 5 => return Ended::More,
            (Some(_), _) => {
                return Ended::Flaw(Flaw::BehindQuote {
                    found: character(&bytes[end + 1..]),
                });
            }
        }
    }
}

fn character(bytes: &[u8]) -> char {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4)]);
    text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}
