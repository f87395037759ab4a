//! `/livez`, `/readyz` and `/healthz`: whether to restart this node, and whether to send it work.
//!
//! In: checks, as data, from whoever knows. Out: 200 or 503; with `?verbose` or on 503 a line per check, as JSON to
//! who accepts it. `/livez` looks at nothing: that it answers is the answer. A node that drains is not ready.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::check::Check;
use crate::params::Params;
use crate::problem::Answer;
use crate::state::NodeState;

/// All checks of a node at one moment.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `pass` or `fail`.
    status: &'static str,
    checks: Vec<Check>,
}

/// Marks an answer with an error status that is not to be made into a problem document.
#[derive(Clone)]
pub(crate) struct AsItIs;

/// Whether the process can answer.
#[utoipa::path(get, path = "/livez", operation_id = "livez", tag = "health",
    responses((status = 200, description = "It can", body = String)))]
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether the node wants work: recovered, writable, not draining.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "health",
    params(("verbose" = Option<bool>, Query, description = "Lists the checks that hold, too")),
    responses((status = 200, description = "It does", body = String),
        (status = 503, description = "It does not; one line per check", body = String)))]
pub(crate) async fn readyz(
    State(node): State<Arc<NodeState>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let params = Params::parse(query.as_deref(), &["verbose"])?;
    let mut checks = vec![match node.drain.has_begun() {
        false => Check::ok("accepting"),
        true => Check::failed("accepting", "the node is stopping"),
    }];
    checks.extend(node.checks.iter().flat_map(|checks| checks()));
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let accepts_json = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    let mut response = if accepts_json {
        (
            status,
            Json(Health {
                status: if ready { "pass" } else { "fail" },
                checks,
            }),
        )
            .into_response()
    } else if ready && !params.has("verbose") {
        "ok\n".into_response()
    } else {
        (status, lines(&checks)).into_response()
    };
    response.extensions_mut().insert(AsItIs);
    Ok(response)
}

fn lines(checks: &[Check]) -> String {
    let line = |check: &Check| match &check.why {
        _ if check.ok => format!("[+]{} ok\n", check.name),
        why => format!(
            "[-]{} failed: {}\n",
            check.name,
            why.as_deref().unwrap_or("no reason given")
        ),
    };
    checks.iter().map(line).collect()
}
