//! The order: what happened to it, here and in the other services, and what may still be done to it.

use std::collections::BTreeMap;

use annals::{Events, Key, Model, Refusal, command};
use serde::Serialize;
use thiserror::Error;

use crate::contract::keys::{CustomerId, OrderId, ReturnId};
use crate::contract::orders::{
    CancelOrder, Line, OrderCancelled, OrderPlaced, PlaceOrder, ReturnTaken, TakeReturn,
};
use crate::contract::payments::{PaymentDeclined, PaymentRefunded, PaymentTaken, ReturnCredited};
use crate::contract::shipping::ParcelShipped;
use crate::contract::stock::{StockAllotted, StockTakenBack};
use crate::money::Money;

/// The most lines of one order.
pub const LINES_MAX: usize = 4_000;
/// The most digits behind the point of a price.
pub const DECIMALS_MAX: u32 = 6;
/// The first amount of an order that is too large: with at most six digits behind the point, ten million orders just
/// below it can still be summed up exactly.
pub const AMOUNT_END: Money = Money::power_of_ten(15);
/// The articles of an order travel as tags of one message: their codes, each with four bytes more, have at most this
/// many bytes together.
pub const CODE_BYTES_MAX: usize = 64_000;

/// What happens to an order, whoever recorded it first.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum OrderFact {
    /// It was placed.
    Placed(OrderPlaced),
    /// It ended unfulfilled.
    Cancelled(OrderCancelled),
    /// It was paid.
    Paid(PaymentTaken),
    /// It could not be paid.
    Declined(PaymentDeclined),
    /// The money went back.
    #[commutes]
    Refunded(PaymentRefunded),
    /// Its goods are set aside.
    Allotted(StockAllotted),
    /// It is on its way.
    Shipped(ParcelShipped),
}

/// How far an order has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// There is no such order.
    #[default]
    Unknown,
    /// Placed, not paid.
    Placed,
    /// Paid.
    Paid,
    /// Paid and its goods set aside.
    Allotted,
    /// On its way: done.
    Shipped,
    /// Ended unfulfilled: done.
    Cancelled,
}

/// An order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Order {
    /// How far it has come.
    pub stage: Stage,
    /// Whose it is; a guest's if nobody's.
    pub customer: Option<CustomerId>,
    /// Where it goes.
    pub country: String,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// The sum of its lines.
    pub amount: Money,
    /// What was paid, as far as we were told.
    pub captured: Money,
    /// What was given back, as far as we were told.
    pub refunded: Money,
    /// Why it was cancelled, in a word, if it was.
    pub reason: Option<String>,
}

impl Model for Order {
    type Key = OrderId;
    type Event = OrderFact;

    fn apply(&mut self, event: &OrderFact) {
        match event {
            OrderFact::Placed(placed) => self.placed(placed),
            OrderFact::Cancelled(cancelled) => {
                self.stage = Stage::Cancelled;
                self.reason = Some(cancelled.reason.clone());
            }
            OrderFact::Paid(paid) => {
                self.captured = paid.amount;
                self.advance(Stage::Paid);
            }
            OrderFact::Declined(_) => {}
            OrderFact::Refunded(refunded) => self.refunded = refunded.amount,
            OrderFact::Allotted(_) => self.advance(Stage::Allotted),
            OrderFact::Shipped(_) => self.advance(Stage::Shipped),
        }
    }
}

impl Order {
    fn placed(&mut self, placed: &OrderPlaced) {
        self.stage = Stage::Placed;
        self.customer.clone_from(&placed.customer);
        self.country.clone_from(&placed.country);
        self.lines.clone_from(&placed.lines);
        self.amount = placed.amount;
    }

    /// News that arrive after a cancellation do not undo it.
    fn advance(&mut self, stage: Stage) {
        if self.stage != Stage::Cancelled {
            self.stage = stage;
        }
    }
}

/// Why an order is not placed or cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Error, Refusal)]
pub enum OrderRefusal {
    /// The id is in use.
    #[error("there is an order of this id already, with other content")]
    OrderExists,
    /// Nothing is ordered.
    #[error("an order has at least one line")]
    NoLines,
    /// Too much is ordered.
    #[error("an order has at most {LINES_MAX} lines, this one has {found}")]
    TooManyLines {
        /// How many there are.
        found: usize,
    },
    /// A line makes no sense.
    #[error("line {line}: {what}")]
    InvalidLine {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The articles have too many, or too long, codes.
    #[error(
        "the codes of an order's articles have at most {CODE_BYTES_MAX} bytes, these have {found}; order in parts"
    )]
    TooManyArticles {
        /// How many bytes, each code with four more.
        found: usize,
    },
    /// Nobody has that much money.
    #[error("the sum of the lines is not below {AMOUNT_END}")]
    AmountTooLarge,
    /// There is nothing to cancel.
    #[error("there is no such order")]
    NoSuchOrder,
    /// It is too late.
    #[error("the order is on its way already; return the goods instead")]
    AlreadyShipped,
}

