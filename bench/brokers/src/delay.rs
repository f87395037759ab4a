//! How long a message takes from its sender to its receiver, while a tenth of what could be is on its way.
//!
//! In: a rate. Out: delays. With annals: from before the append in one service to the call of the handler in another,
//! through relay, broker and durable inbox. With the bare client: from before the publishing to the consumer that has it.
//! Both ends are one process with one clock. Messages leave when they are due, whether or not others have arrived.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use annals::Service;
use annals::core::event::NewEvent;
use annals::core::port::store::{Append, EventStore, Read};
use annals::core::port::transport::Transport;
use annals::core::position::Position;
use annals::core::query::Query;
use annals::core::time::Timestamp;
use annals_store::EmbeddedStore;
use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::bare::{Bare, Consume, Publish};
use crate::message::{self, Happened, SENDER};
use crate::ours::{Ours, RECEIVER};
use crate::publishing::DEADLINE;
use crate::taking::receiver;

/// The bare client. The first message shows that both ends are there, and is not counted.
pub(crate) async fn bare<B: Bare>(
    broker: &B,
    lane: &str,
    messages: &[message::Bare],
    per_second: f64,
) -> Result<Vec<Duration>> {
    let mut consumer = broker.consumer(lane).await?;
    let mut publisher = broker.publisher(lane).await?;
    let count = messages.len();
    let (ready, mut is_ready) = tokio::sync::watch::channel(false);
    let consuming = tokio::spawn(async move {
        let mut came = Vec::with_capacity(count);
        let mut moments = Vec::with_capacity(count);
        while came.len() < count {
            consumer.take(&mut came).await?;
            moments.resize(came.len(), Instant::now());
            consumer.settle().await?;
            ready.send_replace(true);
        }
        anyhow::Ok(came.into_iter().zip(moments).collect::<Vec<_>>())
    });
    publisher.send(&messages[0]).await?;
    publisher.finish().await?;
    let waited = timeout(DEADLINE, is_ready.wait_for(|ready| *ready)).await;
    waited.context("the first message did not come")??;
    let mut sent = vec![Instant::now()];
    let begun = tokio::time::Instant::now();
    for (number, message) in messages.iter().enumerate().skip(1) {
        sleep_until(begun + due(number, per_second)).await;
        sent.push(Instant::now());
        publisher.send(message).await?;
    }
    publisher.finish().await?;
    let came = timeout(DEADLINE, consuming).await.context("not all came")???;
    let arrived = came.into_iter().map(|(content, moment)| {
        let happened: Happened = serde_json::from_slice(&content)?;
        anyhow::Ok((moment, happened))
    });
    delays(&sent, &arrived.collect::<Result<Vec<_>>>()?)
}

/// How long messages took between two services, and where.
pub(crate) struct Travelled {
    pub(crate) whole: Vec<Duration>,
    /// From before the append until the writer of the log had it; from there until the writer of the copy had it; from
    /// there to the handler.
    pub(crate) parts: [Vec<Duration>; 3],
}

/// Two services. The first message shows that both are there, and is not counted.
pub(crate) async fn annals(
    ours: &Ours,
    namespace: &str,
    events: &[NewEvent],
    per_second: f64,
) -> Result<Travelled> {
    let transport = ours.inbox(namespace, SENDER)?;
    transport.declare(RECEIVER.into(), vec![SENDER.into()]).await?;
    let log = ours.store(&format!("{namespace}/{SENDER}/log"))?;
    let sender = Service::builder(SENDER);
    let sender = ours.start(sender, log.clone(), transport).await?;
    let copy = ours.store(&format!("{namespace}/{RECEIVER}/inbox"))?;
    let (receiver, seen) = receiver(ours, namespace, copy.clone()).await?;
    let append = |event: &NewEvent| {
        log.append(Append {
            events: vec![event.clone()],
            ..Append::default()
        })
    };
    append(&events[0]).await?;
    let mut arrived = seen.all(1).await?;
    let mut sent = vec![Instant::now()];
    let clocks = (Instant::now(), ours.world.now());
    let begun = tokio::time::Instant::now();
    let mut appending = JoinSet::new();
    for (number, event) in events.iter().enumerate().skip(1) {
        sleep_until(begun + due(number, per_second)).await;
        sent.push(Instant::now());
        appending.spawn(append(event));
    }
    while let Some(appended) = appending.join_next().await {
        appended??;
    }
    arrived.extend(seen.all(events.len() - 1).await?);
    sender.stop().await;
    receiver.stop().await;
    let moment = |at: Instant| clocks.1.after(at - clocks.0);
    Ok(Travelled {
        parts: parts(&sent, &arrived, &copy, moment).await?,
        whole: delays(&sent, &arrived)?,
    })
}

/// The parts of every way but the first, by the moments that the two stores wrote down.
async fn parts(
    sent: &[Instant],
    arrived: &[(Instant, Happened)],
    copy: &EmbeddedStore,
    moment: impl Fn(Instant) -> Timestamp,
) -> Result<[Vec<Duration>; 3]> {
    let mut written = HashMap::new();
    let mut from = Position::ZERO;
    while from < copy.end() {
        let page = copy.read(Read::new(Query::all(), from)).await?;
        for copied in page.events {
            let origin = copied.event.metadata.origin.as_ref();
            let origin = origin.context("a copy names no origin")?.recorded;
            written.insert(copied.event.id.as_uuid(), (origin, copied.recorded));
        }
        from = page.next;
    }
    let mut parts: [Vec<Duration>; 3] = Default::default();
    for (at, happened) in arrived.iter().skip(1) {
        let sent = sent.get(usize::try_from(happened.number)?);
        let sent = moment(*sent.context("a message came that was not sent")?);
        let (logged, copied) = *written.get(&happened.id).context("a message was not copied")?;
        let took = [
            logged.since(sent),
            copied.since(logged),
            moment(*at).since(copied),
        ];
        parts
            .iter_mut()
            .zip(took)
            .for_each(|(part, took)| part.push(took));
    }
    Ok(parts)
}

fn due(number: usize, per_second: f64) -> Duration {
    Duration::from_secs_f64((number - 1) as f64 / per_second)
}

/// The delays of all but the first, each message counted once.
fn delays(sent: &[Instant], arrived: &[(Instant, Happened)]) -> Result<Vec<Duration>> {
    let mut delays = vec![None; sent.len()];
    for (moment, happened) in arrived {
        let number = usize::try_from(happened.number)?;
        let sent = sent.get(number).context("a message came that was not sent")?;
        delays[number].get_or_insert(moment.saturating_duration_since(*sent));
    }
    let counted: Option<Vec<Duration>> = delays.into_iter().skip(1).collect();
    let Some(counted) = counted else {
        bail!("{} messages were sent, and not all came", sent.len());
    };
    Ok(counted)
}
