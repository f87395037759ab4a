//! `POST /services/{service}/commands/{command}`: a command as JSON, carried out by the service that takes it.
//!
//! A decision carries its own conditions. Who wants more says `If-Match` (or `If-None-Match: *`) and, with `?entity=`,
//! whose revision that is: it is checked in the same commit as the decision, after the idempotency key.

use std::sync::Arc;

use annals::{CallError, Done, How, Service};
use annals_core::position::{Position, Revision};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::etag::Preconditions;
use crate::idempotency::IdempotencyKey;
use crate::min_position;
use crate::params::Params;
use crate::problem::{Answer, BAD_REQUEST, INVALID, Problem, UNSUPPORTED_MEDIA_TYPE};
use crate::state::NodeState;
use crate::trace::{Asked, CORRELATION};

/// On an answer that was given before under the same idempotency key.
const REPEATED: HeaderName = HeaderName::from_static("annals-repeated");

/// A command was carried out.
#[derive(Debug, Serialize, ToSchema)]
struct DoneBody {
    /// The events it became, in order; none if what was asked for held already.
    #[schema(value_type = Vec<String>)]
    events: Vec<String>,
    /// Everything it did is before this position: send it as `Annals-Min-Position` to read your own write.
    #[schema(value_type = u64)]
    position: Position,
    /// When the events were recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    recorded: Option<Timestamp>,
    /// What everything that follows has in common: look at `/requests/{correlation}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    /// This is the first answer to the same idempotency key; nothing was done now.
    repeated: bool,
    /// How often it was decided; more than 1 after lost races.
    attempts: u32,
}

/// The commands a service takes.
#[utoipa::path(get, path = "/services/{service}/commands", operation_id = "commands", tag = "commands",
    params(("service" = String, Path, description = "The service's name")),
    responses((status = 200, description = "Their names, sorted", body = Vec<String>),
        (status = 404, description = "No such service", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn commands(
    State(node): State<Arc<NodeState>>,
    Path(service): Path<String>,
) -> Answer<Json<Vec<String>>> {
    Ok(Json(node.services.get(&service)?.running()?.commands()))
}

/// Carries a command out.
#[utoipa::path(post, path = "/services/{service}/commands/{command}", operation_id = "call", tag = "commands",
    params(
        ("service" = String, Path, description = "The service's name"),
        ("command" = String, Path, description = "The command's name: `orders.place`"),
        ("entity" = Option<String>, Query, description = "Whose revision If-Match means: `order:42`"),
        ("if-match" = Option<String>, Header, description = "Only at this revision of the entity"),
        ("if-none-match" = Option<String>, Header, description = "`*`: only if the entity has no event yet"),
        ("idempotency-key" = Option<String>, Header, description = "The same key gets the first answer again"),
    ),
    request_body(content = Object, description = "The command", content_type = "application/json"),
    responses(
        (status = 200, description = "It was carried out", body = DoneBody),
        (status = 404, description = "No such command", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Refused, or others were first", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It has another revision", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Wrong shape, or the key is taken", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not just now", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "It is not known whether it happened", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn call(
    State(node): State<Arc<NodeState>>,
    Path((service, command)): Path<(String, String)>,
    Extension(asked): Extension<Asked>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Answer<Response> {
    let running = node.services.get(&service)?.running()?;
    must_be_json(&headers)?;
    let expects = expects(running, &headers, query.as_deref()).await?;
    let key = IdempotencyKey::from_headers(&headers)?.map(IdempotencyKey::into_string);
    let how = How {
        idempotency_key: key,
        request: asked.request(),
        expects,
        ..How::default()
    };
    match running.call(&command, body, how).await {
        Ok(done) => Ok(answer(&done)),
        Err(error) => Err(Box::new(problem(&error))),
    }
}

fn answer(done: &Done) -> Response {
    let correlation = done.correlation.map(|id| id.to_string());
    let body = DoneBody {
        events: done.events.iter().map(ToString::to_string).collect(),
        position: done.end,
        recorded: done.recorded,
        correlation: correlation.clone(),
        repeated: done.repeated,
        attempts: done.attempts,
    };
    let mut response = Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(min_position::POSITION, min_position::header(done.end));
    if let Some(Ok(correlation)) = correlation.map(HeaderValue::try_from) {
        headers.insert(CORRELATION, correlation);
    }
    if done.repeated {
        headers.insert(REPEATED, HeaderValue::from_static("true"));
    }
    response
}

fn must_be_json(headers: &HeaderMap) -> Answer<()> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    let detail = format!("expected Content-Type: application/json, found {kind:?}");
    Err(Box::new(Problem::new(&UNSUPPORTED_MEDIA_TYPE, detail)))
}

/// What the preconditions ask of the entity they are about.
async fn expects(
    service: &Service,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Answer<Option<(Tag, Option<Revision>)>> {
    let params = Params::parse(query, &["entity"])?;
    let preconditions = Preconditions::from_headers(headers)?;
    let tag = match (params.one("entity")?, preconditions.is_empty()) {
        (_, true) => return Ok(None),
        (Some(tag), false) => tag.parse::<Tag>().map_err(|error| bad(error.to_string()))?,
        (None, false) => return Err(bad("If-Match does not say whose revision it means".to_owned())),
    };
    if let Some(revision) = preconditions.exact() {
        return Ok(Some((tag, revision)));
    }
    // Several revisions, or any: what is found now must still be there when the decision is recorded.
    let found = service.store().revision(tag.clone(), Position::MAX).await?;
    preconditions.check(found)?;
    Ok(Some((tag, found)))
}

fn bad(detail: String) -> Box<Problem> {
    Box::new(Problem::new(&BAD_REQUEST, detail).hint("name the entity: ?entity=order:42"))
}

fn problem(error: &CallError) -> Problem {
    let detail = error.to_string();
    match error {
        CallError::Decode(_) => Problem::new(&INVALID, detail.clone()).part("", detail),
        CallError::Execute(execute) => execute.into(),
        other => Problem::of(other.kind(), detail),
    }
}
