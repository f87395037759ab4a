//! `/services/{service}/snapshots`: keeping the states of everything before a moment, which a store wants before it is truncated.
//!
//! In: a moment, and where to go on. Out: what was kept, and where to go on. A request is one page of events, so it has
//! its answer within its deadline.

use std::sync::Arc;

use annals::SnapshotsKept;
use annals_core::position::Position;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::moment::Moment;
use crate::params::Params;
use crate::problem::{Answer, Problem};
use crate::state::NodeState;

/// What was kept.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeptBody {
    /// `written`, `current` (new enough already), `failed`, and the first `trouble`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    kept: SnapshotsKept,
    /// Ask again from there; not there when everything is done.
    #[schema(value_type = Option<u64>)]
    next: Option<Position>,
}

/// Keeps snapshots of whatever has events before a moment.
#[utoipa::path(post, path = "/services/{service}/snapshots", operation_id = "keep_snapshots", tag = "entities",
    params(
        ("service" = String, Path, description = "The service's name"),
        ("before" = Option<String>, Query, description = "Of what has events up to this time, or before this position; now unless said"),
        ("from" = Option<u64>, Query, description = "Where to go on; from the beginning unless said"),
    ),
    responses((status = 200, description = "What was kept of one page of events", body = KeptBody),
        (status = 404, description = "No such service", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn keep(
    State(node): State<Arc<NodeState>>,
    Path(service): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<Json<KeptBody>> {
    let running = node.services.get(&service)?.running()?;
    let params = Params::parse(query.as_deref(), &["before", "from"])?;
    let before = match params.read::<Moment>("before")? {
        Some(moment) => moment.then(&**running.store()).await?.end,
        None => running.store().end(),
    };
    let from = params.read::<u64>("from")?.map_or(Position::ZERO, Position::new);
    let (kept, next) = running.keep_snapshots_from(from, before).await?;
    Ok(Json(KeptBody { kept, next }))
}
