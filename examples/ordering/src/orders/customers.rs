//! The read model of customers: what each of them ordered, returned, and how it went.

use annals::core::port::sink::SinkError;
use annals::{Events, Projection, Recorded};
use annals_sqlite::{Sqlite, SqliteTx};

use crate::contract::keys::{CustomerId, OrderId};
use crate::contract::orders::{OrderCancelled, OrderPlaced, ReturnTaken};
use crate::contract::payments::PaymentTaken;
use crate::contract::shipping::ParcelShipped;

/// What a customer's history is made of.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum HistoryFact {
    /// Ordered.
    Placed(OrderPlaced),
    /// Paid.
    Paid(PaymentTaken),
    /// Shipped.
    Shipped(ParcelShipped),
    /// Cancelled.
    Cancelled(OrderCancelled),
    /// Returned.
    Returned(ReturnTaken),
}

/// Table `customer_history`: one row per order or return of a customer; guests have none.
pub struct Customers;

impl Projection for Customers {
    const NAME: &'static str = "customers";
    const VERSION: u32 = 1;
    type Event = HistoryFact;
    type Sink = Sqlite;

    async fn create(&mut self, tx: &mut SqliteTx) -> Result<(), SinkError> {
        tx.execute_batch(
            "CREATE TABLE customer_history (
                 kind TEXT NOT NULL, id TEXT NOT NULL, customer TEXT NOT NULL, happened TEXT NOT NULL,
                 country TEXT NOT NULL, amount TEXT NOT NULL, stage TEXT NOT NULL, reason TEXT,
                 PRIMARY KEY (kind, id)
             ) WITHOUT ROWID;
             CREATE INDEX by_customer ON customer_history (customer, happened)",
        )
    }

    async fn project(
        &mut self,
        event: Recorded<'_, &HistoryFact>,
        tx: &mut SqliteTx,
    ) -> Result<(), SinkError> {
        let happened = event.happened().to_string();
        match event.event {
            HistoryFact::Placed(placed) => {
                let Some(customer) = &placed.customer else {
                    return Ok(());
                };
                let amount = placed.amount.to_string();
                let row = Row {
                    kind: "order",
                    id: placed.order.get(),
                    customer,
                    happened,
                    stage: "placed",
                };
                row.insert(tx, &placed.country, &amount)
            }
            HistoryFact::Returned(returned) => {
                let Some(customer) = &returned.customer else {
                    return Ok(());
                };
                let amount = returned.amount.to_string();
                let row = Row {
                    kind: "return",
                    id: returned.id.get(),
                    customer,
                    happened,
                    stage: "returned",
                };
                row.insert(tx, &returned.country, &amount)
            }
            HistoryFact::Paid(paid) => stage(tx, &paid.order, "paid"),
            HistoryFact::Shipped(shipped) => stage(tx, &shipped.order, "shipped"),
            HistoryFact::Cancelled(cancelled) => {
                let sql = "UPDATE customer_history SET stage = 'cancelled', reason = ?2 WHERE kind = 'order' AND id = ?1";
                tx.execute(sql, (cancelled.order.get(), &cancelled.reason))
                    .map(|_| ())
            }
        }
    }
}

struct Row<'a> {
    kind: &'static str,
    id: &'a str,
    customer: &'a CustomerId,
    happened: String,
    stage: &'static str,
}

impl Row<'_> {
    fn insert(&self, tx: &mut SqliteTx, country: &str, amount: &str) -> Result<(), SinkError> {
        let sql = "INSERT INTO customer_history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL)";
        let values = (
            self.kind,
            self.id,
            self.customer.get(),
            &self.happened,
            country,
            amount,
            self.stage,
        );
        tx.execute(sql, values).map(|_| ())
    }
}

/// News that arrive after a cancellation do not undo it.
fn stage(tx: &mut SqliteTx, order: &OrderId, stage: &str) -> Result<(), SinkError> {
    let sql =
        "UPDATE customer_history SET stage = ?2 WHERE kind = 'order' AND id = ?1 AND stage <> 'cancelled'";
    tx.execute(sql, (order.get(), stage)).map(|_| ())
}
