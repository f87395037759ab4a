//! The columns of a file of invoices.
//!
//! In comes the header, out goes where each column stands. Columns may come in any order; every one has
//! to be there once and nothing else. It does not know what the fields mean.

use super::error::Fault;
use super::records::Record;

/// A column, in the usual order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    InvoiceNo,
    StockCode,
    Description,
    Quantity,
    InvoiceDate,
    UnitPrice,
    CustomerId,
    Country,
}

/// Every column, in the usual order.
pub(super) const COLUMNS: [Column; 8] = [
    Column::InvoiceNo,
    Column::StockCode,
    Column::Description,
    Column::Quantity,
    Column::InvoiceDate,
    Column::UnitPrice,
    Column::CustomerId,
    Column::Country,
];

impl Column {
    /// The name in the header.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InvoiceNo => "InvoiceNo",
            Self::StockCode => "StockCode",
            Self::Description => "Description",
            Self::Quantity => "Quantity",
            Self::InvoiceDate => "InvoiceDate",
            Self::UnitPrice => "UnitPrice",
            Self::CustomerId => "CustomerID",
            Self::Country => "Country",
        }
    }
}

/// Which field of a record belongs to which column.
#[derive(Debug)]
pub(super) struct Header {
    columns: [Column; COLUMNS.len()],
    fields: [usize; COLUMNS.len()],
}

impl Header {
    /// Reads the header.
    pub(super) fn read(record: &Record<'_>) -> Result<Self, Fault> {
        let names: Vec<_> = (0..record.len()).map(|number| record.field(number)).collect();
        let known = |name: &str| COLUMNS.iter().copied().find(|column| column.name() == name);
        if !names.iter().any(|name| known(name).is_some()) {
            return Err(Fault::NotInvoices {
                expected: names_of(&COLUMNS),
                found: record.beginning(),
            });
        }
        let mut places = [None; COLUMNS.len()];
        for (field, name) in names.iter().enumerate() {
            let Some(column) = known(name) else {
                return Err(Fault::UnknownColumn {
                    number: field + 1,
                    expected: names_of(&COLUMNS),
                    found: name.chars().take(40).collect(),
                });
            };
            if let Some(first) = places[column as usize].replace(field) {
                return Err(Fault::DuplicateColumn {
                    number: field + 1,
                    first: first + 1,
                    name: column.name(),
                });
            }
        }
        let missing: Vec<_> = COLUMNS
            .into_iter()
            .filter(|column| places[*column as usize].is_none())
            .collect();
        if !missing.is_empty() {
            return Err(Fault::MissingColumn {
                expected: names_of(&COLUMNS),
                missing: names_of(&missing),
            });
        }
        let fields = places.map(|place| place.expect("no column is missing"));
        let mut columns = COLUMNS;
        columns.sort_by_key(|column| fields[*column as usize]);
        Ok(Self { columns, fields })
    }

    /// The names a header has to have.
    pub(super) fn expected() -> String {
        names_of(&COLUMNS)
    }

    /// The 0-based number of the column's field.
    pub(super) fn field_of(&self, column: Column) -> usize {
        self.fields[column as usize]
    }

    /// The column of a 0-based field number, if there is one.
    pub(super) fn column_at(&self, field: usize) -> Option<Column> {
        self.columns.get(field).copied()
    }
}

fn names_of(columns: &[Column]) -> String {
    columns
        .iter()
        .map(|column| column.name())
        .collect::<Vec<_>>()
        .join(", ")
}
