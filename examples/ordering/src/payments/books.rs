//! The books of money: what was credited and adjusted once is not credited or adjusted again.

use annals::{Events, Model, command};
use serde::Serialize;

use crate::contract::keys::{CorrectionId, OrderId, ReturnId};
use crate::contract::payments::{
    AdjustBooks, BooksAdjusted, CreditReturn, PaymentDeclined, PaymentRefunded, PaymentTaken, ReturnCredited,
};
use crate::money::Money;

/// What happens to the payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Events)]
pub enum PaymentFact {
    /// Taken.
    Taken(PaymentTaken),
    /// Not taken.
    Declined(PaymentDeclined),
    /// Given back.
    Refunded(PaymentRefunded),
}

/// The payment of one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Payment {
    /// What was taken.
    pub captured: Money,
    /// What was given back.
    pub refunded: Money,
    /// Why it was declined, if it was.
    pub declined: Option<String>,
}

impl Model for Payment {
    type Key = OrderId;
    type Event = PaymentFact;

    fn apply(&mut self, event: &PaymentFact) {
        match event {
            PaymentFact::Taken(taken) => self.captured = taken.amount,
            PaymentFact::Declined(declined) => self.declined = Some(declined.reason.clone()),
            PaymentFact::Refunded(refunded) => self.refunded = refunded.amount,
        }
    }
}

/// The credit for one return.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Credit {
    /// How much, once it was given.
    pub credited: Option<Money>,
}

impl Model for Credit {
    type Key = ReturnId;
    type Event = ReturnCredited;

    fn apply(&mut self, event: &ReturnCredited) {
        self.credited = Some(event.amount);
    }
}

/// One adjustment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Adjustment {
    /// By how much, once it was made.
    pub adjusted: Option<Money>,
}

impl Model for Adjustment {
    type Key = CorrectionId;
    type Event = BooksAdjusted;

    fn apply(&mut self, event: &BooksAdjusted) {
        self.adjusted = Some(event.amount);
    }
}

/// A return is credited once.
///
/// # Errors
/// None: it is always done.
#[command]
pub fn credit(
    command: CreditReturn,
    credit: &Credit,
) -> Result<Option<ReturnCredited>, std::convert::Infallible> {
    let CreditReturn { id, customer, amount } = command;
    Ok(credit
        .credited
        .is_none()
        .then_some(ReturnCredited { id, customer, amount }))
}

/// An adjustment is made once.
///
/// # Errors
/// None: it is always done.
#[command]
pub fn adjust(
    command: AdjustBooks,
    adjustment: &Adjustment,
) -> Result<Option<BooksAdjusted>, std::convert::Infallible> {
    let AdjustBooks {
        id, amount, reason, ..
    } = command;
    Ok(adjustment
        .adjusted
        .is_none()
        .then_some(BooksAdjusted { id, amount, reason }))
}
