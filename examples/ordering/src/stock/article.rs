//! The facts of the warehouse and the models that fold them. They stay inside the service.

use annals::{Event, Events, Model, Snapshot};
use serde::{Deserialize, Serialize};

use crate::contract::keys::{CorrectionId, DeliveryId, OrderId, ReturnId, Sku};
use crate::contract::stock::StockTakenBack;

/// Pieces arrived from a supplier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("stock.received", private)]
pub struct StockReceived {
    /// With which delivery.
    #[tag(partition)]
    pub delivery: DeliveryId,
    /// Which article.
    #[tag]
    pub sku: Sku,
    /// How many pieces.
    pub quantity: u32,
}

/// Pieces are set aside for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("stock.reserved", private)]
pub struct StockReserved {
    /// For which order.
    #[tag(partition)]
    pub order: OrderId,
    /// Which article.
    #[tag]
    pub sku: Sku,
    /// How many pieces.
    pub quantity: u32,
}

/// Pieces set aside for an order are free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("stock.released", private)]
pub struct StockReleased {
    /// For which order.
    #[tag(partition)]
    pub order: OrderId,
    /// Which article.
    #[tag]
    pub sku: Sku,
    /// How many pieces.
    pub quantity: u32,
}

/// Pieces came back from a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("stock.returned", private)]
pub struct StockReturned {
    /// With which return.
    #[tag(partition)]
    pub id: ReturnId,
    /// Which article.
    #[tag]
    pub sku: Sku,
    /// How many pieces.
    pub quantity: u32,
}

/// Somebody counted: pieces are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("stock.corrected", private)]
pub struct StockCorrected {
    /// In which correction.
    #[tag(partition)]
    pub id: CorrectionId,
    /// Which article.
    #[tag]
    pub sku: Sku,
    /// How many pieces are missing.
    pub missing: u32,
}

/// What happens to an article. More pieces never spoil a reservation, so arrivals commute with it.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum StockFact {
    /// Arrived.
    #[commutes]
    Received(StockReceived),
    /// Came back.
    #[commutes]
    Returned(StockReturned),
    /// Set aside.
    Reserved(StockReserved),
    /// Free again.
    #[commutes]
    Released(StockReleased),
    /// Missing.
    Corrected(StockCorrected),
}

/// How many pieces of an article are free. Orders come to an end and may be archived; an article goes on, so its state is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Below zero when a count found less than was promised.
    pub left: i64,
}

impl Model for Stock {
    type Key = Sku;
    type Event = StockFact;
    const SNAPSHOT: Option<Snapshot<Self>> = Some(Snapshot::named("stock", 1));

    fn apply(&mut self, event: &StockFact) {
        self.left += match event {
            StockFact::Received(received) => i64::from(received.quantity),
            StockFact::Returned(returned) => i64::from(returned.quantity),
            StockFact::Released(released) => i64::from(released.quantity),
            StockFact::Reserved(reserved) => -i64::from(reserved.quantity),
            StockFact::Corrected(corrected) => -i64::from(corrected.missing),
        };
    }
}

/// What happens to an order in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum ReservationFact {
    /// One article was set aside.
    Reserved(StockReserved),
    /// Everything is set aside.
    Allotted(crate::contract::stock::StockAllotted),
    /// One article is free again.
    Released(StockReleased),
    /// Everything is free again.
    Freed(crate::contract::stock::StockFreed),
}

/// What is set aside for one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reservation {
    /// Articles and pieces.
    pub pieces: Vec<(Sku, u32)>,
    /// Everything it needs is set aside.
    pub allotted: bool,
    /// It was released: it will not be served again.
    pub freed: bool,
}

impl Model for Reservation {
    type Key = OrderId;
    type Event = ReservationFact;

    fn apply(&mut self, event: &ReservationFact) {
        match event {
            ReservationFact::Reserved(reserved) => {
                self.pieces.push((reserved.sku.clone(), reserved.quantity))
            }
            ReservationFact::Allotted(_) => self.allotted = true,
            ReservationFact::Released(_) => {}
            ReservationFact::Freed(_) => {
                *self = Self {
                    freed: true,
                    ..Self::default()
                }
            }
        }
    }
}

/// Whether a delivery was received before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// How many articles it brought.
    pub articles: u32,
}

impl Model for Delivery {
    type Key = DeliveryId;
    type Event = StockReceived;

    fn apply(&mut self, _: &StockReceived) {
        self.articles += 1;
    }
}

/// Whether a return was taken back before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GoodsBack {
    /// It was.
    pub taken: bool,
}

impl Model for GoodsBack {
    type Key = ReturnId;
    type Event = StockTakenBack;

    fn apply(&mut self, _: &StockTakenBack) {
        self.taken = true;
    }
}

/// Whether a correction was made before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How many articles it corrected.
    pub articles: u32,
}

impl Model for Count {
    type Key = CorrectionId;
    type Event = StockCorrected;

    fn apply(&mut self, _: &StockCorrected) {
        self.articles += 1;
    }
}
