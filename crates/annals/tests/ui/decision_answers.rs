//! What a decision returns: events, or a refusal with a code.

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

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("orders.cancel")]
struct Cancel {
    #[key]
    order: OrderId,
}

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;

#[command]
fn place(command: Place) -> Result<OrderPlaced, No> {
    Ok(OrderPlaced { order: command.order })
}

#[command]
fn cancel(command: Cancel) -> Result<OrderId, Infallible> {
    Ok(command.order)
}

fn main() {}
