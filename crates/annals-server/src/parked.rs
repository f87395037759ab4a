//! `/services/{service}/parked`: messages that were put aside, and taking them up again.

use std::sync::Arc;

use annals::inbox::parked::Parked;
use annals_core::id::EventId;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::problem::{Answer, BAD_REQUEST, NOT_FOUND, Problem};
use crate::state::NodeState;

/// A parked message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParkedBody {
    /// Whose message.
    #[schema(value_type = String)]
    pub(crate) service: SmolStr,
    /// `id`, `message` (its type), `topic`, `key`, `reason`, `attempts`, `at`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(crate) parked: Parked,
}

/// What is parked just now, the oldest message first.
#[utoipa::path(get, path = "/services/{service}/parked", operation_id = "parked", tag = "parked",
    params(("service" = String, Path, description = "The service's name")),
    responses((status = 200, description = "With the reasons", body = Vec<ParkedBody>),
        (status = 404, description = "No such service", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn parked(
    State(node): State<Arc<NodeState>>,
    Path(service): Path<String>,
) -> Answer<Json<Vec<ParkedBody>>> {
    let hosted = node.services.get(&service)?;
    let parked = hosted.running()?.parked().await?.into_iter();
    Ok(Json(
        parked
            .map(|parked| ParkedBody {
                service: hosted.name.clone(),
                parked,
            })
            .collect(),
    ))
}

/// Takes a parked message up again. It is tried after what is under way of its key; look at the list for the outcome.
#[utoipa::path(post, path = "/services/{service}/parked/{id}/requeue", operation_id = "requeue", tag = "parked",
    params(
        ("service" = String, Path, description = "The service's name"),
        ("id" = String, Path, description = "The message's id"),
    ),
    responses((status = 202, description = "It will be tried again"),
        (status = 404, description = "It is not parked", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn requeue(
    State(node): State<Arc<NodeState>>,
    Path((service, id)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let running = node.services.get(&service)?.running()?;
    let wrong = |_| {
        Box::new(Problem::new(
            &BAD_REQUEST,
            format!("expected a message id, found {id:?}"),
        ))
    };
    let message: EventId = id.parse().map_err(wrong)?;
    if !running.parked().await?.iter().any(|parked| parked.id == message) {
        let detail = format!("{service} has no parked message {message}");
        return Err(Box::new(
            Problem::new(&NOT_FOUND, detail).hint(format!("look at /services/{service}/parked")),
        ));
    }
    running.requeue(message).await;
    Ok(StatusCode::ACCEPTED)
}
