//! What the orders service takes and tells.

use annals::core::time::Timestamp;
use annals::{Command, Event};
use serde::{Deserialize, Serialize};

use super::keys::{CustomerId, OrderId, ReturnId, Sku};
use crate::money::Money;

/// Pieces of one article at one price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The article's code.
    pub sku: Sku,
    /// How many pieces, from 1.
    pub quantity: u32,
    /// Of one piece; above zero.
    pub price: Money,
    /// Whether stock is kept of it; postage and the like are charges.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub goods: bool,
}

fn yes() -> bool {
    true
}

fn is_yes(goods: &bool) -> bool {
    *goods
}

/// Pieces of one article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pieces {
    /// The article.
    pub sku: Sku,
    /// How many, from 1.
    pub quantity: u32,
}

/// Somebody orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("orders.place")]
pub struct PlaceOrder {
    /// A new id.
    #[key]
    pub order: OrderId,
    /// Who; a guest if nobody.
    pub customer: Option<CustomerId>,
    /// Where to.
    pub country: String,
    /// What; the same article may repeat.
    pub lines: Vec<Line>,
    /// When, if not now.
    #[occurred]
    pub placed: Option<Timestamp>,
}

/// An order is to end: the customer wants it, or it cannot be fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("orders.cancel")]
pub struct CancelOrder {
    /// Which.
    #[key]
    pub order: OrderId,
    /// Why, in a word: `customer`, `payment_declined`, `payment_late`, `out_of_stock`.
    pub reason: String,
}

/// Goods came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("orders.take_return")]
pub struct TakeReturn {
    /// A new id.
    #[key]
    pub id: ReturnId,
    /// From whom; a guest if nobody.
    pub customer: Option<CustomerId>,
    /// From where.
    pub country: String,
    /// What, and at which price it is credited.
    pub lines: Vec<Line>,
    /// When, if not now.
    #[occurred]
    pub returned: Option<Timestamp>,
}

/// An order was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("order.placed")]
pub struct OrderPlaced {
    /// Which.
    #[tag(partition)]
    pub order: OrderId,
    /// By whom.
    #[tag]
    pub customer: Option<CustomerId>,
    /// Where to.
    pub country: String,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// The sum of its lines.
    pub amount: Money,
}

/// An order ended without being fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("order.cancelled")]
pub struct OrderCancelled {
    /// Which.
    #[tag(partition)]
    pub order: OrderId,
    /// Whose.
    #[tag]
    pub customer: Option<CustomerId>,
    /// Why, in a word.
    pub reason: String,
}

/// Goods came back; they belong to no order that we know of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("return.taken")]
pub struct ReturnTaken {
    /// Which return.
    #[tag(partition)]
    pub id: ReturnId,
    /// From whom.
    #[tag]
    pub customer: Option<CustomerId>,
    /// From where.
    pub country: String,
    /// What came back.
    pub lines: Vec<Line>,
    /// The sum of its lines.
    pub amount: Money,
}