/// Places an order; the very same order twice is one order.
///
/// # Errors
/// [`OrderRefusal`]: there is another order of this id, or the lines make none.
#[command]
pub fn place(command: PlaceOrder, order: &Order) -> Result<Option<OrderPlaced>, OrderRefusal> {
    if order.stage != Stage::Unknown {
        let same = order.customer == command.customer
            && order.country == command.country
            && order.lines == command.lines;
        return if same {
            Ok(None)
        } else {
            Err(OrderRefusal::OrderExists)
        };
    }
    let amount = check(&command.lines)?;
    let PlaceOrder {
        order,
        customer,
        country,
        lines,
        ..
    } = command;
    Ok(Some(OrderPlaced {
        order,
        customer,
        country,
        lines,
        amount,
    }))
}

/// Cancels an order that has not left yet. What was done for it is undone by its fulfilment.
///
/// # Errors
/// [`OrderRefusal::NoSuchOrder`], [`OrderRefusal::AlreadyShipped`].
#[command]
pub fn cancel(command: CancelOrder, order: &Order) -> Result<Option<OrderCancelled>, OrderRefusal> {
    match order.stage {
        Stage::Unknown => Err(OrderRefusal::NoSuchOrder),
        Stage::Shipped => Err(OrderRefusal::AlreadyShipped),
        Stage::Cancelled => Ok(None),
        Stage::Placed | Stage::Paid | Stage::Allotted => {
            let customer = order.customer.clone();
            Ok(Some(OrderCancelled {
                order: command.order,
                customer,
                reason: command.reason,
            }))
        }
    }
}

/// The sum of the lines, if they make an order that every later step can carry out.
fn check(lines: &[Line]) -> Result<Money, OrderRefusal> {
    if lines.is_empty() {
        return Err(OrderRefusal::NoLines);
    }
    if lines.len() > LINES_MAX {
        return Err(OrderRefusal::TooManyLines { found: lines.len() });
    }
    let mut sum = Money::ZERO;
    let mut pieces: BTreeMap<&str, u32> = BTreeMap::new();
    for (line, at) in lines.iter().zip(1..) {
        let amount = amount(line, pieces.entry(line.sku.get()).or_default());
        let amount = amount.map_err(|what| OrderRefusal::InvalidLine { line: at, what })?;
        let sum_now = amount.and_then(|amount| sum.checked_add(amount));
        sum = sum_now
            .filter(|sum| *sum < AMOUNT_END)
            .ok_or(OrderRefusal::AmountTooLarge)?;
    }
    let found = pieces.keys().map(|sku| sku.len() + 4).sum();
    if found > CODE_BYTES_MAX {
        return Err(OrderRefusal::TooManyArticles { found });
    }
    Ok(sum)
}

/// Of one line, `None` if it is beyond all bounds; counts its pieces in.
fn amount(line: &Line, pieces: &mut u32) -> Result<Option<Money>, String> {
    line.sku.tag().map_err(|error| error.to_string())?;
    if line.quantity == 0 {
        return Err("the quantity is zero".to_owned());
    }
    *pieces = pieces
        .checked_add(line.quantity)
        .ok_or_else(|| format!("more than {} pieces of {}", u32::MAX, line.sku))?;
    if !line.price.is_positive() {
        return Err("the price is not above zero".to_owned());
    }
    if line.price.to_decimal().scale() > DECIMALS_MAX {
        return Err(format!(
            "the price has more than {DECIMALS_MAX} digits behind the point"
        ));
    }
    Ok(line.price.checked_mul(i64::from(line.quantity)))
}

/// What happens to a return of goods.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum ReturnFact {
    /// It was taken.
    Taken(ReturnTaken),
    /// Its money was credited.
    Credited(ReturnCredited),
    /// Its goods are in stock again.
    Back(StockTakenBack),
}

/// A return of goods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Return {
    /// It was taken.
    pub taken: bool,
    /// What is to be credited.
    pub amount: Money,
    /// It was credited.
    pub credited: bool,
    /// Its goods are in stock again.
    pub back: bool,
}

impl Model for Return {
    type Key = ReturnId;
    type Event = ReturnFact;

    fn apply(&mut self, event: &ReturnFact) {
        match event {
            ReturnFact::Taken(taken) => {
                self.taken = true;
                self.amount = taken.amount;
            }
            ReturnFact::Credited(_) => self.credited = true,
            ReturnFact::Back(_) => self.back = true,
        }
    }
}

/// Takes goods back; the same return twice is one return.
///
/// # Errors
/// [`OrderRefusal`]: the lines make no return.
#[command]
pub fn take_return(command: TakeReturn, known: &Return) -> Result<Option<ReturnTaken>, OrderRefusal> {
    if known.taken {
        return Ok(None);
    }
    let amount = check(&command.lines)?;
    let TakeReturn {
        id,
        customer,
        country,
        lines,
        ..
    } = command;
    Ok(Some(ReturnTaken {
        id,
        customer,
        country,
        lines,
        amount,
    }))
}
