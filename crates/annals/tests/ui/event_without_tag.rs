//! Without a tag nothing would find the event.

use annals::{Event, Key};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

#[derive(Event, Serialize, Deserialize)]
#[event("order.placed")]
struct OrderPlaced {
    order: OrderId,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.counted")]
struct OrderCounted {
    #[tag]
    order: OrderId,
    #[tag]
    quantity: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.merged")]
struct OrderMerged {
    #[tag(partition)]
    order: Option<OrderId>,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.split")]
struct OrderSplit {
    #[tag(partition)]
    order: OrderId,
    #[tag(partition)]
    other: OrderId,
    #[tag(first)]
    third: OrderId,
}

fn main() {}
