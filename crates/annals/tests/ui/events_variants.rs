//! A set has one newtype variant per event, no event twice.

use annals::{Event, Events, Key};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

#[derive(Event, Serialize, Deserialize)]
#[event("order.placed")]
struct OrderPlaced {
    #[tag]
    order: OrderId,
}

#[derive(Events)]
enum WithFields {
    Placed { order: OrderId },
}

#[derive(Events)]
enum WithTwo {
    Placed(OrderPlaced, OrderPlaced),
}

#[derive(Events)]
enum WithNone {
    Placed,
}

#[derive(Events)]
enum Twice {
    Placed(OrderPlaced),
    PlacedAgain(OrderPlaced),
}

#[derive(Events)]
enum Empty {}

#[derive(Events)]
struct NoEnum(OrderPlaced);

fn main() {}
