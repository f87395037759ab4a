//! The first parameter is not a command: it is a plain struct, an event.

use annals::{Command, Event, Key, command};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

#[derive(Event, Serialize, Deserialize)]
#[event("order.placed")]
struct OrderPlaced {
    #[tag]
    order: OrderId,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("orders.place")]
struct Place {
    #[key]
    order: OrderId,
}

struct Plain {
    order: OrderId,
}

#[command]
fn plain(command: Plain) -> Result<OrderPlaced, Infallible> {
    Ok(OrderPlaced { order: command.order })
}

fn main() {}
