//! The version before must be a message and turn into the new one.

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
#[event("order.placed", version = 2, from = OrderPlacedV1)]
struct OrderPlaced {
    #[tag]
    order: OrderId,
}

struct OrderPaidV1 {
    order: OrderId,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.paid", version = 2, from = OrderPaidV1)]
struct OrderPaid {
    #[tag]
    order: OrderId,
}

impl From<OrderPaidV1> for OrderPaid {
    fn from(old: OrderPaidV1) -> Self {
        Self { order: old.order }
    }
}

fn main() {}
