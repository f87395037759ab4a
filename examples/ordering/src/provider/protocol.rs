//! What is said to the provider and what it answers, as JSON.
//!
//! Plain data, the same for both ends. Amounts are strings (`"12.5"`). It does not know how anything is
//! carried or kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// The most bytes of a key or an order's number.
pub const NAME_BYTES_MAX: usize = 128;

/// `POST /charges`: take this amount for this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargeRequest {
    /// Chosen by the asker: the same key is never charged twice, another key is another charge.
    pub key: String,
    /// What the money is for.
    pub order: String,
    /// How much, above zero.
    pub amount: Money,
}

/// What became of a charge; the same key always has the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The key it was asked under.
    pub key: String,
    /// What the money is for.
    pub order: String,
    /// How much was asked for.
    pub amount: Money,
    /// Whether it was taken.
    pub status: ChargeStatus,
    /// Why it was declined, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeclineReason>,
}

/// Whether money was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// The money was taken.
    Captured,
    /// No money was taken, and none will be under this key.
    Declined,
}

/// Why no money was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// The customer's card was declined.
    CardDeclined,
    /// A refund of this key came first and voided it.
    Voided,
}

impl fmt::Display for DeclineReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CardDeclined => "card_declined",
            Self::Voided => "voided",
        })
    }
}

/// `POST /refunds`: give back what was captured under a charge's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundRequest {
    /// Chosen by the asker: the same key always has the same answer.
    pub key: String,
    /// The key of the charge.
    pub charge: String,
}

/// What became of a refund; the same key always has the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The key it was asked under.
    pub key: String,
    /// The key of the charge.
    pub charge: String,
    /// What was done.
    pub status: RefundStatus,
    /// How much was given back; zero unless refunded.
    pub amount: Money,
}

/// What a refund did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// The captured amount was given back.
    Refunded,
    /// The charge's key was never seen: a later charge under it will be declined as voided.
    Voided,
    /// The charge was declined, there is nothing to give back.
    NothingCaptured,
    /// Another refund gave the money back before.
    AlreadyRefunded,
}

/// Everything the provider knows of one order: `GET /ledger/{order}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What the money is for.
    pub order: String,
    /// Its charges, first to last.
    pub charges: Vec<Charge>,
    /// The refunds of its charges, first to last.
    pub refunds: Vec<Refund>,
}

/// The sums of the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Entries, that is answers given for the first time.
    pub entries: u64,
    /// Charges captured.
    pub captured: u64,
    /// The money of the charges captured.
    pub captured_amount: Money,
    /// Charges declined.
    pub declined: u64,
    /// Charges refunded.
    pub refunded: u64,
    /// The money given back.
    pub refunded_amount: Money,
    /// Keys voided before they were charged.
    pub voided: u64,
}

/// The whole ledger: `GET /ledger`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The sums over all that follows.
    pub totals: Totals,
    /// The orders, in the order of their first charge.
    pub orders: Vec<Account>,
    /// Refunds that voided a key which had not been seen.
    pub voids: Vec<Refund>,
}

/// A request that was not carried out; nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable code, in snake_case.
    pub error: String,
    /// What was expected, what was found, what to do.
    pub detail: String,
}
