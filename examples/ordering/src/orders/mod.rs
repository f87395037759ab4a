//! The orders service: takes orders and returns, and sees each of them through.

pub mod order;
pub mod fulfilment;
pub mod returning;
pub mod sales;
pub mod customers;

use std::sync::Arc;

use annals::{Service, ServiceBuilder};
use annals_sqlite::Sqlite;

use crate::contract::orders::{CancelOrder, PlaceOrder, TakeReturn};
use customers::Customers;
use fulfilment::Fulfilment;
use returning::Returning;
use sales::Sales;

/// The service, with its read models in a folder.
pub fn service(views: Arc<Sqlite>) -> ServiceBuilder {
    Service::builder("orders")
        .command::<PlaceOrder>()
        .command::<CancelOrder>()
        .command::<TakeReturn>()
        .process::<Fulfilment>()
        .process::<Returning>()
        .projection(Sales, Arc::clone(&views))
        .projection(Customers, views)
        .listens_to("payments")
        .listens_to("stock")
        .listens_to("shipping")
}

#[cfg(test)]
mod tests;
