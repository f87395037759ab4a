//! A whole file, checked before anything of it is taken.
//!
//! In comes a file or any reader, out goes an [`Intake`] or the fault that forbids it. Invariants:
//!
//! 1. All or nothing: every byte is read and every field understood before the first invoice is handed out.
//! 2. Every record is accounted for: it is one line of one invoice, or it is in [`Intake::refused`].
//!
//! It does not know what becomes of the invoices.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::columns::{COLUMNS, Column, Header};
use super::delivery::{self, Delivery};
use super::error::{Fault, IntakeError};
use super::invoice::{Invoice, InvoiceKind};
use super::limits::Limits;
use super::records::{Broken, Flaw, Records};
use super::refused::{Reason, Refused};
use super::source::Source;
use super::taking::{Taking, Totals, field_count};

/// A file that passed the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intake {
    /// How many records the file has below its header: taken and refused ones.
    pub lines_read: u64,
    /// What was taken, in numbers and sums.
    pub totals: Totals,
    /// The invoices, in the order in which each first appears in the file.
    pub invoices: Vec<Invoice>,
    /// The lines that were refused, in the order of the file.
    pub refused: Vec<Refused>,
}

impl Intake {
    /// Reads and checks the file at `path`, CSV or CSV compressed with zstd, within the default limits.
    ///
    /// Blocking: an asynchronous caller puts it on a thread for blocking work.
    ///
    /// # Errors
    ///
    /// Every fault of the file as a whole, with its place; nothing is taken then. Correct the file and check again.
    pub fn check(path: impl AsRef<Path>) -> Result<Self, IntakeError> {
        Self::check_within(path, Limits::default())
    }

    /// Like [`check`](Self::check), within other limits.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check).
    pub fn check_within(path: impl AsRef<Path>, limits: Limits) -> Result<Self, IntakeError> {
        let path = path.as_ref();
        let opened = open(path).map_err(|source| Fault::Open { source });
        let checked = opened.and_then(|file| Self::read(file, limits));
        checked.map_err(|fault| IntakeError {
            path: path.to_owned(),
            fault,
        })
    }

    /// Reads and checks the content of a file from any reader.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check), without the name of the file.
    pub fn read(input: impl Read, limits: Limits) -> Result<Self, Fault> {
        let mut records = Records::open(
            Source::open(input, limits.text_bytes_max)?,
            limits.field_bytes_max,
        )?;
        let header = header_of(&mut records, limits)?;
        let mut taking = Taking::default();
        let mut blank = None;
        while let Some(record) = records
            .next()
            .map_err(|broken| named(broken, Some(&header), limits))?
        {
            if record.is_blank() {
                blank = blank.or(Some(record.line));
                continue;
            }
            if let Some(line) = blank {
                return Err(field_count(&header, line, 0));
            }
            if taking.lines_read == limits.lines_max || record.line > u64::from(u32::MAX) {
                return Err(Fault::TooManyLines {
                    line: record.line,
                    limit: limits.lines_max,
                });
            }
            taking.take(&header, &record)?;
        }
        Ok(finished(taking))
    }

    /// How many lines were refused for each reason.
    #[must_use]
    pub fn refused_by_reason(&self) -> BTreeMap<Reason, u64> {
        let mut counts = BTreeMap::new();
        for refused in &self.refused {
            *counts.entry(refused.reason).or_default() += 1;
        }
        counts
    }

    /// The goods a warehouse has to receive for the orders and counts of each day, by day.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        delivery::deliveries(&self.invoices)
    }
}

fn finished(taking: Taking) -> Intake {
    let Taking {
        lines_read,
        mut totals,
        gathered,
        refused,
    } = taking;
    let invoices = gathered.finish();
    let count = |kind| invoices.iter().filter(|invoice| invoice.kind == kind).count() as u64;
    totals.orders = count(InvoiceKind::Order);
    totals.returns = count(InvoiceKind::Return);
    assert_eq!(
        lines_read,
        totals.lines() + refused.len() as u64,
        "every line is accounted for"
    );
    Intake {
        lines_read,
        totals,
        invoices,
        refused,
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "expected a file, found a directory",
        ));
    }
    Ok(file)
}

fn header_of(records: &mut Records<'_>, limits: Limits) -> Result<Header, Fault> {
    let beginning = records.beginning();
    match records.next() {
        Ok(Some(record)) => Header::read(&record),
        Ok(None) => Err(Fault::Empty),
        Err(Broken::Field {
            flaw: Flaw::TooLong | Flaw::TooMany,
            ..
        }) => Err(Fault::NotInvoices {
            expected: Header::expected(),
            found: beginning,
        }),
        Err(broken) => Err(named(broken, None, limits)),
    }
}

/// The fault with the column's name in the place of the field's number.
fn named(broken: Broken, header: Option<&Header>, limits: Limits) -> Fault {
    let (line, number, flaw) = match broken {
        Broken::Whole(fault) => return fault,
        Broken::Field { line, number, flaw } => (line, number, flaw),
    };
    let name = header
        .and_then(|header| header.column_at(number))
        .map(Column::name);
    let column = name.map_or_else(|| (number + 1).to_string(), str::to_owned);
    let limit = limits.field_bytes_max;
    match flaw {
        Flaw::Utf8 { byte, found } => Fault::Utf8 {
            line,
            column,
            byte,
            found,
        },
        Flaw::TooLong => Fault::FieldTooLong { line, column, limit },
        Flaw::Unterminated => Fault::UnterminatedQuote { line, column, limit },
        Flaw::BehindQuote { found } => Fault::TextBehindQuote { line, column, found },
        Flaw::TooMany => {
            let column = "behind the last column";
            Fault::FieldCount {
                line,
                column,
                expected: COLUMNS.len(),
                found: number + 1,
            }
        }
    }
}
