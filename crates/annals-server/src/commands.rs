//! `POST /services/{service}/commands/{command}`: a command as JSON, carried out by the service that takes it.
//!
//! A decision carries its own conditions, so `If-Match` has nothing to say here and is refused rather than ignored.

use std::sync::Arc;

use annals::{CallError, Done, ExecuteError, How};
use annals_core::kind::ErrorKind;
use annals_core::position::Position;
use annals_core::time::Timestamp;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::etag::Preconditions;
use crate::idempotency::IdempotencyKey;
use crate::min_position;
use crate::problem::{
    Answer, BAD_REQUEST, IDEMPOTENCY_KEY_REUSED, INVALID, Problem, STALE_BUILD, UNSUPPORTED_MEDIA_TYPE,
};
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
        ("idempotency-key" = Option<String>, Header, description = "The same key gets the first answer again"),
    ),
    request_body(content = Object, description = "The command", content_type = "application/json"),
    responses(
        (status = 200, description = "It was carried out", body = DoneBody),
        (status = 404, description = "No such command", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Refused, or others were first", body = Problem, content_type = "application/problem+json"),
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
    body: Bytes,
) -> Answer<Response> {
    let running = node.services.get(&service)?.running()?;
    must_be_json(&headers)?;
    if !Preconditions::from_headers(&headers)?.is_empty() {
        let problem = Problem::new(&BAD_REQUEST, "a command takes no If-Match or If-None-Match");
        return Err(Box::new(problem.hint(
            "its decision is checked against all that happened; leave the header out",
        )));
    }
    let key = IdempotencyKey::from_headers(&headers)?.map(IdempotencyKey::into_string);
    let how = How {
        idempotency_key: key,
        request: asked.request(),
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

fn problem(error: &CallError) -> Problem {
    let detail = error.to_string();
    match error {
        CallError::Decode(_) => Problem::new(&INVALID, detail.clone()).part("", detail),
        CallError::Execute(ExecuteError::KeyReused { .. }) => Problem::new(&IDEMPOTENCY_KEY_REUSED, detail),
        CallError::Execute(ExecuteError::StaleBuild { .. }) => Problem::new(&STALE_BUILD, detail),
        CallError::Execute(execute) if error.kind() == ErrorKind::Refused => {
            Problem::refused(execute.code(), detail)
        }
        other => Problem::of(other.kind(), detail),
    }
}
