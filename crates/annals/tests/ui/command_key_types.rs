//! What is marked as a key must be one, and `each` names a field of the items.

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
#[named("stock.count")]
struct Count {
    #[key]
    sku: String,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("stock.reserve")]
struct Reserve {
    #[key(each = article: Sku)]
    lines: Vec<Line>,
}

fn main() {}
