//! What the stock service takes and tells.

use annals::core::time::Timestamp;
use annals::{Command, Event};
use serde::{Deserialize, Serialize};

use super::keys::{CorrectionId, DeliveryId, OrderId, ReturnId, Sku};
use super::orders::Pieces;

/// Set goods aside for an order, all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("stock.reserve")]
pub struct ReserveStock {
    /// For which order.
    #[key]
    pub order: OrderId,
    /// What; each article once.
    #[key(each = sku: Sku)]
    pub pieces: Vec<Pieces>,
}

/// Put back what was set aside for an order, if anything was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("stock.release")]
pub struct ReleaseStock {
    /// For which order.
    #[key]
    pub order: OrderId,
}

/// Goods arrived from a supplier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("stock.receive")]
pub struct ReceiveGoods {
    /// Which delivery; it is received once.
    #[key]
    pub delivery: DeliveryId,
    /// What.
    pub pieces: Vec<Pieces>,
    /// When, if not now.
    #[occurred]
    pub received: Option<Timestamp>,
}

/// Goods came back from a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("stock.take_back")]
pub struct TakeBack {
    /// With which return; it is taken back once.
    #[key]
    pub id: ReturnId,
    /// What.
    pub pieces: Vec<Pieces>,
}

/// Somebody counted, and the books were wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("stock.correct")]
pub struct CorrectStock {
    /// Which correction; it is made once.
    #[key]
    pub id: CorrectionId,
    /// What is missing, each article once.
    pub missing: Vec<Pieces>,
    /// When, if not now.
    #[occurred]
    pub counted: Option<Timestamp>,
}

/// Everything an order needs is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("stock.allotted")]
pub struct StockAllotted {
    /// For which order.
    #[tag(partition)]
    pub order: OrderId,
    /// How many pieces in all.
    pub pieces: u64,
}

/// What was set aside for an order is free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("stock.freed")]
pub struct StockFreed {
    /// For which order.
    #[tag(partition)]
    pub order: OrderId,
    /// How many pieces in all.
    pub pieces: u64,
}

/// Goods that came back are in stock again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("stock.taken_back")]
pub struct StockTakenBack {
    /// With which return.
    #[tag(partition)]
    pub id: ReturnId,
    /// How many pieces in all.
    pub pieces: u64,
}
