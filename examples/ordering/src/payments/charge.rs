//! Taking money and giving it back: the two handlers that talk to the payment provider.
//!
//! The key under which the provider charges is the order, not the attempt and not the message: an order is charged once
//! whatever is repeated, resent or requeued. A refund names the charge's key; if the provider has never seen that key
//! it voids it, so that a charge which is still on its way will be declined.

use annals::core::port::store::BoxFuture;
use annals::{Context, Dep, handler};
use thiserror::Error;

use super::books::PaymentFact;
use crate::contract::keys::OrderId;
use crate::contract::payments::{PaymentDeclined, PaymentRefunded, PaymentTaken, RefundPayment, TakePayment};
use crate::money::Money;

/// What the provider said about a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charged {
    /// The money was taken.
    Captured,
    /// It was not, and will not be.
    Declined(String),
}

/// The provider did not answer: the money may or may not have been taken. Ask again with the same key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the payment provider did not answer: {0}")]
pub struct NoAnswer(pub String);

/// The payment provider, as this service sees it.
pub trait Provider: Send + Sync + 'static {
    /// Charges once per key.
    fn charge(&self, key: String, order: OrderId, amount: Money) -> BoxFuture<'_, Result<Charged, NoAnswer>>;

    /// Gives back what was captured under a charge's key and says how much; voids the key if it was never charged.
    fn refund(&self, key: String, charge: String) -> BoxFuture<'_, Result<Money, NoAnswer>>;
}

/// The provider behind its port, whichever it is.
pub struct Payer(pub Box<dyn Provider>);

fn charge_key(order: &OrderId) -> String {
    format!("charge:{order}")
}

/// Takes the money for an order. Tried again while the provider does not answer.
///
/// # Errors
/// [`NoAnswer`]: it is tried again under the same key.
#[handler(retry = 6)]
pub async fn take_payment(
    message: TakePayment,
    _cx: Context,
    Dep(payer): Dep<Payer>,
) -> Result<PaymentFact, NoAnswer> {
    let TakePayment { order, amount } = message;
    match payer.0.charge(charge_key(&order), order.clone(), amount).await? {
        Charged::Captured => Ok(PaymentTaken { order, amount }.into()),
        Charged::Declined(reason) => Ok(PaymentDeclined { order, reason }.into()),
    }
}

/// Gives the money for an order back. Tried again for as long as the provider does not answer: it is not ours.
///
/// # Errors
/// [`NoAnswer`]: it is tried again under the same key.
#[handler(retry = 1000)]
pub async fn refund_payment(
    message: RefundPayment,
    _cx: Context,
    Dep(payer): Dep<Payer>,
) -> Result<PaymentRefunded, NoAnswer> {
    let order = message.order;
    let amount = payer
        .0
        .refund(format!("refund:{order}"), charge_key(&order))
        .await?;
    Ok(PaymentRefunded { order, amount })
}
