//! The read model of sales: by country and by day.
//!
//! A sale counts on the day its order was placed, and no longer once the order is cancelled. Returns are shown beside
//! the sales, on the day and in the country of the return; they are not subtracted.

use annals::core::port::sink::SinkError;
use annals::core::time::Timestamp;
use annals::{Events, Projection, Recorded};
use annals_sqlite::{Sqlite, SqliteTx};

use crate::contract::orders::{Line, OrderCancelled, OrderPlaced, ReturnTaken};

/// What sales are made of.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum SalesFact {
    /// Sold.
    Placed(OrderPlaced),
    /// Not sold after all.
    Cancelled(OrderCancelled),
    /// Came back.
    Returned(ReturnTaken),
}

/// Tables `sales_by_country` and `sales_by_day`: orders, pieces, amount, returns, credited.
pub struct Sales;

const CREATE: &str = "
    CREATE TABLE sales_by_country (
        country TEXT PRIMARY KEY, orders INTEGER NOT NULL DEFAULT 0, pieces INTEGER NOT NULL DEFAULT 0,
        amount TEXT NOT NULL DEFAULT '0', returns INTEGER NOT NULL DEFAULT 0, credited TEXT NOT NULL DEFAULT '0'
    ) WITHOUT ROWID;
    CREATE TABLE sales_by_day (
        day TEXT PRIMARY KEY, orders INTEGER NOT NULL DEFAULT 0, pieces INTEGER NOT NULL DEFAULT 0,
        amount TEXT NOT NULL DEFAULT '0', returns INTEGER NOT NULL DEFAULT 0, credited TEXT NOT NULL DEFAULT '0'
    ) WITHOUT ROWID;
    CREATE TABLE open_sales (
        sale TEXT PRIMARY KEY, country TEXT NOT NULL, day TEXT NOT NULL, pieces INTEGER NOT NULL, amount TEXT NOT NULL
    ) WITHOUT ROWID;";

const SOLD_IN: &str = "INSERT INTO sales_by_country (country, orders, pieces, amount) VALUES (?1, 1, ?2, ?3)
    ON CONFLICT (country) DO UPDATE SET orders = orders + 1, pieces = pieces + excluded.pieces,
    amount = decimal_add(amount, excluded.amount)";
const SOLD_ON: &str = "INSERT INTO sales_by_day (day, orders, pieces, amount) VALUES (?1, 1, ?2, ?3)
    ON CONFLICT (day) DO UPDATE SET orders = orders + 1, pieces = pieces + excluded.pieces,
    amount = decimal_add(amount, excluded.amount)";
const UNSOLD_IN: &str = "UPDATE sales_by_country SET orders = orders - 1, pieces = pieces - ?2,
    amount = decimal_sub(amount, ?3) WHERE country = ?1";
const UNSOLD_ON: &str = "UPDATE sales_by_day SET orders = orders - 1, pieces = pieces - ?2,
    amount = decimal_sub(amount, ?3) WHERE day = ?1";
const BACK_IN: &str = "INSERT INTO sales_by_country (country, returns, credited) VALUES (?1, 1, ?2)
    ON CONFLICT (country) DO UPDATE SET returns = returns + 1, credited = decimal_add(credited, excluded.credited)";
const BACK_ON: &str = "INSERT INTO sales_by_day (day, returns, credited) VALUES (?1, 1, ?2)
    ON CONFLICT (day) DO UPDATE SET returns = returns + 1, credited = decimal_add(credited, excluded.credited)";

impl Projection for Sales {
    const NAME: &'static str = "sales";
    const VERSION: u32 = 1;
    type Event = SalesFact;
    type Sink = Sqlite;

    async fn create(&mut self, tx: &mut SqliteTx) -> Result<(), SinkError> {
        tx.execute_batch(CREATE)
    }

    async fn project(&mut self, event: Recorded<'_, &SalesFact>, tx: &mut SqliteTx) -> Result<(), SinkError> {
        let day = day_of(event.happened());
        match event.event {
            SalesFact::Placed(placed) => {
                let (pieces, amount) = (pieces(&placed.lines), placed.amount.to_string());
                tx.execute(SOLD_IN, (&placed.country, pieces, &amount))?;
                tx.execute(SOLD_ON, (&day, pieces, &amount))?;
                let open = (placed.order.get(), &placed.country, &day, pieces, &amount);
                tx.execute("INSERT INTO open_sales VALUES (?1, ?2, ?3, ?4, ?5)", open)?;
            }
            SalesFact::Cancelled(cancelled) => unsold(tx, cancelled)?,
            SalesFact::Returned(returned) => {
                let amount = returned.amount.to_string();
                tx.execute(BACK_IN, (&returned.country, &amount))?;
                tx.execute(BACK_ON, (&day, &amount))?;
            }
        }
        Ok(())
    }
}

fn unsold(tx: &mut SqliteTx, cancelled: &OrderCancelled) -> Result<(), SinkError> {
    let sale = cancelled.order.get();
    let row = |row: &annals_sqlite::rusqlite::Row<'_>| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, String>(3)?,
        ))
    };
    let sql = "SELECT country, day, pieces, amount FROM open_sales WHERE sale = ?1";
    let Some((country, day, pieces, amount)) = tx.query_row(sql, (sale,), row)? else {
        return Ok(());
    };
    tx.execute(UNSOLD_IN, (&country, pieces, &amount))?;
    tx.execute(UNSOLD_ON, (&day, pieces, &amount))?;
    tx.execute("DELETE FROM open_sales WHERE sale = ?1", (sale,))
        .map(|_| ())
}

fn pieces(lines: &[Line]) -> i64 {
    lines.iter().map(|line| i64::from(line.quantity)).sum()
}

/// The calendar day in UTC, as `2010-12-01`.
pub(super) fn day_of(moment: Timestamp) -> String {
    moment.to_string().chars().take(10).collect()
}
