//! A new version says how the version before turns into it.

use annals::{Event, Key};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

#[derive(Event, Serialize, Deserialize)]
#[event("order.placed", version = 2)]
struct OrderPlaced {
    #[tag]
    order: OrderId,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.paid", version = 0)]
struct OrderPaid {
    #[tag]
    order: OrderId,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.shipped", from = OrderPaid)]
struct OrderShipped {
    #[tag]
    order: OrderId,
}

fn main() {}
