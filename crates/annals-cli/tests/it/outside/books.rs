//! Whether the books agree: what was asked for, what the orders say, what the provider took, what left the warehouse.

use std::collections::BTreeMap;

use serde_json::Value;

use super::http::Client;
use super::money;
use super::provider::Ledger;

/// An order as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Its sum, in thousandths.
    pub(crate) amount: i128,
    /// Pieces by article, goods only.
    pub(crate) pieces: BTreeMap<String, i64>,
}

/// How orders ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) shipped: u64,
    /// By reason.
    pub(crate) cancelled: BTreeMap<String, u64>,
    /// The amounts of what was shipped, in thousandths.
    pub(crate) kept: i128,
    /// Pieces shipped, by article.
    pub(crate) pieces: BTreeMap<String, i64>,
}

impl Ended {
    /// How many were cancelled, whatever the reason.
    pub(crate) fn cancelled(&self) -> u64 {
        self.cancelled.values().sum()
    }
}

/// Every order exists with its sum, is shipped or cancelled, and was charged accordingly, and nobody else was charged.
#[track_caller]
pub(crate) fn check_orders(node: &mut Client, ledger: &Ledger, asked: &BTreeMap<String, Asked>) -> Ended {
    let mut ended = Ended::default();
    for (id, asked) in asked {
        let order = node.get(&format!("/orders/{id}"));
        let account = ledger.accounts.get(id).copied().unwrap_or_default();
        assert_eq!(money::of(&order["amount"]), asked.amount, "{order}");
        assert!(
            account.charges <= 1 && account.captures <= 1,
            "{id} was charged twice: {account:?}"
        );
        let kept = account.captured - account.refunded;
        match order["stage"].as_str() {
            Some("shipped") => {
                assert_eq!(kept, asked.amount, "{order} {account:?}");
                ended.shipped += 1;
                ended.kept += asked.amount;
                for (article, pieces) in &asked.pieces {
                    *ended.pieces.entry(article.clone()).or_default() += pieces;
                }
            }
            Some("cancelled") => {
                assert_eq!(kept, 0, "{order} {account:?}");
                let reason = order["reason"].as_str().expect("a reason").to_owned();
                *ended.cancelled.entry(reason).or_default() += 1;
            }
            _ => panic!("it has not come to an end: {order} {account:?}"),
        }
    }
    let stranger = ledger.accounts.keys().find(|order| !asked.contains_key(*order));
    assert_eq!(stranger, None, "somebody was charged who never ordered");
    ended
}

/// The rows of the warehouse by article.
#[track_caller]
pub(crate) fn stock(node: &mut Client) -> BTreeMap<String, Value> {
    let rows = node.get("/stock");
    let rows = rows.as_array().expect("a list of rows").iter();
    rows.map(|row| (row["sku"].as_str().expect("a code").to_owned(), row.clone()))
        .collect()
}

/// What is reserved is what was shipped, and no article was promised more often than it was there.
#[track_caller]
pub(crate) fn check_stock(node: &mut Client, ended: &Ended, received: &BTreeMap<String, i64>) {
    let rows = stock(node);
    for (article, row) in &rows {
        let shipped = ended.pieces.get(article).copied().unwrap_or_default();
        assert_eq!(row["reserved"], shipped, "{row}");
        assert_eq!(
            row["received"],
            received.get(article).copied().unwrap_or_default(),
            "{row}"
        );
        assert!(
            row["available"].as_i64().expect("a count") >= 0,
            "promised twice: {row}"
        );
    }
    let missing = ended.pieces.keys().find(|article| !rows.contains_key(*article));
    assert_eq!(missing, None, "shipped, but never in the warehouse");
}
