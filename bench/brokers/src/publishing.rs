//! How fast messages are published: by a bare client, and by the relay of a service from its log.
//!
//! In: messages. Out: confirmed messages per second. Connecting and the first twentieth of the messages are not counted
//! on either side.

use std::time::{Duration, Instant};

use annals::Service;
use annals::core::event::NewEvent;
use annals::core::port::transport::Transport;
use anyhow::{Context, Result, bail};

use crate::bare::{Bare, Publish};
use crate::figures::rate;
use crate::message::{self, SENDER};
use crate::ours::{Ours, RECEIVER, append_all};

/// The part of the messages that is not counted.
const WARM_PART: usize = 20;
/// Between two looks at how far the relay is.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// A run that takes longer has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// The bare client.
pub(crate) async fn bare<B: Bare>(broker: &B, lane: &str, messages: &[message::Bare]) -> Result<f64> {
    let mut publisher = broker.publisher(lane).await?;
    let (warm, counted) = messages.split_at(messages.len() / WARM_PART);
    for message in warm {
        publisher.send(message).await?;
    }
    let begun = Instant::now();
    for message in counted {
        publisher.send(message).await?;
    }
    publisher.finish().await?;
    Ok(rate(counted.len(), begun.elapsed()))
}

/// The relay of a service, following a log that was written before.
pub(crate) async fn relay(ours: &Ours, namespace: &str, events: &[NewEvent]) -> Result<f64> {
    let transport = ours.inbox(namespace, SENDER)?;
    transport.declare(RECEIVER.into(), vec![SENDER.into()]).await?;
    let log = ours.store(&format!("{namespace}/{SENDER}/log"))?;
    append_all(&log, events).await?;
    let service = ours.start(Service::builder(SENDER), log, transport).await?;
    let (first, begun) = relayed(&service, events.len() / WARM_PART).await?;
    let (last, ended) = relayed(&service, events.len()).await?;
    service.stop().await;
    Ok(rate(last - first, ended - begun))
}

/// Waits until so many are published and noted, and answers how many were, and when.
async fn relayed(service: &Service, count: usize) -> Result<(usize, Instant)> {
    let begun = Instant::now();
    loop {
        let status = service.status().await;
        let now = Instant::now();
        let relay = status.runners.into_iter().find(|runner| runner.name == "relay");
        let relay = relay.context("the service has no relay")?;
        let reached = usize::try_from(relay.position.get())?;
        if reached >= count.max(1) {
            return Ok((reached, now));
        }
        if now - begun > DEADLINE {
            bail!(
                "{reached} of {count} were relayed within {DEADLINE:?}: {:?}",
                relay.trouble
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
