//! `/requests/{correlation}`: everything that followed from one request, across all histories of this node.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::event::{EventType, NewEvent, Purpose, Visibility};
use annals_core::id::CorrelationId;
use annals_core::port::store::Read;
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::causation::{self, Forest, Gathering, Node, Sighting};
use crate::hosted::Hosted;
use crate::parked::ParkedBody;
use crate::problem::{Answer, BAD_REQUEST, NOT_FOUND, Problem};
use crate::state::NodeState;

/// Records of one request that are gathered; what comes after is left out and said to be.
const NODES_MAX: usize = 10_000;

/// What followed from one request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestBody {
    /// The request.
    #[schema(value_type = String)]
    correlation: CorrelationId,
    /// When its first record was taken.
    #[schema(value_type = String, format = "date-time")]
    began: Timestamp,
    /// When its newest record was taken.
    #[schema(value_type = String, format = "date-time")]
    last: Timestamp,
    /// How many records each service wrote.
    #[schema(value_type = Object)]
    services: BTreeMap<SmolStr, usize>,
    /// Causes before effects: each is followed by what it caused, one deeper.
    nodes: Vec<NodeBody>,
    /// Ids that are named as causes and that no history of this node holds.
    unresolved: Vec<String>,
    /// Messages of this request that are parked just now, and so what is still owed.
    parked: Vec<ParkedBody>,
    /// There are more records than are shown.
    truncated: bool,
}

/// One record of a request.
#[derive(Debug, Serialize, ToSchema)]
struct NodeBody {
    /// Its id.
    id: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    event_type: EventType,
    /// `event` or `command`.
    #[schema(value_type = String)]
    purpose: Purpose,
    /// `public` or `private`.
    #[schema(value_type = String)]
    visibility: Visibility,
    /// How many causes stand above it.
    depth: usize,
    /// What made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    causation: Option<String>,
    /// Its tags.
    #[schema(value_type = Vec<String>)]
    tags: Vec<Tag>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    actor: Option<SmolStr>,
    /// Where it is.
    #[serde(flatten)]
    at: SightingBody,
    /// Where copies of it are: who took it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies: Vec<SightingBody>,
}

/// A place in a history.
#[derive(Debug, Serialize, ToSchema)]
struct SightingBody {
    /// Whose history.
    #[schema(value_type = String)]
    service: SmolStr,
    /// The position there.
    #[schema(value_type = u64)]
    position: Position,
    /// When that store took it.
    #[schema(value_type = String, format = "date-time")]
    recorded: Timestamp,
}

/// What followed from a request.
#[utoipa::path(get, path = "/requests/{correlation}", operation_id = "request", tag = "requests",
    params(("correlation" = String, Path, description = "As `Annals-Correlation` named it")),
    responses(
        (status = 200, description = "Causes before effects", body = RequestBody),
        (status = 404, description = "Nothing followed, or not here", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn request(
    State(node): State<Arc<NodeState>>,
    Path(correlation): Path<String>,
) -> Answer<Json<RequestBody>> {
    let wrong = |_| {
        Box::new(Problem::new(
            &BAD_REQUEST,
            format!("expected a correlation id, found {correlation:?}"),
        ))
    };
    let correlation: CorrelationId = correlation.parse().map_err(wrong)?;
    let mut gathering = Gathering::default();
    let mut truncated = false;
    for hosted in node.services.all() {
        truncated |= !gather(&mut gathering, hosted, correlation).await?;
    }
    let forest = gathering.forest();
    let recorded = || forest.nodes.iter().map(|node| node.at.recorded);
    let (Some(began), Some(last)) = (recorded().min(), recorded().max()) else {
        let names: Vec<_> = node.services.all().map(|hosted| hosted.name.as_str()).collect();
        let detail = format!("no record of {correlation} in {}", names.join(", "));
        return Err(Box::new(Problem::new(&NOT_FOUND, detail)));
    };
    let parked = still_parked(&node, &forest).await?;
    Ok(Json(RequestBody {
        correlation,
        began,
        last,
        services: causation::by_service(&forest),
        unresolved: forest.unresolved.iter().map(ToString::to_string).collect(),
        nodes: forest.nodes.into_iter().map(show).collect(),
        parked,
        truncated,
    }))
}

/// Takes all that one history holds of a request; `false` if there was more than is shown.
async fn gather(gathering: &mut Gathering, hosted: &Hosted, correlation: CorrelationId) -> Answer<bool> {
    let mut from = Position::ZERO;
    loop {
        let page = hosted
            .store
            .read(Read::new(Query::correlation(correlation), from))
            .await?;
        for record in page.events {
            if gathering.len() >= NODES_MAX {
                return Ok(false);
            }
            gathering.add(&hosted.name, record);
        }
        if page.finished {
            return Ok(true);
        }
        from = page.next;
    }
}

async fn still_parked(node: &NodeState, forest: &Forest) -> Answer<Vec<ParkedBody>> {
    let mut found = Vec::new();
    for hosted in node.services.all() {
        let Some(service) = &hosted.service else { continue };
        let parked = service.parked().await?.into_iter();
        let ours = parked.filter(|parked| forest.nodes.iter().any(|node| concerns(node, parked.id)));
        found.extend(ours.map(|parked| ParkedBody {
            service: hosted.name.clone(),
            parked,
        }));
    }
    Ok(found)
}

/// Whether a record is this message, or keeps it.
fn concerns(node: &Node, message: annals_core::id::EventId) -> bool {
    node.record.id == message || node.record.metadata.causation == Some(message)
}

fn show(node: Node) -> NodeBody {
    let NewEvent {
        id,
        event_type,
        purpose,
        visibility,
        tags,
        metadata,
        ..
    } = node.record.event;
    NodeBody {
        id: id.to_string(),
        event_type,
        purpose,
        visibility,
        depth: node.depth,
        causation: metadata.causation.map(|cause| cause.to_string()),
        tags,
        actor: metadata.actor,
        at: node.at.into(),
        copies: node.copies.into_iter().map(SightingBody::from).collect(),
    }
}

impl From<Sighting> for SightingBody {
    fn from(
        Sighting {
            service,
            position,
            recorded,
        }: Sighting,
    ) -> Self {
        Self {
            service,
            position,
            recorded,
        }
    }
}
