//! How fast messages are taken in: by a bare client, by the durable inbox, and by a service whose handler is called for
//! each.
//!
//! In: a queue that is full. Out: messages per second, and what came. Joining and the first delivery are not counted on
//! any side.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals::core::event::NewEvent;
use annals::core::port::store::{EventStore, Read};
use annals::core::port::transport::{Start, Subscribe, Transport};
use annals::core::position::Position;
use annals::core::query::Query;
use annals::{Context, Dep, Service, handler};
use annals_store::EmbeddedStore;
use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::bare::{Bare, Consume};
use crate::figures::rate;
use crate::message::{Happened, SENDER};
use crate::ours::{BATCH_MAX, Ours, RECEIVER, append_all};
use crate::processor::{each, spent};
use crate::publishing::DEADLINE;

/// Between two looks at how far the copying is.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What came, how fast, and for how much of the processor.
pub(crate) struct Taken<T = Bytes> {
    pub(crate) rate: f64,
    /// Nanoseconds of the processor for each message.
    pub(crate) spent: f64,
    pub(crate) came: Vec<T>,
}

/// When, and how much of the processor this process had until then.
struct Moment {
    at: Instant,
    spent: Duration,
}

impl Moment {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            spent: spent(),
        }
    }

    /// How long it took, and how much of the processor.
    fn until(&self, end: &Self) -> (Duration, Duration) {
        (end.at - self.at, end.spent - self.spent)
    }
}

/// The bare client.
pub(crate) async fn bare<B: Bare>(broker: &B, lane: &str, count: usize) -> Result<Taken> {
    let mut consumer = broker.consumer(lane).await?;
    let mut came = Vec::with_capacity(count);
    let mut first = None;
    while came.len() < count {
        let Ok(taken) = timeout(DEADLINE, consumer.take(&mut came)).await else {
            bail!("{} of {count} came within {DEADLINE:?}", came.len());
        };
        taken?;
        first.get_or_insert_with(|| (came.len(), Moment::now()));
        consumer.settle().await?;
    }
    taken(first, came)
}

/// The durable inbox: what is counted is durable copies, while those before are settled. Read and compared afterwards; also
/// answers what the copy holds, as it lies there.
pub(crate) async fn copied(ours: &Ours, namespace: &str, count: usize) -> Result<(Taken, Vec<NewEvent>)> {
    let copy = ours.store(&format!("{namespace}/{RECEIVER}/inbox"))?;
    let inbox = ours.inbox_on(namespace, copy.clone())?;
    let subscribe = Subscribe {
        group: RECEIVER.into(),
        topics: vec![SENDER.into()],
        start: Start::At(Position::ZERO),
    };
    let mut reader = inbox.subscribe(subscribe).await?;
    let (before, begun) = copies(&copy, 1).await?;
    let (all, ended) = copies(&copy, count).await?;
    let (took, spent) = begun.until(&ended);
    let mut came = Vec::with_capacity(all);
    while came.len() < all {
        let Ok(next) = timeout(DEADLINE, reader.next(BATCH_MAX)).await else {
            bail!("{} of {all} copies could be read within {DEADLINE:?}", came.len());
        };
        for delivery in next? {
            came.push(content(&delivery.message.event)?);
        }
    }
    let taken = Taken {
        rate: rate(all - before, took),
        spent: each(all - before, spent),
        came,
    };
    Ok((taken, held(&copy).await?))
}

/// Everything a store holds.
async fn held(store: &EmbeddedStore) -> Result<Vec<NewEvent>> {
    let (mut held, end) = (Vec::new(), store.end());
    let mut from = Position::ZERO;
    while from < end {
        let page = store.read(Read::new(Query::all(), from)).await?;
        held.extend(page.events.into_iter().map(|recorded| recorded.event));
        from = page.next;
    }
    Ok(held)
}

