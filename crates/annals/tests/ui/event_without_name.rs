//! Events are stored under a name that is written out.

use annals::{Event, Key};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

#[derive(Event, Serialize, Deserialize)]
struct OrderPlaced {
    #[tag]
    order: OrderId,
}

#[derive(Event, Serialize, Deserialize)]
#[event("OrderPaid")]
struct OrderPaid {
    #[tag]
    order: OrderId,
}

#[derive(Event, Serialize, Deserialize)]
#[event(version = 2)]
struct OrderShipped {
    #[tag]
    order: OrderId,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.closed", public)]
struct OrderClosed {
    #[tag]
    order: OrderId,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.changed")]
enum OrderChanged {
    A,
}

fn main() {}
