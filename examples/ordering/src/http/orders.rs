//! Orders: placed, looked at now and at any moment, cancelled.

use std::sync::Arc;

use annals::core::kind::ErrorKind;
use annals::core::position::{Position, Revision};
use annals::core::tag::Tag;
use annals::{AnyRefusal, Done, ExecuteError, Key, LoadError, Service};
use annals_server::etag::{self, Preconditions};
use annals_server::idempotency::IdempotencyKey;
use annals_server::min_position::{self, MinPosition};
use annals_server::moment::Moment;
use annals_server::params::Params;
use annals_server::problem::Problem;
use annals_server::{Answer, Asked};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contract::keys::{CustomerId, OrderId, Sku};
use crate::contract::orders::{CancelOrder, Line, PlaceOrder};
use crate::money::Money;
use crate::orders::order::{Order, Stage};
use crate::system::System;

type Node = State<Arc<System>>;

/// An order to be placed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    /// An id of the caller's choice: letters, digits, `-`, `_` and `.`, at most 64. Left out, one is made.
    order: Option<String>,
    /// Who orders; left out: a guest.
    customer: Option<String>,
    /// Where to.
    country: String,
    /// What; at least one line.
    lines: Vec<NewLine>,
}

/// Pieces of one article at one price.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLine {
    /// The article's code.
    sku: String,
    /// How many pieces, from 1.
    quantity: u32,
    /// Of one piece, as a decimal string: `"2.55"`.
    #[schema(value_type = String)]
    price: Money,
    /// Whether stock is kept of it; postage and the like are charges.
    #[serde(default = "yes")]
    goods: bool,
}

fn yes() -> bool {
    true
}

/// An order at a moment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderBody {
    /// Its id.
    order: String,
    /// `placed`, `paid`, `allotted`, `shipped` or `cancelled`.
    #[schema(value_type = String)]
    stage: Stage,
    /// Why it was cancelled, if it was.
    reason: Option<String>,
    /// Who ordered; nobody: a guest.
    customer: Option<String>,
    /// Where to.
    country: String,
    /// What.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<Line>,
    /// The sum of its lines.
    #[schema(value_type = String)]
    amount: Money,
    /// What was paid.
    #[schema(value_type = String)]
    captured: Money,
    /// What was given back.
    #[schema(value_type = String)]
    refunded: Money,
    /// How many things happened to it, less one.
    #[schema(value_type = u64)]
    revision: Revision,
}

/// Why an order is cancelled.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    /// In a word; `customer` if left out.
    reason: Option<String>,
}

