//! What a node says about itself: `/metrics`, `/openapi.json`, `/problems`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::problem::{Answer, KINDS, NOT_FOUND, Problem, ProblemKind};
use crate::state::NodeState;
use crate::status;

/// What the process counted, in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "about",
    responses((status = 200, description = "Text, version 0.0.4", body = String, content_type = "text/plain"),
        (status = 404, description = "This node counts nothing", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn metrics(State(node): State<Arc<NodeState>>) -> Answer<Response> {
    let Some(metrics) = &node.metrics else {
        return Err(Box::new(Problem::new(
            &NOT_FOUND,
            "no metrics recorder is installed in this process",
        )));
    };
    status::sample(&node).await;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], metrics.render()).into_response())
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "about",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(crate) async fn openapi(State(node): State<Arc<NodeState>>) -> Response {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        node.openapi.clone(),
    )
        .into_response()
}

/// Every kind of problem this node answers with.
#[utoipa::path(get, path = "/problems", operation_id = "problems", tag = "about",
    responses((status = 200, description = "By status", body = Vec<ProblemKind>)))]
pub(crate) async fn problems() -> Response {
    Json(KINDS).into_response()
}

/// What a kind of problem means and what to do about it: where a problem's `type` leads.
#[utoipa::path(get, path = "/problems/{slug}", operation_id = "problem", tag = "about",
    params(("slug" = String, Path, description = "The end of the problem's type")),
    responses((status = 200, description = "The kind", body = ProblemKind),
        (status = 404, description = "No such kind", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn problem(Path(slug): Path<String>) -> Answer<Json<&'static ProblemKind>> {
    let known = KINDS.iter().copied().find(|kind| kind.slug == slug).map(Json);
    known.ok_or_else(|| {
        Box::new(Problem::new(
            &NOT_FOUND,
            format!("there is no kind of problem {slug:?}"),
        ))
    })
}
