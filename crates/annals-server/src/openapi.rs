//! The OpenAPI 3.1 document of a node's own routes; a program merges its own with it.

use utoipa::OpenApi;

use crate::check::Check;
use crate::problem::{PartError, Problem, ProblemKind};
use crate::record::EventBody;
use crate::{about, events, health};

#[derive(OpenApi)]
#[openapi(
    info(title = "annals node", description = "Events, health and metrics of the services of one node."),
    paths(
        events::services,
        events::events,
        events::live,
        events::event,
        health::livez,
        health::readyz,
        about::metrics,
        about::openapi,
        about::problems,
        about::problem,
    ),
    components(schemas(EventBody<'static>, Problem, PartError, ProblemKind, Check)),
    tags(
        (name = "services", description = "What this node hosts"),
        (name = "events", description = "What happened"),
        (name = "health", description = "Whether this node works"),
        (name = "about", description = "What this node says about itself"),
    )
)]
struct NodeApi;

/// The document of the routes that [`crate::Api`] serves.
pub fn document() -> utoipa::openapi::OpenApi {
    NodeApi::openapi()
}