/// Places an order.
#[utoipa::path(post, path = "/orders", operation_id = "placeOrder", tag = "shop", request_body = NewOrder,
    params(("idempotency-key" = Option<String>, Header, description = "The same key gets the first answer again")),
    responses(
        (status = 201, description = "Placed", body = OrderBody),
        (status = 200, description = "It was placed before: by this key, or with this id and content", body = OrderBody),
        (status = 409, description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not an order", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn place(
    State(system): Node,
    Extension(asked): Extension<Asked>,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Answer<Response> {
    let new: NewOrder = read(&body)?;
    let key = IdempotencyKey::from_headers(&headers)?.map(IdempotencyKey::into_string);
    let order = order_id(new.order.as_deref(), key.as_deref(), &system.orders)?;
    let line = |line: NewLine| Line {
        sku: Sku::from(line.sku),
        quantity: line.quantity,
        price: line.price,
        goods: line.goods,
    };
    let command = PlaceOrder {
        order: order.clone(),
        customer: new.customer.map(CustomerId::from),
        country: new.country,
        lines: new.lines.into_iter().map(line).collect(),
        placed: None,
    };
    check_keys(&command)?;
    let mut execute = system.orders.execute(command).request(asked.request());
    if let Some(key) = key {
        execute = execute.idempotency_key(key);
    }
    let done = execute.await.map_err(|error| problem_of(error.erase()))?;
    let status = if done.repeated || done.events.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let mut response = answer(&system, &order, &done, status).await?;
    if let Ok(location) = HeaderValue::try_from(format!("/orders/{order}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// An order, now or at any moment.
#[utoipa::path(get, path = "/orders/{order}", operation_id = "showOrder", tag = "shop",
    params(("order" = String, Path, description = "The order"),
        ("at" = Option<String>, Query, description = "A time or a position of the orders service")),
    responses((status = 200, description = "The order", body = OrderBody),
        (status = 404, description = "No such order then", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(system): Node,
    Path(order): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer<Response> {
    let params = Params::parse(query.as_deref(), &["at"])?;
    let moment: Option<Moment> = params.read("at")?;
    let min = MinPosition::from_headers(&headers)?;
    min.reached(system.orders.store().watch_end()).await?;
    let store = &**system.orders.store();
    let then = match moment {
        Some(moment) => moment.then(store).await?.end,
        None => store.end(),
    };
    let order = OrderId::from(order);
    let (body, revision) = load(&system, &order, then).await?;
    let tag = etag::of(revision);
    let known = Preconditions::from_headers(&headers)?.is_known(&revision.to_string());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(body).into_response()
    };
    response.headers_mut().insert(header::ETAG, tag);
    response
        .headers_mut()
        .insert(min_position::POSITION, min_position::header(then));
    Ok(response)
}

/// Cancels an order that has not left yet.
#[utoipa::path(post, path = "/orders/{order}/cancel", operation_id = "cancelOrder", tag = "shop",
    params(("order" = String, Path, description = "The order"),
        ("if-match" = Option<String>, Header, description = "Only at this revision")),
    request_body = Option<CancelBody>,
    responses((status = 200, description = "Cancelled, now or before", body = OrderBody),
        (status = 404, description = "No such order", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Too late", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It has another revision", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cancel(
    State(system): Node,
    Path(order): Path<String>,
    Extension(asked): Extension<Asked>,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Answer<Response> {
    let body: CancelBody = if body.is_empty() {
        CancelBody::default()
    } else {
        read(&body)?
    };
    let order = OrderId::from(order);
    let tag = order
        .tag()
        .map_err(|error| Box::new(Problem::of(ErrorKind::Invalid, error.to_string())))?;
    let reason = body.reason.unwrap_or_else(|| "customer".to_owned());
    let command = CancelOrder {
        order: order.clone(),
        reason,
    };
    let mut execute = system.orders.execute(command).request(asked.request());
    if let Some(key) = IdempotencyKey::from_headers(&headers)? {
        execute = execute.idempotency_key(key.into_string());
    }
    let preconditions = Preconditions::from_headers(&headers)?;
    if !preconditions.is_empty() {
        let revision = revision(&system, &tag).await?;
        preconditions.check(revision)?;
        execute = execute.expecting(tag, revision);
    }
    let done = execute.await.map_err(|error| problem_of(error.erase()))?;
    answer(&system, &order, &done, StatusCode::OK).await
}

async fn revision(system: &System, tag: &Tag) -> Answer<Option<Revision>> {
    Ok(system.orders.store().revision(tag.clone(), Position::MAX).await?)
}

async fn load(system: &System, order: &OrderId, at: Position) -> Answer<(OrderBody, Revision)> {
    let loaded = system
        .orders
        .load::<Order>(order)
        .at(at)
        .await
        .map_err(unloadable)?;
    let Some(revision) = loaded.revision.filter(|_| loaded.stage != Stage::Unknown) else {
        let detail = format!("there is no order {order} before position {at}");
        return Err(Box::new(Problem::of(ErrorKind::NotFound, detail)));
    };
    let Order {
        stage,
        customer,
        country,
        lines,
        amount,
        captured,
        refunded,
        reason,
    } = loaded.state;
    let (order, customer) = (order.to_string(), customer.map(|customer| customer.to_string()));
    let body = OrderBody {
        order,
        stage,
        reason,
        customer,
        country,
        lines,
        amount,
        captured,
        refunded,
        revision,
    };
    Ok((body, revision))
}

/// The order as the command left it, whatever happened since.
async fn answer(system: &System, order: &OrderId, done: &Done, status: StatusCode) -> Answer<Response> {
    let (body, revision) = load(system, order, done.end).await?;
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag::of(revision));
    headers.insert(min_position::POSITION, min_position::header(done.end));
    Ok(response)
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Answer<T> {
    serde_json::from_slice(body).map_err(|error| Box::new(Problem::of(ErrorKind::Invalid, error.to_string())))
}

/// The caller's id, or one that the idempotency key always gives again, or a new one.
fn order_id(given: Option<&str>, key: Option<&str>, orders: &Service) -> Answer<OrderId> {
    let world = orders.world();
    let id = match (given, key) {
        (Some(given), _) => given.to_owned(),
        (None, Some(key)) => Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).to_string(),
        (None, None) => world.ids.next(world.now()).to_string(),
    };
    let fits = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fits {
        return Ok(OrderId::from(id));
    }
    let detail = format!("expected an order id of 1 to 64 letters, digits, -, _ and ., found {id:?}");
    Err(Box::new(
        Problem::of(ErrorKind::Invalid, detail.clone()).part("/order", detail),
    ))
}

/// Articles and customers become tags later on; what makes none is refused now.
fn check_keys(command: &PlaceOrder) -> Answer<()> {
    let wrong = |pointer: String, error: annals::core::tag::TagError| {
        let detail = error.to_string();
        Box::new(Problem::of(ErrorKind::Invalid, detail.clone()).part(pointer, detail))
    };
    if let Some(customer) = &command.customer {
        customer
            .tag()
            .map_err(|error| wrong("/customer".to_owned(), error))?;
    }
    for (at, line) in command.lines.iter().enumerate() {
        line.sku
            .tag()
            .map_err(|error| wrong(format!("/lines/{at}/sku"), error))?;
    }
    Ok(())
}

fn unloadable(error: LoadError) -> Box<Problem> {
    Box::new(Problem::of(ErrorKind::Unavailable, error.to_string()))
}

/// What is wrong with the order itself is invalid content here, whoever found it.
fn problem_of(error: ExecuteError<AnyRefusal>) -> Box<Problem> {
    let code = error.code();
    let kind = match (error.kind(), code.as_str()) {
        (ErrorKind::Refused, "no_such_order") => ErrorKind::NotFound,
        (
            ErrorKind::Refused,
            "invalid_line" | "no_lines" | "too_many_lines" | "too_many_articles" | "amount_too_large",
        ) => ErrorKind::Invalid,
        _ => return Box::new(Problem::from(&error)),
    };
    Box::new(Problem {
        code: code.into(),
        ..Problem::of(kind, error.to_string())
    })
}
