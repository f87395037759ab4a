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
    pub(crate) adjustment_lines: u64,
    pub(crate) zero_price_lines: u64,
    pub(crate) orders: BTreeMap<String, Placed>,
    pub(crate) returns: BTreeSet<String>,
    pub(crate) revenue: i128,
    pub(crate) credited: i128,
    /// By country.
    pub(crate) countries: BTreeMap<String, Sales>,
    /// By the day on which the first line of the order or return was written.
    pub(crate) days: BTreeMap<String, Sales>,
    /// By customer, and then by `order` or `return` and its number: its amount.
    pub(crate) customers: BTreeMap<String, BTreeMap<(&'static str, String), i128>>,
    /// Pieces sold or found missing by day and article, goods only: what has to be received.
    pub(crate) needs: BTreeMap<(String, String), i64>,
    /// By article, goods only.
    pub(crate) stock: BTreeMap<String, Level>,
}

/// One order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) amount: i128,
    /// Pieces by article, goods only.
    pub(crate) pieces: BTreeMap<String, i64>,
}

/// Sold and returned, all lines, charges included.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Sales {
    pub(crate) orders: i64,
    pub(crate) pieces: i64,
    pub(crate) amount: i128,
    pub(crate) returns: i64,
    pub(crate) credited: i128,
}

/// What became of the pieces of one article, if the warehouse receives what is needed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) received: i64,
    pub(crate) sold: i64,
    pub(crate) returned: i64,
    pub(crate) missing: i64,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Sale,
    Return,
    Correction,
    Adjustment,
    ZeroPrice,
    Other,
}

/// Adds up the text of a file whose columns are in the usual order.
pub(crate) fn sums(text: &str) -> Sums {
    let rows: Vec<Vec<String>> = split(text).into_iter().skip(1).collect();
    // Of each invoice, the earliest moment and the customer; not every line has to name him.
    let mut first: BTreeMap<(Kind, &str), (&str, &str)> = BTreeMap::new();
    for row in &rows {
        let (moment, customer) = first.entry((kind(row), &row[0])).or_insert((&row[4], ""));
        *moment = (*moment).min(&row[4]);
        *customer = (*customer).max(row[6].strip_suffix(".0").unwrap_or(&row[6]));
    }
    let mut sums = Sums::default();
    for row in &rows {
        let (moment, customer) = first[&(kind(row), row[0].as_str())];
        sums.lines += 1;
        sums.add(row, &moment[..10], customer);
    }
    for ((_, article), pieces) in &sums.needs {
        sums.stock.entry(article.clone()).or_default().received += pieces;
    }
    sums
}

impl Sums {
    fn add(&mut self, row: &[String], day: &str, customer: &str) {
        let (invoice, article) = (&row[0], &row[1]);
        let quantity = number(&row[3]).abs();
        let amount = i128::from(quantity) * thousandths(&row[5]);
        let goods = !is_charge(article);
        match kind(row) {
            Kind::Sale => {
                self.sale_lines += 1;
                self.revenue += amount;
                let first = i64::from(!self.orders.contains_key(invoice));
                let placed = self.orders.entry(invoice.clone()).or_default();
                placed.amount += amount;
                if goods {
                    *placed.pieces.entry(article.clone()).or_default() += quantity;
                }
                for sales in self.sales(row, day) {
                    sales.orders += first;
                    sales.pieces += quantity;
                    sales.amount += amount;
                }
                self.history(row, customer, "order", amount);
                if goods {
                    *self.needs.entry((day.to_owned(), article.clone())).or_default() += quantity;
                    self.stock.entry(article.clone()).or_default().sold += quantity;
                }
            }
            Kind::Return => {
                self.return_lines += 1;
                self.credited += amount;
                let first = i64::from(self.returns.insert(invoice.clone()));
                for sales in self.sales(row, day) {
                    sales.returns += first;
                    sales.credited += amount;
                }
                self.history(row, customer, "return", amount);
                if goods {
                    self.stock.entry(article.clone()).or_default().returned += quantity;
                }
            }
            Kind::Correction => {
                self.correction_lines += 1;
                *self.needs.entry((day.to_owned(), article.clone())).or_default() += quantity;
                self.stock.entry(article.clone()).or_default().missing += quantity;
            }
            Kind::Adjustment => self.adjustment_lines += 1,
            Kind::ZeroPrice => self.zero_price_lines += 1,
            Kind::Other => {}
        }
    }

    fn sales(&mut self, row: &[String], day: &str) -> [&mut Sales; 2] {
        let country = self.countries.entry(row[7].clone()).or_default();
        [country, self.days.entry(day.to_owned()).or_default()]
    }

    fn history(&mut self, row: &[String], customer: &str, kind: &'static str, amount: i128) {
        if !customer.is_empty() {
            let history = self.customers.entry(customer.to_owned()).or_default();
            *history.entry((kind, row[0].clone())).or_default() += amount;
        }
    }
}

fn kind(row: &[String]) -> Kind {
    let (invoice, quantity, price) = (&row[0], number(&row[3]), thousandths(&row[5]));
    match invoice.strip_prefix('C') {
        Some(_) if quantity < 0 && price > 0 => Kind::Return,
        None if invoice.starts_with('A') && quantity > 0 => Kind::Adjustment,
        None if !is_numeric(invoice) => Kind::Other,
        None if quantity > 0 && price > 0 => Kind::Sale,
        None if quantity < 0 && price == 0 && !is_charge(&row[1]) => Kind::Correction,
        None if quantity > 0 && price == 0 => Kind::ZeroPrice,
        _ => Kind::Other,
    }
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
