//! What the shipping service takes and tells.

use annals::{Command, Event};
use serde::{Deserialize, Serialize};

use super::keys::OrderId;

/// Send an order on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("shipping.ship")]
pub struct ShipOrder {
    /// Which order.
    #[key]
    pub order: OrderId,
    /// Where to.
    pub country: String,
}

/// Keep an order from leaving, or fetch it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("shipping.recall")]
pub struct RecallOrder {
    /// Which order.
    #[key]
    pub order: OrderId,
}

/// An order is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("parcel.shipped")]
pub struct ParcelShipped {
    /// Which order.
    #[tag(partition)]
    pub order: OrderId,
    /// Where to.
    pub country: String,
}

/// An order will not leave, or comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("parcel.recalled")]
pub struct ParcelRecalled {
    /// Which order.
    #[tag(partition)]
    pub order: OrderId,
    /// Whether it had left.
    pub had_left: bool,
}
