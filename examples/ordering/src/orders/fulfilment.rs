//! The fulfilment of an order: pay, set aside, ship; and if one of them cannot be, undo what was done.
//!
//! Every step names the command that takes it back. A step without an answer may still have happened, so the undo list
//! is run from the moment a step was asked for, not from its answer: payments and stock and shipping each take an undo
//! of something that never happened as the order never to do it.

use std::collections::BTreeMap;
use std::time::Duration;

use annals::{Effects, Events, Model, On, Process, Refused};
use serde::{Deserialize, Serialize};

use crate::contract::keys::{OrderId, Sku};
use crate::contract::orders::{CancelOrder, Line, OrderCancelled, OrderPlaced, Pieces};
use crate::contract::payments::{PaymentDeclined, PaymentTaken, RefundPayment, TakePayment};
use crate::contract::shipping::{ParcelShipped, RecallOrder, ShipOrder};
use crate::contract::stock::{ReleaseStock, ReserveStock, StockAllotted};

/// How long a customer's payment may take before the order is given up.
pub const PAYMENT_PATIENCE: Duration = Duration::from_secs(30);

/// What the fulfilment of an order sees.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum FulfilmentFact {
    /// It begins.
    Placed(OrderPlaced),
    /// The money is there.
    Paid(PaymentTaken),
    /// The money will not come.
    Declined(PaymentDeclined),
    /// The goods are set aside.
    Allotted(StockAllotted),
    /// The parcel left.
    Shipped(ParcelShipped),
    /// The order ended.
    Cancelled(OrderCancelled),
}

/// The payment did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentLate;

/// How far a fulfilment has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for the money.
    #[default]
    Paying,
    /// Waits for the goods, then for the parcel.
    Supplying,
    /// Has asked for the order to be cancelled.
    GivingUp,
    /// Shipped, or cancelled and everything undone.
    Ended,
}

/// The fulfilment of one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fulfilment {
    order: Option<OrderId>,
    country: String,
    /// What has to come out of the warehouse: each article once.
    pieces: BTreeMap<Sku, u32>,
    phase: Phase,
}

impl Model for Fulfilment {
    type Key = OrderId;
    type Event = FulfilmentFact;

    fn apply(&mut self, event: &FulfilmentFact) {
        match event {
            FulfilmentFact::Placed(placed) => {
                self.order = Some(placed.order.clone());
                self.country.clone_from(&placed.country);
                self.pieces = pieces_of(&placed.lines);
            }
            FulfilmentFact::Paid(_) => self.advance(Phase::Paying, Phase::Supplying),
            FulfilmentFact::Declined(_) => self.advance(Phase::Paying, Phase::GivingUp),
            FulfilmentFact::Allotted(_) => {}
            FulfilmentFact::Shipped(_) => self.advance(Phase::Supplying, Phase::Ended),
            FulfilmentFact::Cancelled(_) => self.phase = Phase::Ended,
        }
    }
}

impl Fulfilment {
    fn advance(&mut self, from: Phase, to: Phase) {
        if self.phase == from {
            self.phase = to;
        }
    }

    fn order(&self) -> OrderId {
        self.order
            .clone()
            .expect("nothing is asked of a fulfilment before its order was placed")
    }

    fn give_up(&self, reason: &str, effects: &mut Effects<PaymentLate>) {
        effects.send(CancelOrder {
            order: self.order(),
            reason: reason.to_owned(),
        });
    }

    fn reserve(&self) -> ReserveStock {
        let pieces = self.pieces.iter().map(|(sku, quantity)| Pieces {
            sku: sku.clone(),
            quantity: *quantity,
        });
        ReserveStock {
            order: self.order(),
            pieces: pieces.collect(),
        }
    }

    fn on_event(&self, event: &FulfilmentFact, effects: &mut Effects<PaymentLate>) {
        match (event, self.phase) {
            (FulfilmentFact::Placed(placed), Phase::Paying) => {
                effects.after(PAYMENT_PATIENCE, PaymentLate);
                let order = placed.order.clone();
                let take = TakePayment {
                    order: order.clone(),
                    amount: placed.amount,
                };
                effects.send(take).undo(RefundPayment { order });
            }
            (FulfilmentFact::Paid(_), Phase::Supplying) => {
                effects.cancel(&PaymentLate);
                effects
                    .send(self.reserve())
                    .undo(ReleaseStock { order: self.order() });
            }
            (FulfilmentFact::Declined(declined), Phase::GivingUp) => {
                // Nothing was taken and nothing else begun: there is nothing to undo.
                effects.complete();
                self.give_up(&format!("payment_{}", declined.reason), effects);
            }
            (FulfilmentFact::Allotted(_), Phase::Supplying) => {
                let ship = ShipOrder {
                    order: self.order(),
                    country: self.country.clone(),
                };
                effects.send(ship).undo(RecallOrder { order: self.order() });
            }
            (FulfilmentFact::Shipped(_), Phase::Ended) => effects.complete(),
            (FulfilmentFact::Cancelled(_), Phase::Ended) => {
                effects.compensate();
                effects.complete();
            }
            _ => {}
        }
    }
}

impl Process for Fulfilment {
    const NAME: &'static str = "fulfilment";
    type Timer = PaymentLate;

    fn react(&self, on: On<'_, FulfilmentFact, PaymentLate>, effects: &mut Effects<PaymentLate>) {
        match on {
            On::Event(event) => self.on_event(event, effects),
            On::Timer(PaymentLate) if self.phase == Phase::GivingUp => self.give_up("payment_late", effects),
            On::Refused(refused) if refused.command == "stock.reserve" && self.phase == Phase::GivingUp => {
                self.give_up(&refused.code, effects);
            }
            On::Timer(_) | On::Refused(_) => {}
        }
    }

    fn on_timer(&mut self, _: &PaymentLate) {
        self.advance(Phase::Paying, Phase::GivingUp);
    }

    fn on_refused(&mut self, refused: &Refused) {
        if refused.command == "stock.reserve" {
            self.advance(Phase::Supplying, Phase::GivingUp);
        }
    }
}

fn pieces_of(lines: &[Line]) -> BTreeMap<Sku, u32> {
    let mut pieces = BTreeMap::new();
    for line in lines.iter().filter(|line| line.goods) {
        let sum: &mut u32 = pieces.entry(line.sku.clone()).or_default();
        *sum = sum.saturating_add(line.quantity);
    }
    pieces
}
