//! The version before must be of the same name and one lower.

use annals::{Event, Key};
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
#[event("order.placed", version = 3, from = OrderPlacedV1)]
struct OrderPlaced {
    #[tag]
    order: OrderId,
}

impl From<OrderPlacedV1> for OrderPlaced {
    fn from(old: OrderPlacedV1) -> Self {
        Self { order: old.order }
    }
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.paid", version = 2, from = OrderPlacedV1)]
struct OrderPaid {
    #[tag]
    order: OrderId,
}

impl From<OrderPlacedV1> for OrderPaid {
    fn from(old: OrderPlacedV1) -> Self {
        Self { order: old.order }
    }
}

fn main() {}
