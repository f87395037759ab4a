//! `/status`: how every service of this node stands, and the same as gauges for `/metrics`.

use std::sync::Arc;

use annals::Status;
use annals_core::event::EventType;
use annals_core::position::Position;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::problem::{Answer, Problem};
use crate::state::NodeState;

/// How a node stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusBody {
    /// The version of annals.
    version: &'static str,
    /// The process.
    pid: u32,
    /// The node is stopping.
    draining: bool,
    /// All histories of the node, by name.
    services: Vec<ServiceStatus>,
}

/// How a service stands.
#[derive(Debug, Serialize, ToSchema)]
struct ServiceStatus {
    /// Its name.
    #[schema(value_type = String)]
    name: SmolStr,
    /// The position its next event will get.
    #[schema(value_type = u64)]
    end: Position,
    /// Its event types, by name.
    types: Vec<TypeBody>,
    /// What runs on it; not there for a history that is only shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<RunningBody>,
}

/// A type and how many events it has.
#[derive(Debug, Serialize, ToSchema)]
struct TypeBody {
    /// The type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    event_type: EventType,
    /// How many.
    events: u64,
}

/// A service at work.
#[derive(Debug, Serialize, ToSchema)]
struct RunningBody {
    /// Its commands.
    commands: Vec<String>,
    /// The kinds of things it has models of.
    kinds: Vec<&'static str>,
    /// What follows its store or its topics.
    subscriptions: Vec<SubscriptionBody>,
    /// Messages that are parked just now.
    parked: usize,
    /// Timers that will run out some day.
    timers: usize,
    /// Commands carried out since it started.
    commands_done: u64,
    /// Commands refused since it started.
    commands_refused: u64,
    /// Races lost since it started.
    conflicts: u64,
    /// Decisions made again since it started.
    redecisions: u64,
}

/// How a subscription stands.
#[derive(Debug, Serialize, ToSchema)]
struct SubscriptionBody {
    /// `relay`, `inbox`, `process.fulfilment`, `projection.sales`.
    #[schema(value_type = String)]
    name: SmolStr,
    /// Everything before this position of what it follows is dealt with.
    #[schema(value_type = u64)]
    position: Position,
    /// The end of what it follows.
    #[schema(value_type = u64)]
    end: Position,
    /// How far behind it is, in positions.
    lag: u64,
    /// What it has begun and not finished.
    in_flight: usize,
    /// How much it dealt with since it started.
    handled: u64,
    /// What keeps it from going on.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

/// How the node and its services stand.
#[utoipa::path(get, path = "/status", operation_id = "status", tag = "services",
    responses((status = 200, description = "Services, subscriptions, lag, parked messages", body = StatusBody),
        (status = 500, description = "A store is damaged", body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn status(State(node): State<Arc<NodeState>>) -> Answer<Json<StatusBody>> {
    let mut services = Vec::new();
    for hosted in node.services.all() {
        let types = hosted.store.types().await?.into_iter();
        let running = match &hosted.service {
            Some(service) => Some(running(
                service.status().await,
                service.commands(),
                service.kinds(),
            )),
            None => None,
        };
        services.push(ServiceStatus {
            name: hosted.name.clone(),
            end: hosted.store.end(),
            types: types
                .map(|count| TypeBody {
                    event_type: count.event_type,
                    events: count.events,
                })
                .collect(),
            running,
        });
    }
    let version = env!("CARGO_PKG_VERSION");
    Ok(Json(StatusBody {
        version,
        pid: std::process::id(),
        draining: node.drain.has_begun(),
        services,
    }))
}

/// Sets the gauges that tell how every service stands.
pub(crate) async fn sample(node: &NodeState) {
    for hosted in node.services.all() {
        let name = hosted.name.to_string();
        gauge(
            "annals_log_head_position",
            &[("service", &name)],
            hosted.store.end().get(),
        );
        let Some(service) = &hosted.service else { continue };
        let status = service.status().await;
        gauge(
            "annals_parked_messages",
            &[("service", &name)],
            status.parked as u64,
        );
        for standing in &status.runners {
            let labels = [
                ("service", name.as_str()),
                ("subscription", standing.name.as_str()),
            ];
            gauge("annals_subscription_position", &labels, standing.position.get());
            gauge("annals_subscription_lag_events", &labels, standing.lag());
        }
    }
}

fn gauge(name: &'static str, labels: &[(&'static str, &str)], value: u64) {
    let labels: Vec<metrics::Label> = labels
        .iter()
        .map(|(key, value)| metrics::Label::new(*key, (*value).to_owned()))
        .collect();
    metrics::gauge!(name, labels).set(value as f64);
}

fn running(status: Status, commands: Vec<String>, kinds: Vec<&'static str>) -> RunningBody {
    let subscriptions = status.runners.into_iter().map(|standing| SubscriptionBody {
        lag: standing.lag(),
        name: standing.name,
        position: standing.position,
        end: standing.end,
        in_flight: standing.in_flight,
        handled: standing.handled,
        trouble: standing.trouble,
    });
    RunningBody {
        commands,
        kinds,
        subscriptions: subscriptions.collect(),
        parked: status.parked,
        timers: status.timers,
        commands_done: status.commands_done,
        commands_refused: status.commands_refused,
        conflicts: status.conflicts,
        redecisions: status.redecisions,
    }
}
