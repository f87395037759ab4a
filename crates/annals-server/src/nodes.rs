//! `GET /nodes`: which services announced themselves over the broker, as far as this node heard.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;

use crate::presence::{Present, locked};
use crate::state::NodeState;

/// Services that announced themselves, this node's included, by name and instance. A list that is empty means that the
/// broker between the services has no broadcast, or that nothing was heard yet.
#[utoipa::path(get, path = "/nodes", operation_id = "nodes", tag = "services",
    responses((status = 200, description = "Services, with what they take and how they are", body = Vec<Present>)))]
pub(crate) async fn nodes(State(node): State<Arc<NodeState>>) -> Json<Vec<Present>> {
    Json(locked(&node.directory).present(Instant::now()))
}
