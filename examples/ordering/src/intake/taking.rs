//! Lines understood, judged and counted.
//!
//! In comes one record after another, out go the invoices so far, the refused lines and the sums. A record
//! is taken, refused, or a fault that ends the taking. It does not know files.

use std::borrow::Cow;

use super::columns::{COLUMNS, Column, Header};
use super::error::Fault;
use super::gather::Gathered;
use super::invoice::InvoiceKind;
use super::judge::{Row, judge};
use super::records::Record;
use super::refused::Refused;
use super::values::{self, Expected};
use crate::money::Money;

/// What was taken, in numbers and sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines sold.
    pub sale_lines: u64,
    /// Lines that come back.
    pub return_lines: u64,
    /// Lines of stock corrections.
    pub correction_lines: u64,
    /// Lines of adjustments.
    pub adjustment_lines: u64,
    /// Invoices with at least one line sold.
    pub orders: u64,
    /// Invoices with at least one line that comes back.
    pub returns: u64,
    /// Quantity times price over all lines sold.
    pub revenue: Money,
    /// Quantity times price over all lines that come back, above zero.
    pub credited: Money,
    /// Quantity times price over all lines of adjustments, with its sign.
    pub adjusted: Money,
}

impl Totals {
    /// All lines taken.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.sale_lines + self.return_lines + self.correction_lines + self.adjustment_lines
    }
}

/// A file in the taking.
#[derive(Default)]
pub(super) struct Taking {
    pub(super) lines_read: u64,
    pub(super) totals: Totals,
    pub(super) gathered: Gathered,
    pub(super) refused: Vec<Refused>,
}

impl Taking {
    /// Takes or refuses the line.
    pub(super) fn take(&mut self, header: &Header, record: &Record<'_>) -> Result<(), Fault> {
        if record.len() != COLUMNS.len() {
            return Err(field_count(header, record.line, record.len()));
        }
        self.lines_read += 1;
        let texts = COLUMNS.map(|column| record.field(header.field_of(column)));
        let row = row_of(record.line, &texts)?;
        match judge(&row).and_then(|kind| self.gathered.add(&row, kind).map(|()| kind)) {
            Ok(kind) => self
                .count(&row, kind)
                .ok_or(Fault::SumTooLarge { line: row.line }),
            Err(reason) => {
                let invoice = self.gathered.text(row.invoice);
                self.refused.push(Refused {
                    line: row.line,
                    invoice,
                    reason,
                });
                Ok(())
            }
        }
    }

    fn count(&mut self, row: &Row<'_>, kind: InvoiceKind) -> Option<()> {
        let amount = row.price.checked_mul(i64::from(row.quantity.unsigned_abs()))?;
        let totals = &mut self.totals;
        let (lines, sum) = match kind {
            InvoiceKind::Order => (&mut totals.sale_lines, &mut totals.revenue),
            InvoiceKind::Return => (&mut totals.return_lines, &mut totals.credited),
            InvoiceKind::Correction => {
                totals.correction_lines += 1;
                return Some(());
            }
            InvoiceKind::Adjustment => (&mut totals.adjustment_lines, &mut totals.adjusted),
        };
        *lines += 1;
        *sum = sum.checked_add(amount)?;
        Some(())
    }
}

/// The row on this line with these texts, in the order of [`COLUMNS`].
fn row_of<'t>(line: u64, texts: &'t [Cow<'_, str>; COLUMNS.len()]) -> Result<Row<'t>, Fault> {
    let text = |column: Column| &*texts[column as usize];
    Ok(Row {
        line,
        invoice: value(line, Column::InvoiceNo, text(Column::InvoiceNo), values::invoice)?,
        article: text(Column::StockCode),
        description: text(Column::Description),
        quantity: value(line, Column::Quantity, text(Column::Quantity), values::quantity)?,
        moment: value(
            line,
            Column::InvoiceDate,
            text(Column::InvoiceDate),
            values::moment,
        )?,
        price: value(line, Column::UnitPrice, text(Column::UnitPrice), values::price)?,
        customer: value(
            line,
            Column::CustomerId,
            text(Column::CustomerId),
            values::customer,
        )?,
        country: text(Column::Country),
    })
}

fn value<'t, T>(
    line: u64,
    column: Column,
    text: &'t str,
    read: impl Fn(&'t str) -> Result<T, Expected>,
) -> Result<T, Fault> {
    read(text).map_err(|Expected(expected)| Fault::Value {
        line,
        column: column.name(),
        expected,
        found: text.chars().take(40).collect(),
    })
}

/// A record with this many fields where there should be one for each column.
pub(super) fn field_count(header: &Header, line: u64, found: usize) -> Fault {
    let column = header
        .column_at(found)
        .map_or("behind the last column", Column::name);
    Fault::FieldCount {
        line,
        column,
        expected: COLUMNS.len(),
        found,
    }
}
