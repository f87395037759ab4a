//! The read model of stock levels: one row per article.

use annals::core::port::sink::SinkError;
use annals::{Projection, Recorded};
use annals_sqlite::{Sqlite, SqliteTx};

use super::article::StockFact;
use crate::contract::keys::Sku;

/// Table `stock_levels`: pieces received, reserved, returned, missing and left, by article.
pub struct StockLevels;

impl Projection for StockLevels {
    const NAME: &'static str = "stock_levels";
    const VERSION: u32 = 1;
    type Event = StockFact;
    type Sink = Sqlite;

    async fn create(&mut self, tx: &mut SqliteTx) -> Result<(), SinkError> {
        tx.execute_batch(
            "CREATE TABLE stock_levels (
                 sku TEXT PRIMARY KEY, received INTEGER NOT NULL, reserved INTEGER NOT NULL,
                 returned INTEGER NOT NULL, missing INTEGER NOT NULL,
                 available INTEGER GENERATED ALWAYS AS (received + returned - reserved - missing)
             ) WITHOUT ROWID",
        )
    }

    async fn project(&mut self, event: Recorded<'_, &StockFact>, tx: &mut SqliteTx) -> Result<(), SinkError> {
        match event.event {
            StockFact::Received(e) => add(tx, RECEIVED, &e.sku, i64::from(e.quantity)),
            StockFact::Returned(e) => add(tx, RETURNED, &e.sku, i64::from(e.quantity)),
            StockFact::Reserved(e) => add(tx, RESERVED, &e.sku, i64::from(e.quantity)),
            StockFact::Released(e) => add(tx, RESERVED, &e.sku, -i64::from(e.quantity)),
            StockFact::Corrected(e) => add(tx, MISSING, &e.sku, i64::from(e.missing)),
        }
    }
}

const RECEIVED: &str = "INSERT INTO stock_levels VALUES (?1, ?2, 0, 0, 0)
    ON CONFLICT (sku) DO UPDATE SET received = received + excluded.received";
const RESERVED: &str = "INSERT INTO stock_levels VALUES (?1, 0, ?2, 0, 0)
    ON CONFLICT (sku) DO UPDATE SET reserved = reserved + excluded.reserved";
const RETURNED: &str = "INSERT INTO stock_levels VALUES (?1, 0, 0, ?2, 0)
    ON CONFLICT (sku) DO UPDATE SET returned = returned + excluded.returned";
const MISSING: &str = "INSERT INTO stock_levels VALUES (?1, 0, 0, 0, ?2)
    ON CONFLICT (sku) DO UPDATE SET missing = missing + excluded.missing";

fn add(tx: &mut SqliteTx, sql: &str, sku: &Sku, pieces: i64) -> Result<(), SinkError> {
    tx.execute(sql, (sku.get(), pieces)).map(|_| ())
}
