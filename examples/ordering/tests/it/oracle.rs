//! Plain sums straight from the text of a file, to check everything else against.
//!
//! Written with a splitter, number reader and rules of its own and in thousandths as whole numbers, so
//! that a mistake in the intake cannot hide here. It is for good files only.

use std::collections::{BTreeMap, BTreeSet};

/// What a file adds up to. Money is in thousandths.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) lines: u64,
    pub(crate) sale_lines: u64,
    pub(crate) return_lines: u64,
    pub(crate) correction_lines: u64,
    pub(crate) zero_price_lines: u64,
    pub(crate) orders: BTreeSet<String>,
    pub(crate) returns: BTreeSet<String>,
    pub(crate) revenue: i128,
    pub(crate) credited: i128,
    /// Revenue by country.
    pub(crate) sales_by_country: BTreeMap<String, i128>,
    /// Revenue by the day on which the order's first line was written.
    pub(crate) sales_by_day: BTreeMap<String, i128>,
    /// Pieces sold by day and article, goods only: what has to be received.
    pub(crate) needs: BTreeMap<(String, String), i64>,
    /// Pieces left by article: received - sold + returned - written off, goods only.
    pub(crate) pieces: BTreeMap<String, i64>,
}

/// Adds up the text of a file whose columns are in the usual order.
pub(crate) fn sums(text: &str) -> Sums {
    let rows: Vec<Vec<String>> = split(text).into_iter().skip(1).collect();
    let mut first_day: BTreeMap<&str, &str> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_sale(row)) {
        let day = first_day.entry(&row[0]).or_insert(&row[4]);
        *day = (*day).min(&row[4]);
    }
    let mut sums = Sums::default();
    for row in &rows {
        let (invoice, article, quantity, price) = (&row[0], &row[1], number(&row[3]), thousandths(&row[5]));
        let goods = !is_charge(article);
        sums.lines += 1;
        if is_sale(row) {
            let day = first_day[invoice.as_str()][..10].to_owned();
            sums.sale_lines += 1;
            sums.orders.insert(invoice.clone());
            sums.revenue += i128::from(quantity) * price;
            *sums.sales_by_country.entry(row[7].clone()).or_default() += i128::from(quantity) * price;
            *sums.sales_by_day.entry(day.clone()).or_default() += i128::from(quantity) * price;
            if goods {
                *sums.needs.entry((day, article.clone())).or_default() += quantity;
                *sums.pieces.entry(article.clone()).or_default() -= quantity;
            }
        } else if invoice.starts_with('C') && quantity < 0 && price > 0 {
            sums.return_lines += 1;
            sums.returns.insert(invoice.clone());
            sums.credited += i128::from(-quantity) * price;
            if goods {
                *sums.pieces.entry(article.clone()).or_default() -= quantity;
            }
        } else if is_numeric(invoice) && quantity < 0 && price == 0 && goods {
            sums.correction_lines += 1;
            *sums.pieces.entry(article.clone()).or_default() += quantity;
        } else if is_numeric(invoice) && quantity > 0 && price == 0 {
            sums.zero_price_lines += 1;
        }
    }
    for ((_, article), received) in &sums.needs {
        *sums.pieces.entry(article.clone()).or_default() += received;
    }
    sums
}

fn is_sale(row: &[String]) -> bool {
    is_numeric(&row[0]) && number(&row[3]) > 0 && thousandths(&row[5]) > 0
}

fn is_numeric(invoice: &str) -> bool {
    invoice.parse::<u64>().is_ok()
}

fn is_charge(article: &str) -> bool {
    let article = article.to_uppercase();
    article.starts_with("GIFT_0001_")
        || " POST DOT C2 M D S B CRUK AMAZONFEE ".contains(&format!(" {article} "))
        || article == "BANK CHARGES"
}

fn number(text: &str) -> i64 {
    text.parse().expect("a whole number")
}

fn thousandths(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(
        fraction.len() <= 3,
        "thousandths are enough for these files: {text}"
    );
    let digits = format!("{whole}{fraction:0<3}");
    digits.parse().expect("a decimal number")
}

fn split(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut inside) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if inside && rest.peek() == Some(&'"') => {
                rest.next();
                field.push('"');
            }
            '"' => inside = !inside,
            ',' if !inside => row.push(std::mem::take(&mut field)),
            '\n' if !inside => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    assert!(
        field.is_empty() && row.is_empty() && !inside,
        "the text ends with a line end"
    );
    rows
}
