//! How a node stands, as it says at `/status`.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::failure::Failure;

/// How a node stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) draining: bool,
    pub(crate) services: Vec<ServiceStatus>,
}

/// How a service stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServiceStatus {
    pub(crate) name: String,
    pub(crate) end: u64,
    pub(crate) types: Vec<TypeCount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) running: Option<Running>,
}

/// A type and how many events it has.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TypeCount {
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) events: u64,
}

/// A service at work.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) commands: Vec<String>,
    pub(crate) kinds: Vec<String>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) parked: u64,
    pub(crate) timers: u64,
    pub(crate) commands_done: u64,
    pub(crate) commands_refused: u64,
    pub(crate) conflicts: u64,
    pub(crate) redecisions: u64,
}

/// How a subscription stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) name: String,
    pub(crate) position: u64,
    pub(crate) end: u64,
    pub(crate) lag: u64,
    pub(crate) in_flight: u64,
    pub(crate) handled: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
}

impl Status {
    /// Asks a node.
    pub(crate) async fn of(client: &Client) -> Result<Self, Failure> {
        client.get("/status").await
    }

    /// Every subscription with the service it belongs to.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = (&str, &Subscription)> {
        let running = self
            .services
            .iter()
            .filter_map(|service| Some((service, service.running.as_ref()?)));
        running.flat_map(|(service, running)| {
            running
                .subscriptions
                .iter()
                .map(|subscription| (service.name.as_str(), subscription))
        })
    }

    /// Services that have models of this kind of thing, or the one that was named.
    pub(crate) fn with_kind(&self, kind: &str, named: Option<&str>) -> Result<Vec<String>, Failure> {
        let names = |service: &ServiceStatus| match (named, &service.running) {
            (Some(name), _) => service.name == name,
            (None, Some(running)) => running.kinds.iter().any(|known| known == kind),
            (None, None) => false,
        };
        let found: Vec<String> = self
            .services
            .iter()
            .filter(|s| names(s))
            .map(|s| s.name.clone())
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let known = self
            .services
            .iter()
            .filter_map(|s| s.running.as_ref())
            .flat_map(|r| r.kinds.iter().cloned());
        let known: std::collections::BTreeSet<String> = known.collect();
        let what = match named {
            Some(name) => format!("this node hosts no service {name:?}"),
            None => format!("no service of this node has a model of {kind:?}"),
        };
        let known: Vec<String> = known.into_iter().collect();
        Err(Failure::not_found(what).hint(format!("there are models of: {}", known.join(", "))))
    }
}
