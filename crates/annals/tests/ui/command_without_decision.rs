//! Somebody asks for a decision that nobody wrote.

use annals::{Command, Decide, Key};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("order")]
struct OrderId(u64);

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("orders.place")]
struct Place {
    #[key]
    order: OrderId,
}

fn execute<C: Decide>(_: C) {}

fn main() {
    execute(Place { order: OrderId::from(1) });
}
