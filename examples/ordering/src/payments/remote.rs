//! The payment provider over HTTP.

use std::time::Duration;

use annals::core::port::store::BoxFuture;

use super::charge::{Charged, NoAnswer, Provider};
use crate::contract::keys::OrderId;
use crate::money::Money;
use crate::provider::{AskError, ChargeOutcome, ChargeRequest, Client, RefundOutcome, RefundRequest};

/// How long one call may take before its outcome counts as unknown.
const PATIENCE: Duration = Duration::from_secs(3);

impl Provider for Client {
    fn charge(&self, key: String, order: OrderId, amount: Money) -> BoxFuture<'_, Result<Charged, NoAnswer>> {
        Box::pin(async move {
            let request = ChargeRequest {
                key,
                order: order.to_string(),
                amount,
            };
            match Client::charge(self, &request, PATIENCE).await {
                Ok(ChargeOutcome::Captured) => Ok(Charged::Captured),
                Ok(ChargeOutcome::Declined { reason }) => Ok(Charged::Declined(reason.to_string())),
                Ok(ChargeOutcome::Unknown { doubt }) => Err(NoAnswer(doubt.to_string())),
                Err(error @ AskError::Refused { .. }) => {
                    tracing::error!(order = %request.order, "the provider refused a charge: {error}");
                    Ok(Charged::Declined("refused".to_owned()))
                }
                Err(error) => Err(NoAnswer(error.to_string())),
            }
        })
    }

    fn refund(&self, key: String, charge: String) -> BoxFuture<'_, Result<Money, NoAnswer>> {
        Box::pin(async move {
            match Client::refund(self, &RefundRequest { key, charge }, PATIENCE).await {
                Ok(RefundOutcome::Done(refund)) => Ok(refund.amount),
                Ok(RefundOutcome::Unknown { doubt }) => Err(NoAnswer(doubt.to_string())),
                Err(error) => Err(NoAnswer(error.to_string())),
            }
        })
    }
}
