//! What followed from one request, as a node says at `/requests/{correlation}`, and waiting until nothing more does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use annals_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity;
use crate::status::Status;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(30);
/// On a busy node: nothing new for so long counts as complete.
const QUIET: Duration = Duration::from_secs(1);

/// What followed from one request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) correlation: String,
    pub(crate) began: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) services: BTreeMap<String, u64>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) unresolved: Vec<String>,
    pub(crate) parked: Vec<Parked>,
    pub(crate) truncated: bool,
}

/// One record of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) purpose: String,
    pub(crate) visibility: String,
    pub(crate) depth: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) causation: Option<String>,
    pub(crate) tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    pub(crate) service: String,
    pub(crate) position: u64,
    pub(crate) recorded: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) copies: Vec<Sighting>,
}

/// A place in a history.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sighting {
    pub(crate) service: String,
    pub(crate) position: u64,
    pub(crate) recorded: Timestamp,
}

/// A message that was put aside.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parked {
    pub(crate) service: String,
    pub(crate) id: String,
    pub(crate) message: String,
    pub(crate) topic: String,
    #[serde(default)]
    pub(crate) key: Option<String>,
    pub(crate) reason: String,
    pub(crate) attempts: u32,
    pub(crate) at: Timestamp,
}

impl Request {
    /// Asks a node; `None`: it has no record of this request.
    pub(crate) async fn of(client: &Client, correlation: &str) -> Result<Option<Self>, Failure> {
        client.find(&format!("/requests/{correlation}")).await
    }

    /// Waits until nothing more follows: the node is idle, or on a busy node nothing new came for a second. Timers that
    /// run out some day are not waited for.
    pub(crate) async fn complete(
        client: &Client,
        correlation: &str,
        patience: Duration,
    ) -> Result<(Option<Self>, Status), Failure> {
        let began = Instant::now();
        let (mut known, mut since) = (None, Instant::now());
        loop {
            // First whether anything is under way, then what there is: what came in between is seen in the next look.
            let status = Status::of(client).await?;
            let request = Self::of(client, correlation).await?;
            let count = request.as_ref().map_or(0, |request| request.nodes.len());
            if known == Some(count) {
                if status.is_idle() || since.elapsed() >= QUIET {
                    return Ok((request, status));
                }
            } else {
                (known, since) = (Some(count), Instant::now());
            }
            if began.elapsed() >= patience {
                let seconds = patience.as_secs_f64();
                let message = format!(
                    "request {correlation} was not complete after {seconds} s; {count} records so far"
                );
                let hint = format!(
                    "look at it with `{} request show {correlation}`, or raise --timeout",
                    identity::name()
                );
                return Err(Failure::new(Exit::Timeout, message).hint(hint));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
