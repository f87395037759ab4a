//! Two versions of an event cannot be told apart by name, and a plain struct is no event.

use annals::{Event, Events, Key};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

#[derive(Event, Serialize, Deserialize)]
#[event("order.placed")]
struct OrderPlacedV1 {
    #[tag]
    order: OrderId,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.placed", version = 2, from = OrderPlacedV1)]
struct OrderPlaced {
    #[tag]
    order: OrderId,
}

impl From<OrderPlacedV1> for OrderPlaced {
    fn from(old: OrderPlacedV1) -> Self {
        Self { order: old.order }
    }
}

#[derive(Events)]
enum BothVersions {
    Old(OrderPlacedV1),
    New(OrderPlaced),
}

fn main() {}
