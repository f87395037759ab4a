//! What a line asks for, or why it is refused.
//!
//! In comes one line with its values, out comes the kind of invoice it belongs to, or a reason. Pure: a
//! line is judged by itself alone. It does not know the lines before it.

use jiff::Timestamp;

use super::article::ArticleKind;
use super::invoice::InvoiceKind;
use super::refused::Reason;
use crate::money::Money;

#[cfg(test)]
mod tests;

/// One line of the file, understood but not judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) line: u64,
    pub(super) invoice: &'a str,
    pub(super) article: &'a str,
    pub(super) description: &'a str,
    pub(super) quantity: i32,
    pub(super) moment: Timestamp,
    pub(super) price: Money,
    pub(super) customer: Option<&'a str>,
    pub(super) country: &'a str,
}

enum Form {
    Numeric,
    Return,
    Adjustment,
}

/// The kind of invoice the line belongs to, or why it belongs to none.
pub(super) fn judge(row: &Row<'_>) -> Result<InvoiceKind, Reason> {
    let form = form_of(row.invoice).ok_or(Reason::UnknownInvoiceForm)?;
    if row.article.is_empty() {
        return Err(Reason::NoArticle);
    }
    if row.country.is_empty() {
        return Err(Reason::NoCountry);
    }
    match form {
        Form::Numeric => numeric(row),
        Form::Return if row.quantity >= 0 => Err(Reason::ReturnQuantity),
        Form::Return if !row.price.is_positive() => Err(Reason::ReturnPrice),
        Form::Return => Ok(InvoiceKind::Return),
        Form::Adjustment if row.quantity <= 0 => Err(Reason::AdjustmentQuantity),
        Form::Adjustment => Ok(InvoiceKind::Adjustment),
    }
}

fn numeric(row: &Row<'_>) -> Result<InvoiceKind, Reason> {
    if row.price.is_negative() {
        return Err(Reason::NegativePrice);
    }
    match (row.quantity, row.price.is_zero()) {
        (0, _) => Err(Reason::ZeroQuantity),
        (1.., false) => Ok(InvoiceKind::Order),
        (1.., true) => Err(Reason::ZeroPrice),
        (_, false) => Err(Reason::NegativeQuantity),
        (_, true) if ArticleKind::of(row.article).is_goods() => Ok(InvoiceKind::Correction),
        (_, true) => Err(Reason::ChargeCorrection),
    }
}

fn form_of(invoice: &str) -> Option<Form> {
    let (form, digits) = match invoice.split_at_checked(1) {
        Some(("C", rest)) => (Form::Return, rest),
        Some(("A", rest)) => (Form::Adjustment, rest),
        _ => (Form::Numeric, invoice),
    };
    let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then_some(form)
}
