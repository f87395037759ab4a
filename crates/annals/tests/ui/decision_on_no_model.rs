//! The decision reads something that is no model.

use annals::{Command, Event, Key, command};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("sku")]
struct Sku(String);

#[derive(Event, Serialize, Deserialize)]
#[event("stock.received")]
struct StockReceived {
    #[tag]
    sku: Sku,
}

#[derive(Default, Serialize)]
struct Stock {
    left: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("stock.reserve")]
struct Reserve {
    #[key]
    sku: Sku,
}

#[command]
fn reserve(_: Reserve, _stock: &Stock) -> Result<Vec<StockReceived>, std::convert::Infallible> {
    Ok(Vec::new())
}

fn main() {}
