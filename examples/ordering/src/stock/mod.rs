//! The stock service: what is in the warehouse, and for whom.
//!
//! Reserving is one decision over the order and every one of its articles: either all pieces are set aside or none,
//! whatever else happens to those articles at the same moment.

pub mod article;
pub mod decide;
pub mod levels;

use std::sync::Arc;

use annals::{Service, ServiceBuilder};
use annals_sqlite::Sqlite;

use crate::contract::stock::{CorrectStock, ReceiveGoods, ReleaseStock, ReserveStock, TakeBack};
use levels::StockLevels;

/// The service, with its read models in a folder.
pub fn service(views: Arc<Sqlite>) -> ServiceBuilder {
    Service::builder("stock")
        .command::<ReserveStock>()
        .command::<ReleaseStock>()
        .command::<ReceiveGoods>()
        .command::<TakeBack>()
        .command::<CorrectStock>()
        .projection(StockLevels, views)
}

#[cfg(test)]
mod tests;
