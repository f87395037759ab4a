//! Exact decimals in SQL.
//!
//! In: decimal text such as `'12.50'`, or integers. Out: decimal text. Floating-point numbers are refused, because
//! what they lost cannot be found again.
//!
//! | SQL | answer |
//! |---|---|
//! | `decimal_add(a, b)`, `decimal_sub(a, b)` | the sum, the difference; `NULL` if either is `NULL` |
//! | `decimal_sum(x)` | the sum over the group, without `NULL`s; `NULL` if nothing is left, as `sum` |
//! | `… COLLATE decimal` | orders decimal text by value; what is no decimal comes after, as text |
//!
//! So a projection keeps a sum:
//! `INSERT INTO revenue (day, amount) VALUES (?1, ?2) ON CONFLICT (day) DO UPDATE SET amount = decimal_add(amount, excluded.amount)`.
//!
//! A result of more than 28 digits is an error, never a rounded number.

use std::cmp::Ordering;

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};
use rust_decimal::Decimal;

/// Makes the functions and the collation known to a connection that was opened elsewhere.
///
/// # Errors
/// SQLite does not take them; the connection is of no use for decimals then.
pub fn register(connection: &Connection) -> Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("decimal_add", 2, flags, |call| combine(call, exact_add))?;
    connection.create_scalar_function("decimal_sub", 2, flags, |call| {
        combine(call, |a, b| exact_add(a, -b))
    })?;
    connection.create_aggregate_function("decimal_sum", 1, flags, Sum)?;
    connection.create_collation("decimal", compare)
}

fn combine(call: &Context<'_>, with: impl Fn(Decimal, Decimal) -> Result<Decimal>) -> Result<Option<String>> {
    match (argument(call, 0)?, argument(call, 1)?) {
        (Some(a), Some(b)) => with(a, b).map(|sum| Some(sum.to_string())),
        _ => Ok(None),
    }
}

fn argument(call: &Context<'_>, index: usize) -> Result<Option<Decimal>> {
    match call.get_raw(index) {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(whole) => Ok(Some(Decimal::from(whole))),
        ValueRef::Text(text) => parse(text).map(Some).ok_or_else(|| {
            refuse(format!(
                "expected decimal text such as 12.50, found {:?}",
                String::from_utf8_lossy(text)
            ))
        }),
        ValueRef::Real(real) => Err(refuse(format!(
            "expected decimal text, found the floating-point number {real}: store it as TEXT"
        ))),
        ValueRef::Blob(_) => Err(refuse("expected decimal text, found a blob".to_owned())),
    }
}

fn parse(text: &[u8]) -> Option<Decimal> {
    Decimal::from_str_exact(std::str::from_utf8(text).ok()?).ok()
}

/// Adds without rounding: digits that do not fit are an error.
fn exact_add(a: Decimal, b: Decimal) -> Result<Decimal> {
    let digits = a.normalize().scale().max(b.normalize().scale());
    a.checked_add(b)
        .filter(|sum| sum.scale() >= digits)
        .ok_or_else(|| refuse(format!("{a} and {b} together have more than 28 digits")))
}

fn refuse(why: String) -> Error {
    Error::UserFunctionError(why.into())
}

fn compare(a: &str, b: &str) -> Ordering {
    match (parse(a.as_bytes()), parse(b.as_bytes())) {
        (Some(x), Some(y)) => x.cmp(&y),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

struct Sum;

impl Aggregate<Option<Decimal>, Option<String>> for Sum {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<Decimal>> {
        Ok(None)
    }

    fn step(&self, call: &mut Context<'_>, sum: &mut Option<Decimal>) -> Result<()> {
        if let Some(next) = argument(call, 0)? {
            *sum = Some(sum.map_or(Ok(next), |sum| exact_add(sum, next))?);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<Option<Decimal>>) -> Result<Option<String>> {
        Ok(sum.flatten().map(|sum| sum.to_string()))
    }
}

#[cfg(test)]
mod tests;
