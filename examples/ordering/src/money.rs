//! Money as an exact decimal number.
//!
//! In come decimal texts (`12.5`) and whole counts of pieces; out come sums and products that are
//! exact or refused. Invariants:
//!
//! 1. No operation rounds. What 28 digits cannot hold exactly is `None`.
//! 2. An amount is kept without trailing zeros, so equal amounts are written the same: `2.50` and
//!    `2.5` are both `2.5`, minus zero is `0`.
//!
//! It does not know currencies: every amount of the example is in the currency of the invoices.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

#[cfg(test)]
mod tests;

/// The most digits an amount has, before and after the point together.
pub const DIGITS_MAX: usize = 28;
/// The first number of units with more digits than that.
const MANTISSA_END: u128 = 10_u128.pow(28);

/// An exact amount of money, positive, zero or negative, of at most 28 digits.
///
/// Written and read by serde as a string (`"12.5"`), never as a JSON number, which many readers
/// would turn into a binary fraction.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(Decimal);

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseMoneyError {
    /// The text is not digits with at most one point between them and at most one leading minus.
    #[error("expected an amount such as 12.5, found {found:?}; write digits, a point, no exponent")]
    NotDecimal {
        /// The beginning of the text.
        found: String,
    },
    /// The amount has more digits than can be kept exactly.
    #[error("expected an amount of at most 28 digits, found {found:?}")]
    TooLong {
        /// The beginning of the text.
        found: String,
    },
}

impl Money {
    /// No money.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// One followed by so many zeros, at most 18.
    #[must_use]
    pub const fn power_of_ten(zeros: u32) -> Self {
        let units = 10_u64.pow(zeros);
        Self(Decimal::from_parts(
            units as u32,
            (units >> 32) as u32,
            0,
            false,
            0,
        ))
    }

    /// The exact sum, or `None` where 28 digits cannot hold it.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.0.scale().max(other.0.scale());
        exact(
            aligned(self.0, scale)?.checked_add(aligned(other.0, scale)?)?,
            scale,
        )
    }

    /// The exact difference, or `None` where 28 digits cannot hold it.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(-other)
    }

    /// The exact amount for `quantity` pieces at this price, or `None` where 28 digits cannot hold it.
    #[must_use]
    pub fn checked_mul(self, quantity: i64) -> Option<Self> {
        exact(
            self.0.mantissa().checked_mul(i128::from(quantity))?,
            self.0.scale(),
        )
    }

    /// Whether this is no money at all.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Whether this is more than nothing.
    #[must_use]
    pub fn is_positive(self) -> bool {
        self > Self::ZERO
    }

    /// Whether this is less than nothing.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self < Self::ZERO
    }

    /// The amount as a plain decimal number, without trailing zeros.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        self.0
    }
}

impl std::ops::Neg for Money {
    type Output = Self;

    /// The same amount owed the other way; always exact.
    fn neg(self) -> Self {
        if self.0.is_zero() { self } else { Self(-self.0) }
    }
}

impl From<u32> for Money {
    /// A whole amount.
    fn from(whole: u32) -> Self {
        Self(Decimal::from(whole))
    }
}

impl FromStr for Money {
    type Err = ParseMoneyError;

    /// Reads `12`, `12.5`, `-0.001`; nothing with an exponent, spaces, a plus or a bare point.
    fn from_str(text: &str) -> Result<Self, ParseMoneyError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        if !is_digits(whole) || !is_digits(fraction) {
            return Err(ParseMoneyError::NotDecimal {
                found: beginning(text),
            });
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let too_long = || ParseMoneyError::TooLong {
            found: beginning(text),
        };
        if whole.len() + fraction.len() > DIGITS_MAX {
            return Err(too_long());
        }
        let mantissa = whole
            .bytes()
            .chain(fraction.bytes())
            .fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
        let scale = u32::try_from(fraction.len()).expect("at most 28 digits were let through");
        exact(if negative { -mantissa } else { mantissa }, scale).ok_or_else(too_long)
    }
}

impl fmt::Display for Money {
    /// The shortest exact form: `12.5`, `0.001`, `100`. Width and fill are honoured; a precision
    /// (`{:.2}`) is for tables only, as it leaves digits out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({})", self.0)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Money;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of money as a string, such as \"12.5\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Money, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The number of units of ten to the minus `scale`.
fn aligned(amount: Decimal, scale: u32) -> Option<i128> {
    amount
        .mantissa()
        .checked_mul(10_i128.checked_pow(scale - amount.scale())?)
}

/// An amount of at most 28 digits. The decimal type itself holds some of 29, which could be written and not read again.
fn exact(mut mantissa: i128, mut scale: u32) -> Option<Money> {
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    if mantissa.unsigned_abs() >= MANTISSA_END {
        return None;
    }
    Decimal::try_from_i128_with_scale(mantissa, scale).ok().map(Money)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn beginning(text: &str) -> String {
    text.chars().take(40).collect()
}
