//! Answers without a Rust type, for pages and command lines.
//!
//! In: any `SELECT`. Out: columns and JSON values, at most [`ROWS_MAX`] rows.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params};
use serde_json::{Map, Value};

/// The most rows of one answer; ask with `LIMIT` for fewer.
pub const ROWS_MAX: usize = 10_000;

/// Rows as JSON values, in the order of the statement's columns.
///
/// `NULL` is null, integers and floating-point numbers are numbers, text is a string (so decimals stay exact), a blob
/// is lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// One value per column in each row.
    pub rows: Vec<Vec<Value>>,
    /// There were more than [`ROWS_MAX`] rows; these are the first.
    pub cut: bool,
}

impl Table {
    /// Each row as an object by column name.
    pub fn into_objects(self) -> Vec<Map<String, Value>> {
        let Self { columns, rows, .. } = self;
        rows.into_iter()
            .map(|row| columns.iter().cloned().zip(row).collect())
            .collect()
    }
}

/// Runs a statement and collects its rows.
pub(crate) fn collect(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<Table> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut table = Table {
        columns,
        rows: Vec::new(),
        cut: false,
    };
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        if table.rows.len() == ROWS_MAX {
            table.cut = true;
            break;
        }
        let values = (0..table.columns.len()).map(|column| row.get_ref(column).map(value));
        table.rows.push(values.collect::<Result<_, _>>()?);
    }
    Ok(table)
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(whole) => whole.into(),
        ValueRef::Real(real) => real.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into(),
    }
}