/// Waits until a store holds so many, and answers how many it holds, and when.
async fn copies(store: &EmbeddedStore, count: usize) -> Result<(usize, Moment)> {
    let begun = Instant::now();
    loop {
        let held = usize::try_from(store.end().get())?;
        if held >= count {
            return Ok((held, Moment::now()));
        }
        ensure!(
            begun.elapsed() < DEADLINE,
            "{held} of {count} were copied within {DEADLINE:?}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The content of a message that carries the id it was sent with.
fn content(event: &NewEvent) -> Result<Bytes> {
    let happened: Happened = serde_json::from_slice(&event.data)?;
    ensure!(
        happened.id == event.id.as_uuid(),
        "the message {} came as {}",
        happened.id,
        event.id
    );
    Ok(event.data.clone())
}

fn taken<T>(first: Option<(usize, Moment)>, came: Vec<T>) -> Result<Taken<T>> {
    let Some((before, begun)) = first else {
        bail!("nothing came");
    };
    let (took, spent) = begun.until(&Moment::now());
    Ok(Taken {
        rate: rate(came.len() - before, took),
        spent: each(came.len() - before, spent),
        came,
    })
}

/// What a handler has seen.
#[derive(Default)]
pub(crate) struct Seen {
    came: Mutex<Vec<(Instant, Happened)>>,
    more: Notify,
}

impl Seen {
    fn note(&self, happened: Happened) {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.push((Instant::now(), happened));
        self.more.notify_one();
    }

    /// Waits for so many, and takes them.
    pub(crate) async fn all(&self, count: usize) -> Result<Vec<(Instant, Happened)>> {
        let begun = Instant::now();
        loop {
            let seen = {
                let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
                if came.len() >= count {
                    return Ok(std::mem::take(&mut came));
                }
                came.len()
            };
            ensure!(
                begun.elapsed() < DEADLINE,
                "{seen} of {count} were handled within {DEADLINE:?}"
            );
            // A look now and then, so that the deadline is kept.
            drop(timeout(Duration::from_secs(1), self.more.notified()).await);
        }
    }
}

#[handler]
async fn notice(message: Happened, _cx: Context, Dep(seen): Dep<Seen>) -> Result<(), Infallible> {
    seen.note(message);
    Ok(())
}

/// A receiving service, with its copy of what comes in this store; and what its handler sees.
pub(crate) async fn receiver(
    ours: &Ours,
    namespace: &str,
    copy: EmbeddedStore,
) -> Result<(Service, Arc<Seen>)> {
    let seen = Arc::new(Seen::default());
    let builder = Service::builder(RECEIVER)
        .listens_to(SENDER)
        .handler::<Happened>()
        .provide(Arc::clone(&seen));
    let log = ours.store(&format!("{namespace}/{RECEIVER}/log"))?;
    let inbox = ours.inbox_on(namespace, copy)?;
    let service = ours.start(builder, log, inbox).await?;
    Ok((service, seen))
}

/// A whole service: copied, settled, handled, the effect of each durable.
pub(crate) async fn handled(ours: &Ours, namespace: &str, count: usize) -> Result<Taken> {
    let copy = ours.store(&format!("{namespace}/{RECEIVER}/inbox"))?;
    let (service, seen) = receiver(ours, namespace, copy).await?;
    let begun = spent();
    let all = seen.all(count).await?;
    let spent = spent() - begun;
    service.stop().await;
    let (first, last) = (all[0].0, all[all.len() - 1].0);
    let came: Result<Vec<Bytes>, _> = all
        .iter()
        .map(|(_, happened)| serde_json::to_vec(happened).map(Bytes::from))
        .collect();
    Ok(Taken {
        rate: rate(all.len() - 1, last - first),
        spent: each(all.len(), spent),
        came: came?,
    })
}

/// How fast events are appended to a store that is named for them, in batches as the durable inbox makes them at most.
pub(crate) async fn appended(
    ours: &Ours,
    namespace: &str,
    name: &str,
    events: &[NewEvent],
) -> Result<(f64, f64)> {
    let store = ours.store(&format!("{namespace}/{name}"))?;
    let begun = Moment::now();
    append_all(&store, events).await?;
    let (took, spent) = begun.until(&Moment::now());
    Ok((rate(events.len(), took), each(events.len(), spent)))
}
