//! Lines put together into invoices.
//!
//! In come judged lines in the order of the file, out come invoices in the order in which each first
//! appeared. An invoice's lines need not stand together. Equal texts are kept once. It does not know
//! why a line is of its kind.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::article::ArticleKind;
use super::invoice::{Invoice, InvoiceKind, Line};
use super::judge::Row;
use super::refused::Reason;

/// Invoices in the making.
#[derive(Default)]
pub(super) struct Gathered {
    texts: HashSet<Arc<str>>,
    places: HashMap<(InvoiceKind, Arc<str>), usize>,
    invoices: Vec<Invoice>,
    last: usize,
}

impl Gathered {
    /// Adds a line to its invoice, unless it contradicts the lines before it.
    pub(super) fn add(&mut self, row: &Row<'_>, kind: InvoiceKind) -> Result<(), Reason> {
        let place = self.place_of(row, kind);
        if let Some(invoice) = place.map(|place| &self.invoices[place]) {
            if *invoice.country != *row.country {
                return Err(Reason::OtherCountry);
            }
            if let (Some(earlier), Some(now)) = (invoice.customer.as_deref(), row.customer)
                && earlier != now
            {
                return Err(Reason::OtherCustomer);
            }
        }
        let customer = row.customer.map(|customer| self.text(customer));
        let line = self.line(row);
        let place = place.unwrap_or_else(|| self.begin(row, kind));
        let invoice = &mut self.invoices[place];
        invoice.customer = invoice.customer.take().or(customer);
        invoice.occurred = invoice.occurred.min(row.moment);
        invoice.lines.push(line);
        self.last = place;
        Ok(())
    }

    /// One shared copy of a text.
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text);
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// The invoices in the order in which each first appeared.
    pub(super) fn finish(mut self) -> Vec<Invoice> {
        for invoice in &mut self.invoices {
            invoice.lines.shrink_to_fit();
        }
        self.invoices.shrink_to_fit();
        self.invoices
    }

    fn place_of(&mut self, row: &Row<'_>, kind: InvoiceKind) -> Option<usize> {
        let last = self.invoices.get(self.last)?;
        if last.kind == kind && *last.number == *row.invoice {
            return Some(self.last);
        }
        let number = self.texts.get(row.invoice)?;
        self.places.get(&(kind, Arc::clone(number))).copied()
    }

    fn begin(&mut self, row: &Row<'_>, kind: InvoiceKind) -> usize {
        let (number, country) = (self.text(row.invoice), self.text(row.country));
        let place = self.invoices.len();
        self.places.insert((kind, Arc::clone(&number)), place);
        self.invoices.push(Invoice {
            kind,
            number,
            customer: None,
            country,
            occurred: row.moment,
            lines: Vec::new(),
        });
        place
    }

    fn line(&mut self, row: &Row<'_>) -> Line {
        Line {
            line: u32::try_from(row.line).expect("a file within the limit of lines has fewer than 2^32"),
            quantity: row.quantity.unsigned_abs(),
            article: self.text(row.article),
            description: self.text(row.description),
            price: row.price,
            article_kind: ArticleKind::of(row.article),
        }
    }
}
