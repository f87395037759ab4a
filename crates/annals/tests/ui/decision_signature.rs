//! A decision takes its command by value and is lent its models.

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

struct Shop;

impl Shop {
    #[command]
    fn method(&self, command: Place) -> Result<OrderPlaced, Infallible> {
        Ok(OrderPlaced { order: command.order })
    }
}

#[command]
fn by_reference(command: &Place) -> Result<OrderPlaced, Infallible> {
    Ok(OrderPlaced { order: command.order.clone() })
}

#[command]
fn nothing() -> Result<Option<OrderPlaced>, Infallible> {
    Ok(None)
}

#[command]
fn model_by_value(command: Place, _known: Shop) -> Result<OrderPlaced, Infallible> {
    Ok(OrderPlaced { order: command.order })
}

#[command]
fn model_to_change(command: Place, _known: &mut Shop) -> Result<OrderPlaced, Infallible> {
    Ok(OrderPlaced { order: command.order })
}

#[command]
async fn waiting(command: Place) -> Result<OrderPlaced, Infallible> {
    Ok(OrderPlaced { order: command.order })
}

#[command]
fn generic<T>(command: Place, _known: &T) -> Result<OrderPlaced, Infallible> {
    Ok(OrderPlaced { order: command.order })
}

#[command]
fn never_refuses(command: Place) -> OrderPlaced {
    OrderPlaced { order: command.order }
}

#[command]
fn says_nothing(_: Place) {}

#[command("orders.place")]
fn named(command: Place) -> Result<OrderPlaced, Infallible> {
    Ok(OrderPlaced { order: command.order })
}

#[command]
struct NotAFunction;

fn main() {}
