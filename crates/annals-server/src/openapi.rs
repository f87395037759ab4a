//! The OpenAPI 3.1 document of a node's own routes; a program merges its own with it.

use utoipa::OpenApi;

use crate::check::Check;
use crate::problem::{PartError, Problem, ProblemKind};
use crate::record::EventBody;
use crate::{about, commands, entities, events, health, nodes, parked, requests, snapshots, status};

#[derive(OpenApi)]
#[openapi(
    info(title = "annals node", description = "What one node's services take, hold and say. It asks nobody who he is."),
    paths(
        events::services,
        nodes::nodes,
        events::events,
        events::live,
        events::event,
        commands::commands,
        commands::call,
        entities::entity,
        entities::history,
        snapshots::keep,
        parked::parked,
        parked::requeue,
        requests::request,
        status::status,
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
        (name = "commands", description = "What can be asked for"),
        (name = "entities", description = "What things are and were"),
        (name = "requests", description = "What followed from what"),
        (name = "parked", description = "Messages that were put aside"),
        (name = "health", description = "Whether this node works"),
        (name = "about", description = "What this node says about itself"),
    )
)]
struct NodeApi;

/// The document of the routes that [`crate::Api`] serves.
pub fn document() -> utoipa::openapi::OpenApi {
    NodeApi::openapi()
}
