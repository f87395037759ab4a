//! Lines that are not taken, and why.
//!
//! Names and texts only. The codes are stable: they are stored, counted and searched for. It does not
//! know how a line is judged.

use std::fmt;
use std::sync::Arc;

/// A line that was refused while the rest of the file was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The physical line on which the record starts, 1-based, the header being line 1.
    pub line: u64,
    /// The invoice it belongs to.
    pub invoice: Arc<str>,
    /// Why.
    pub reason: Reason,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, invoice {}: {} ({})",
            self.line,
            self.invoice,
            self.reason,
            self.reason.code()
        )
    }
}

/// Why a line is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The invoice number is neither digits, nor `C` and digits, nor `A` and digits.
    UnknownInvoiceForm,
    /// The stock code is empty.
    NoArticle,
    /// The country is empty.
    NoCountry,
    /// A sale or a correction of no pieces.
    ZeroQuantity,
    /// Pieces for nothing: neither a sale nor a known correction.
    ZeroPrice,
    /// A price below zero that is not on an adjustment.
    NegativePrice,
    /// Pieces that come back, with a price, but not on a return.
    NegativeQuantity,
    /// A stock correction of something that has no stock.
    ChargeCorrection,
    /// A return whose quantity is not below zero.
    ReturnQuantity,
    /// A return whose price is not above zero.
    ReturnPrice,
    /// An adjustment whose quantity is not above zero.
    AdjustmentQuantity,
    /// Another customer than that of the invoice's earlier lines.
    OtherCustomer,
    /// Another country than that of the invoice's earlier lines.
    OtherCountry,
}

impl Reason {
    /// The stable code, in snake_case.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownInvoiceForm => "unknown_invoice_form",
            Self::NoArticle => "no_article",
            Self::NoCountry => "no_country",
            Self::ZeroQuantity => "zero_quantity",
            Self::ZeroPrice => "zero_price",
            Self::NegativePrice => "negative_price",
            Self::NegativeQuantity => "negative_quantity",
            Self::ChargeCorrection => "charge_correction",
            Self::ReturnQuantity => "return_quantity",
            Self::ReturnPrice => "return_price",
            Self::AdjustmentQuantity => "adjustment_quantity",
            Self::OtherCustomer => "other_customer",
            Self::OtherCountry => "other_country",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownInvoiceForm => {
                "expected an invoice number of digits, C and digits, or A and digits, found another form"
            }
            Self::NoArticle => "expected a stock code, found none",
            Self::NoCountry => "expected a country, found none",
            Self::ZeroQuantity => "expected at least one piece, found a quantity of zero",
            Self::ZeroPrice => {
                "expected a price above zero, found zero with a positive quantity: neither a sale nor a known correction"
            }
            Self::NegativePrice => "expected a price of zero or more, found one below zero outside of an adjustment",
            Self::NegativeQuantity => {
                "expected a positive quantity with a price above zero, found a negative one outside of a return"
            }
            Self::ChargeCorrection => "expected goods in a stock correction, found a charge, which has no stock",
            Self::ReturnQuantity => "expected a quantity below zero on a return, found zero or more",
            Self::ReturnPrice => "expected a price above zero on a return, found zero or less",
            Self::AdjustmentQuantity => "expected a quantity above zero on an adjustment, found zero or less",
            Self::OtherCustomer => "expected the customer of the invoice's earlier lines, found another one",
            Self::OtherCountry => "expected the country of the invoice's earlier lines, found another one",
        })
    }
}
