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
/// Where something stays owed: nothing new for so long is the end of waiting.
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

/// The history in which an embedded broker shows what it carries.
const BROKER: &str = "broker";

impl Request {
    /// What is missing for the request to be complete, in words: messages that are parked, and subscriptions that have
    /// not come past its records yet.
    pub(crate) fn owed(&self, status: &Status) -> Vec<String> {
        let mut owed: Vec<String> = self
            .parked
            .iter()
            .map(|parked| {
                let (service, message, attempts) = (&parked.service, &parked.message, parked.attempts);
                format!(
                    "{service} parked {message} {} after {attempts} attempts: {}",
                    parked.id, parked.reason
                )
            })
            .collect();
        for (service, subscription) in status.subscriptions() {
            let name = &subscription.name;
            // A subscription to some topics stands where its last message was, which may be before those of others.
            let has_work = subscription.lag > 0 || subscription.in_flight > 0;
            let last = self.follows(service, name).filter(|_| has_work);
            let behind = last.is_some_and(|last| subscription.position <= last);
            match &subscription.trouble {
                Some(trouble) if behind => owed.push(format!("{service}/{name} cannot go on: {trouble}")),
                None if behind => {
                    owed.push(format!("{service}/{name} has not come past it; more may follow"))
                }
                _ => {}
            }
        }
        owed
    }

    /// The last position of this request in what a subscription follows, if it concerns it at all.
    fn follows(&self, service: &str, subscription: &str) -> Option<u64> {
        match subscription {
            "inbox" => self.last_in(BROKER),
            "relay" => self.last_in(service),
            _ if subscription.starts_with("process.") || subscription.starts_with("projection.") => {
                self.last_in(service)
            }
            _ => None,
        }
    }

    fn last_in(&self, service: &str) -> Option<u64> {
        let own = self
            .nodes
            .iter()
            .filter(|node| node.service == service)
            .map(|node| node.position);
        let copies = self.nodes.iter().flat_map(|node| &node.copies);
        let copies = copies
            .filter(|copy| copy.service == service)
            .map(|copy| copy.position);
        own.chain(copies).max()
    }

    /// Asks a node; `None`: it has no record of this request.
    pub(crate) async fn of(client: &Client, correlation: &str) -> Result<Option<Self>, Failure> {
        client.find(&format!("/requests/{correlation}")).await
    }

    /// Waits until nothing more follows: nothing is owed, or nothing new came for a second, because a message is parked
    /// or cannot be handled just now. Timers that run out some day are not waited for.
    pub(crate) async fn complete(
        client: &Client,
        correlation: &str,
        patience: Duration,
    ) -> Result<Option<Self>, Failure> {
        let began = Instant::now();
        let (mut known, mut since) = (None, Instant::now());
        loop {
            // First how far all have come, then what there is: what came in between is seen in the next look.
            let status = Status::of(client).await?;
            let request = Self::of(client, correlation).await?;
            let count = request.as_ref().map_or(0, |request| request.nodes.len());
            if known == Some(count) {
                let owed = request.as_ref().map_or(0, |request| request.owed(&status).len());
                if owed == 0 || since.elapsed() >= QUIET {
                    return Ok(request);
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

#[cfg(test)]
mod tests;
