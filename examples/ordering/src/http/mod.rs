//! The shop over HTTP: place, look at and cancel orders (`orders`), and ask the read models (`views`).
//!
//! What every node offers (events, live streams, health, metrics, commands by name) is not here.

mod orders;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use utoipa::OpenApi;

use crate::system::System;

/// The OpenAPI document of the routes.
#[derive(OpenApi)]
#[openapi(
    paths(
        orders::place,
        orders::show,
        orders::cancel,
        views::sales_by_country,
        views::sales_by_day,
        views::customer,
        views::stock,
        views::stock_of
    ),
    components(schemas(orders::NewOrder, orders::NewLine, orders::OrderBody, orders::CancelBody))
)]
struct Document;

/// The routes, and the document that describes them.
pub fn routes(system: Arc<System>) -> (Router, utoipa::openapi::OpenApi) {
    let router = Router::new()
        .route("/orders", post(orders::place))
        .route("/orders/{order}", get(orders::show))
        .route("/orders/{order}/cancel", post(orders::cancel))
        .route("/sales/countries", get(views::sales_by_country))
        .route("/sales/days", get(views::sales_by_day))
        .route("/customers/{customer}", get(views::customer))
        .route("/stock", get(views::stock))
        .route("/stock/{sku}", get(views::stock_of))
        .with_state(system);
    (router, Document::openapi())
}
