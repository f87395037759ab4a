//! A set has grown by an event that the model does not fold yet.

use annals::{Event, Events, Key, Model};
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

#[derive(Event, Serialize, Deserialize)]
#[event("order.cancelled")]
struct OrderCancelled {
    #[tag]
    order: OrderId,
}

#[derive(Events)]
enum OrderFact {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[derive(Default, Serialize)]
struct Order {
    open: bool,
}

impl Model for Order {
    type Key = OrderId;
    type Event = OrderFact;

    fn apply(&mut self, event: &OrderFact) {
        self.open = match event {
            OrderFact::Placed(_) => true,
        };
    }
}

fn main() {}
