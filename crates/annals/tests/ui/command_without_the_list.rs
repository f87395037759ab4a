//! The decision reads the stock of each article, but the command holds one.

use annals::{Command, Each, Event, Key, Model, command};
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
    sku: Sku,
}

#[command]
fn reserve(_: Reserve, _stock: &Each<Stock>) -> Result<Vec<StockReceived>, std::convert::Infallible> {
    Ok(Vec::new())
}

fn main() {}
