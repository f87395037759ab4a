//! Numbers, dates and prices out of fields.
//!
//! In comes a field's text, out comes the value, or what was expected. All forms are strict: a text that
//! reads two ways is no value. It does not know lines and columns.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::money::Money;

#[cfg(test)]
mod tests;

/// What a text that is no value should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected(pub(super) &'static str);

const INVOICE: Expected = Expected("an invoice number such as 536365, C536379 or A563185");
const QUANTITY: Expected = Expected("a whole number of at most 9 digits, such as 6 or -6");
const MOMENT: Expected = Expected("a date and time from 1970 on, such as 2010-12-01 08:26:00");
const PRICE: Expected = Expected("a price such as 2.55, at most 9 digits before the point and 6 behind it");
const CUSTOMER: Expected = Expected("a customer number such as 17850 or 17850.0, or nothing for a guest");

/// An invoice number of whatever form; there has to be one.
pub(super) fn invoice(text: &str) -> Result<&str, Expected> {
    if text.is_empty() { Err(INVOICE) } else { Ok(text) }
}

/// A signed count of pieces.
pub(super) fn quantity(text: &str) -> Result<i32, Expected> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !is_digits(digits) || digits.len() > 9 {
        return Err(QUANTITY);
    }
    text.parse().map_err(|_| QUANTITY)
}

/// A signed price for one piece.
pub(super) fn price(text: &str) -> Result<Money, Expected> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() > 9 || fraction.len() > 6 {
        return Err(PRICE);
    }
    text.parse().map_err(|_| PRICE)
}

/// A customer's number without the `.0` that some programs write behind it; no number is a guest.
pub(super) fn customer(text: &str) -> Result<Option<&str>, Expected> {
    let digits = text.strip_suffix(".0").unwrap_or(text);
    if text.is_empty() {
        Ok(None)
    } else if is_digits(digits) {
        Ok(Some(digits))
    } else {
        Err(CUSTOMER)
    }
}

/// The invoice's local time, taken as UTC: the file names no zone.
pub(super) fn moment(text: &str) -> Result<Timestamp, Expected> {
    civil(text)
        .and_then(|when| when.to_zoned_datetime(TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
        .ok_or(MOMENT)
}

fn civil(text: &str) -> Option<DateTime> {
    let bytes: &[u8; 19] = text.as_bytes().try_into().ok()?;
    if [bytes[4], bytes[7], bytes[10], bytes[13], bytes[16]] != *b"-- ::" {
        return None;
    }
    let number = |place: usize| {
        let (tens, ones) = (bytes[place], bytes[place + 1]);
        let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        digits.then(|| ((tens - b'0') * 10 + (ones - b'0')).cast_signed())
    };
    let year = i16::from(number(0)?) * 100 + i16::from(number(2)?);
    if year < 1970 {
        return None;
    }
    DateTime::new(
        year,
        number(5)?,
        number(8)?,
        number(11)?,
        number(14)?,
        number(17)?,
        0,
    )
    .ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
