//! The payments service: takes money through the provider, gives it back, keeps the books.

pub mod books;
pub mod charge;
pub mod remote;

use std::sync::Arc;

use annals::{Service, ServiceBuilder};

use crate::contract::payments::{AdjustBooks, CreditReturn, RefundPayment, TakePayment};
use books::Payment;
use charge::Payer;

/// The service, with the provider it charges through.
pub fn service(payer: Arc<Payer>) -> ServiceBuilder {
    Service::builder("payments")
        .handler::<TakePayment>()
        .handler::<RefundPayment>()
        .command::<CreditReturn>()
        .command::<AdjustBooks>()
        .model::<Payment>()
        .provide(payer)
}

#[cfg(test)]
mod tests;
