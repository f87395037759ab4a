use annals::{Command, Event, Events, Key, Model};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Key)]
#[key("order")]
pub(crate) struct OrderId(Uuid);

#[derive(Key)]
#[key("sku")]
pub(crate) struct Sku(String);

pub(crate) fn order(number: u128) -> OrderId {
    OrderId::from(Uuid::from_u128(number))
}

pub(crate) fn sku(name: &str) -> Sku {
    Sku::from(name)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
}

pub(crate) fn line(name: &str, quantity: u32) -> Line {
    Line {
        sku: sku(name),
        quantity,
    }
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("stock.received")]
pub(crate) struct StockReceived {
    #[tag]
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("stock.reserved")]
pub(crate) struct StockReserved {
    #[tag]
    pub(crate) sku: Sku,
    #[tag(partition)]
    pub(crate) order: OrderId,
    pub(crate) quantity: u32,
}

#[derive(Events, Debug, PartialEq)]
pub(crate) enum StockFact {
    #[commutes]
    Received(StockReceived),
    Reserved(StockReserved),
}

#[derive(Default, Serialize)]
pub(crate) struct Stock {
    pub(crate) left: i64,
}

impl Model for Stock {
    type Key = Sku;
    type Event = StockFact;

    fn apply(&mut self, event: &StockFact) {
        self.left += match event {
            StockFact::Received(received) => i64::from(received.quantity),
            StockFact::Reserved(reserved) => -i64::from(reserved.quantity),
        };
    }
}

/// Whether an order has reserved something; a single event is a set as well.
#[derive(Default, Serialize)]
pub(crate) struct Reservation {
    pub(crate) made: bool,
}

impl Model for Reservation {
    type Key = OrderId;
    type Event = StockReserved;

    fn apply(&mut self, _: &StockReserved) {
        self.made = true;
    }
}

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("stock.reserve")]
pub(crate) struct Reserve {
    #[key]
    pub(crate) order: OrderId,
    #[key(each = sku: Sku)]
    pub(crate) lines: Vec<Line>,
}
