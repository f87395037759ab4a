//! A command has a name and at least one key, each of its own type.

use annals::core::time::Timestamp;
use annals::{Command, Key};
use serde::{Deserialize, Serialize};

#[derive(Key)]
#[key("sku")]
struct Sku(String);

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    sku: Sku,
}

#[derive(Command, Clone, Serialize, Deserialize)]
struct WithoutName {
    #[key]
    sku: Sku,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("place")]
struct WithoutService {
    #[key]
    sku: Sku,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("stock.count")]
struct WithoutKey {
    sku: Sku,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("stock.reserve")]
struct WithoutType {
    #[key(each = sku)]
    lines: Vec<Line>,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("stock.release")]
struct WithoutEach {
    #[key]
    skus: Vec<Sku>,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("stock.burn")]
struct Optional {
    #[key]
    sku: Option<Sku>,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("stock.date")]
struct TwoDates {
    #[key]
    sku: Sku,
    #[occurred]
    from: Timestamp,
    #[occurred]
    to: Timestamp,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("stock.hide", private)]
struct Hidden {
    #[key]
    sku: Sku,
}

fn main() {}
