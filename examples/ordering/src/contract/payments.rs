//! What the payments service takes and tells.

use annals::core::time::Timestamp;
use annals::{Command, Event};
use serde::{Deserialize, Serialize};

use super::keys::{CorrectionId, CustomerId, OrderId, ReturnId};
use crate::money::Money;

/// Take the money for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("payments.take")]
pub struct TakePayment {
    /// For which order; an order is paid once.
    #[key]
    pub order: OrderId,
    /// How much.
    pub amount: Money,
}

/// Give the money for an order back, whether or not it was ever known to be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("payments.refund")]
pub struct RefundPayment {
    /// For which order.
    #[key]
    pub order: OrderId,
}

/// Credit a customer for goods that came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("payments.credit")]
pub struct CreditReturn {
    /// For which return; it is credited once.
    #[key]
    pub id: ReturnId,
    /// To whom.
    pub customer: Option<CustomerId>,
    /// How much.
    pub amount: Money,
}

/// Correct the books of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[named("payments.adjust")]
pub struct AdjustBooks {
    /// Which correction; it is made once.
    #[key]
    pub id: CorrectionId,
    /// By how much; may be negative.
    pub amount: Money,
    /// Why.
    pub reason: String,
    /// When, if not now.
    #[occurred]
    pub adjusted: Option<Timestamp>,
}

/// The money for an order was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("payment.taken")]
pub struct PaymentTaken {
    /// For which order.
    #[tag(partition)]
    pub order: OrderId,
    /// How much.
    pub amount: Money,
}

/// The money for an order was not taken and will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("payment.declined")]
pub struct PaymentDeclined {
    /// For which order.
    #[tag(partition)]
    pub order: OrderId,
    /// Why, in a word.
    pub reason: String,
}

/// The money for an order was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("payment.refunded")]
pub struct PaymentRefunded {
    /// For which order.
    #[tag(partition)]
    pub order: OrderId,
    /// How much; zero if none had been taken.
    pub amount: Money,
}

/// A customer was credited for goods that came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("payment.credited")]
pub struct ReturnCredited {
    /// For which return.
    #[tag(partition)]
    pub id: ReturnId,
    /// To whom.
    #[tag]
    pub customer: Option<CustomerId>,
    /// How much.
    pub amount: Money,
}

/// The books of money were corrected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event("books.adjusted")]
pub struct BooksAdjusted {
    /// Which correction.
    #[tag(partition)]
    pub id: CorrectionId,
    /// By how much; may be negative.
    pub amount: Money,
    /// Why.
    pub reason: String,
}
