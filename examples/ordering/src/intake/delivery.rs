//! What a warehouse has to receive before it can serve a day's orders.
//!
//! In come invoices, out comes one delivery per calendar day that has orders for goods or counts. Invariants:
//!
//! 1. A day's delivery holds exactly the pieces that the day's orders take and the day's counts find missing, per
//!    article, goods only: whatever else happens on that day, nobody's order falls short.
//! 2. The same file gives the same deliveries with the same ids, on every machine.
//!
//! It does not know what is in stock.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::invoice::{Invoice, InvoiceKind};

/// The goods for one day's orders and counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The day of the orders.
    pub day: Date,
    /// The day and a hash of the contents, such as `2010-12-01-8f0c1d2e3a4b5c6d`: the same goods for the same
    /// day have the same id.
    pub id: String,
    /// The articles by code; at least one.
    pub lines: Vec<DeliveryLine>,
}

/// The pieces of one article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryLine {
    /// The stock code.
    pub article: Arc<str>,
    /// How many pieces, above zero.
    pub pieces: u64,
}

/// The deliveries that the orders and counts among `invoices` need, by day.
pub(super) fn deliveries(invoices: &[Invoice]) -> Vec<Delivery> {
    let mut days: BTreeMap<Date, BTreeMap<&Arc<str>, u64>> = BTreeMap::new();
    for invoice in invoices
        .iter()
        .filter(|invoice| matches!(invoice.kind, InvoiceKind::Order | InvoiceKind::Correction))
    {
        for line in invoice.lines.iter().filter(|line| line.article_kind.is_goods()) {
            *days
                .entry(invoice.day())
                .or_default()
                .entry(&line.article)
                .or_default() += u64::from(line.quantity);
        }
    }
    days.into_iter()
        .map(|(day, pieces)| delivery(day, pieces))
        .collect()
}

fn delivery(day: Date, pieces: BTreeMap<&Arc<str>, u64>) -> Delivery {
    let lines: Vec<_> = pieces
        .into_iter()
        .map(|(article, pieces)| DeliveryLine {
            article: Arc::clone(article),
            pieces,
        })
        .collect();
    Delivery {
        day,
        id: format!("{day}-{:016x}", hash_of(&lines)),
        lines,
    }
}

/// FNV-1a over the lines; it has to be the same for ever, which the standard library's hashers do not promise.
fn hash_of(lines: &[DeliveryLine]) -> u64 {
    let bytes = lines.iter().flat_map(|line| {
        line.article
            .bytes()
            .chain(*b"\0")
            .chain(line.pieces.to_le_bytes())
    });
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
