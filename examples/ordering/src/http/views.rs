//! The read models: rows as JSON, with the position they are of.

use std::sync::Arc;
use std::time::Duration;

use annals::core::kind::ErrorKind;
use annals::{NotYet, Projection, View};
use annals_server::Answer;
use annals_server::min_position::{self, MinPosition};
use annals_server::problem::{self, Problem};
use annals_sqlite::{Sqlite, SqliteView};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::orders::customers::Customers;
use crate::orders::sales::Sales;
use crate::stock::levels::StockLevels;
use crate::system::System;

type Node = State<Arc<System>>;

/// Sales by country.
#[utoipa::path(get, path = "/sales/countries", operation_id = "salesByCountry", tag = "shop",
    responses((status = 200, description = "By country", body = Vec<Object>)))]
pub(super) async fn sales_by_country(State(system): Node, headers: HeaderMap) -> Answer<Response> {
    let sql = "SELECT * FROM sales_by_country ORDER BY country";
    rows(system.orders.view::<Sales>(), &headers, sql, None).await
}

/// Sales by day, in UTC.
#[utoipa::path(get, path = "/sales/days", operation_id = "salesByDay", tag = "shop",
    responses((status = 200, description = "By day", body = Vec<Object>)))]
pub(super) async fn sales_by_day(State(system): Node, headers: HeaderMap) -> Answer<Response> {
    rows(
        system.orders.view::<Sales>(),
        &headers,
        "SELECT * FROM sales_by_day ORDER BY day",
        None,
    )
    .await
}

/// A customer's orders and returns, newest first.
#[utoipa::path(get, path = "/customers/{customer}", operation_id = "customerHistory", tag = "shop",
    params(("customer" = String, Path, description = "The customer")),
    responses((status = 200, description = "Orders and returns", body = Vec<Object>)))]
pub(super) async fn customer(
    State(system): Node,
    Path(customer): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let sql = "SELECT kind, id, happened, country, amount, stage, reason FROM customer_history
               WHERE customer = ?1 ORDER BY happened DESC, id DESC";
    rows(system.orders.view::<Customers>(), &headers, sql, Some(customer)).await
}

/// What is in stock.
#[utoipa::path(get, path = "/stock", operation_id = "stock", tag = "shop",
    responses((status = 200, description = "By article", body = Vec<Object>)))]
pub(super) async fn stock(State(system): Node, headers: HeaderMap) -> Answer<Response> {
    rows(
        system.stock.view::<StockLevels>(),
        &headers,
        "SELECT * FROM stock_levels ORDER BY sku",
        None,
    )
    .await
}

/// What is in stock of one article.
#[utoipa::path(get, path = "/stock/{sku}", operation_id = "stockOf", tag = "shop",
    params(("sku" = String, Path, description = "The article")),
    responses((status = 200, description = "One row, or none", body = Vec<Object>)))]
pub(super) async fn stock_of(
    State(system): Node,
    Path(sku): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let sql = "SELECT * FROM stock_levels WHERE sku = ?1";
    rows(system.stock.view::<StockLevels>(), &headers, sql, Some(sku)).await
}

/// The rows of a read model that has reached the position asked for, with the position they are of.
async fn rows<P: Projection<Sink = Sqlite>>(
    view: View<P>,
    headers: &HeaderMap,
    sql: &'static str,
    parameter: Option<String>,
) -> Answer<Response> {
    let min = MinPosition::from_headers(headers)?;
    let wanted = min.position.unwrap_or_default();
    let patience = if min.wait.is_zero() {
        Duration::from_millis(1)
    } else {
        min.wait
    };
    let rows = view.at_least(wanted, patience).await.map_err(not_yet)?;
    let position = view.position();
    let found = tokio::task::spawn_blocking(move || select(&rows, sql, parameter)).await;
    let found = found.map_err(|error| Box::new(Problem::of(ErrorKind::Unavailable, error.to_string())))??;
    let mut response = Json(found).into_response();
    response
        .headers_mut()
        .insert(min_position::POSITION, min_position::header(position));
    Ok(response)
}

fn select(view: &SqliteView, sql: &str, parameter: Option<String>) -> Answer<Vec<Map<String, Value>>> {
    let found = match parameter {
        Some(parameter) => view.rows(sql, (parameter,)),
        None => view.rows(sql, ()),
    };
    found.map_err(|error| Box::new(Problem::of(error.kind(), error.to_string())))
}

fn not_yet(error: NotYet) -> Box<Problem> {
    let sides = (error.wanted.get(), error.at.get());
    Box::new(Problem::new(&problem::POSITION_NOT_REACHED, error.to_string()).sides(sides.0, sides.1))
}
