//! The decision reads the stock of an article, but the command names no article.

use annals::{Command, Event, Key, Model, command};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

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

impl Model for Stock {
    type Key = Sku;
    type Event = StockReceived;

    fn apply(&mut self, _: &StockReceived) {
        self.left += 1;
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("stock.reserve")]
struct Reserve {
    #[key]
    order: OrderId,
}

#[command]
fn reserve(_: Reserve, _stock: &Stock) -> Result<Vec<StockReceived>, std::convert::Infallible> {
    Ok(Vec::new())
}

fn main() {}
