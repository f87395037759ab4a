//! Invoices: what a file is turned into.
//!
//! Plain data. An [`Invoice`] is all taken lines of one invoice number that are of one kind; texts are
//! shared, so a line costs little. It does not know files, nor why lines are refused.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::article::ArticleKind;
use crate::money::Money;

/// What an invoice asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InvoiceKind {
    /// A sale: a number of digits, lines with positive quantity and price.
    Order,
    /// Goods come back and money is credited: `C` and digits. No earlier order is needed.
    Return,
    /// Goods leave the stock without a sale: a number of digits, negative quantity, no price.
    Correction,
    /// A change of the books: `A` and digits, the amount may be negative.
    Adjustment,
}

/// All taken lines of one invoice number that are of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// What it asks for.
    pub kind: InvoiceKind,
    /// The invoice number as written.
    pub number: Arc<str>,
    /// The customer's number; `None` is a guest.
    pub customer: Option<Arc<str>>,
    /// The country of its first line.
    pub country: Arc<str>,
    /// The earliest moment of its lines, in UTC.
    pub occurred: Timestamp,
    /// Its lines in the order of the file; at least one, repeats included.
    pub lines: Vec<Line>,
}

/// One taken line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The physical line on which it starts, 1-based, the header being line 1.
    pub line: u32,
    /// How many pieces, always above zero: sold, coming back, written off, or adjusted, by the kind of invoice.
    pub quantity: u32,
    /// The stock code as written.
    pub article: Arc<str>,
    /// The article's description without surrounding spaces; may be empty.
    pub description: Arc<str>,
    /// The price of one piece: above zero for sales and returns, zero for corrections, any for adjustments.
    pub price: Money,
    /// Whether stock is kept of the article.
    pub article_kind: ArticleKind,
}

impl Invoice {
    /// The calendar day of [`occurred`](Self::occurred).
    #[must_use]
    pub fn day(&self) -> Date {
        self.occurred.to_zoned_datetime(TimeZone::UTC).date()
    }

    /// The sum of its lines: what is owed, credited or adjusted; `None` beyond 28 digits, which no file
    /// that passed the check has.
    #[must_use]
    pub fn amount(&self) -> Option<Money> {
        self.lines
            .iter()
            .try_fold(Money::ZERO, |sum, line| sum.checked_add(line.amount()?))
    }
}

impl Line {
    /// Quantity times price; `None` beyond 28 digits, which no file that passed the check has.
    #[must_use]
    pub fn amount(&self) -> Option<Money> {
        self.price.checked_mul(i64::from(self.quantity))
    }
}
