//! Groups: a durable pull consumer each.
//!
//! In: a group and its topics. Out: deliveries. What is not settled comes again: at once when the consumer is dropped in
//! order, else when [`ACK_WAIT`] has passed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Attempt, Bundle, Consumer, Delivery, Message, ReceiveError, Settle, SettleBundle, SettleWhole,
    Settlement, Subscribe, SubscribeError, Topic,
};
use annals_core::time::Timestamp;
use async_nats::jetstream::consumer::pull::{Config as PullConfig, Stream};
use async_nats::jetstream::consumer::{AckPolicy, Consumer as JetConsumer, DeliverPolicy, PriorityPolicy};
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Message as JetMessage};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::config::{durable, subject};
use super::convert::message;
use super::link::{Link, within};
use crate::link::{Arrived, Arriving, unavailable};
use crate::wire::Place;

/// What is in hand for longer, and of which nothing was said meanwhile, is handed out again.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(6);
/// So often the server is told that what is in hand is still being worked on.
const STILL_AT_IT: Duration = Duration::from_secs(2);
/// Messages in hand at once: two batches of a durable copy, so that one arrives while the other is flushed.
const PENDING_MAX: usize = 1_024;
/// Messages asked for at once; one at a time stalls the client for half a minute.
const PULL: usize = 500;

/// The one priority group of each consumer.
const PINNED: &str = "annals";
/// Whoever reads goes on reading while he asks at least this often; then it is another's turn. Longer than what he had in
/// hand takes to come again, and than the time since he asked: so the other gets that first, and the order holds.
const PINNED_FOR: Duration = Duration::from_secs(12);
/// He asks this often.
const PULLED_FOR: Duration = Duration::from_secs(3);

/// Makes the consumer of a group; one that hears other topics is changed.
pub(super) async fn declare(
    link: &Link,
    group: &str,
    topics: &[Topic],
) -> Result<JetConsumer<PullConfig>, SubscribeError> {
    let stream = link.stream().await.map_err(unavailable)?;
    let config = PullConfig {
        durable_name: Some(durable(group)),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        // Never given up by the server; whoever handles it parks it.
        max_deliver: -1,
        max_ack_pending: PENDING_MAX as i64,
        deliver_policy: DeliverPolicy::All,
        // One of several at a time, or two of them would work on one key at once.
        priority_policy: PriorityPolicy::PinnedClient,
        priority_groups: vec![PINNED.to_owned()],
        priority_timeout: PINNED_FOR,
        filter_subjects: topics.iter().map(|topic| subject(topic)).collect(),
        ..PullConfig::default()
    };
    within(stream.create_consumer(config))
        .await
        .map_err(|reason| unavailable(format!("the consumer {}: {reason}", durable(group))))
}

/// Messages of a group that nobody has settled.
pub(super) async fn waiting(link: &Link, group: &str) -> Result<u64, String> {
    let stream = link.stream().await?;
    let info = within(stream.consumer_info(durable(group))).await?;
    Ok(info.num_pending + info.num_ack_pending as u64)
}

pub(super) async fn open(link: &Arc<Link>, subscribe: Subscribe) -> Result<PullConsumer, SubscribeError> {
    let consumer = declare(link, &subscribe.group, &subscribe.topics).await?;
    let pulling = consumer
        .stream()
        .max_messages_per_batch(PULL)
        .heartbeat(PULLED_FOR / 3)
        .expires(PULLED_FOR)
        .group(PINNED)
        .messages();
    let stream = within(pulling).await.map_err(unavailable)?;
    let (in_hand, reads) = (InHand::default(), Arc::new(AtomicBool::new(false)));
    let (arrived, arriving) = Arriving::new("NATS", PENDING_MAX);
    let reading = read(stream, Arc::clone(&in_hand), Arc::clone(&reads), arrived);
    Ok(PullConsumer {
        arriving,
        reading: tokio::spawn(reading),
        still_at_it: tokio::spawn(still_at_it(Arc::clone(&in_hand))),
        in_hand,
        link: Arc::clone(link),
        durable: durable(&subscribe.group),
        reads,
    })
}

/// What was handed out and not settled, by its number in the stream, and since when.
type InHand = Arc<Mutex<BTreeMap<u64, (Instant, Arc<Acker>)>>>;

/// Tells the server of what takes long, or it would be handed out a second time meanwhile. Ends with the consumer.
async fn still_at_it(in_hand: InHand) {
    loop {
        tokio::time::sleep(STILL_AT_IT).await;
        let slow: Vec<Arc<Acker>> = {
            let in_hand = in_hand.lock().unwrap_or_else(PoisonError::into_inner);
            let slow = in_hand
                .values()
                .filter(|(since, _)| since.elapsed() >= STILL_AT_IT);
            slow.map(|(_, acker)| Arc::clone(acker)).collect()
        };
        for acker in slow {
            // An error means that the connection is gone; then it comes again, as it should.
            drop(within(acker.ack_with(AckKind::Progress)).await);
        }
    }
}

/// Reads until the subscription ends, and says why it did. It goes on asking while nobody fetches: whoever does not ask
/// loses his turn, also while he works on what he has. What waits here is what the server lets be in hand, at most.
async fn read(
    mut stream: Stream,
    in_hand: InHand,
    reads: Arc<AtomicBool>,
    arrived: mpsc::Sender<Arrived<Taken>>,
) {
    loop {
        let next = taken(stream.next().await, &in_hand);
        let ended = next.is_err();
        reads.fetch_or(!ended, Ordering::Relaxed);
        // An error means that nobody listens any more.
        if arrived.send(next).await.is_err() || ended {
            return;
        }
    }
}

/// A message that was handed out, and is in hand under its number in the stream.
struct Taken {
    message: Message,
    number: u64,
    published: Timestamp,
    attempt: Attempt,
}

impl Taken {
    fn delivery(self, in_hand: &InHand) -> Delivery {
        Delivery {
            message: self.message,
            taken: self.published,
            position: None,
            attempt: self.attempt,
            settle: Some(Box::new(Unsettled {
                number: self.number,
                in_hand: Arc::clone(in_hand),
            })),
        }
    }
}

fn taken<E: std::fmt::Display>(
    next: Option<Result<JetMessage, E>>,
    in_hand: &InHand,
) -> Result<Taken, ReceiveError> {
    let taken = match next {
        Some(Ok(message)) => message,
        Some(Err(error)) => return Err(ReceiveError::Lost(error.to_string())),
        None => return Err(ReceiveError::Lost("NATS ended the subscription".into())),
    };
    let info = taken
        .info()
        .map_err(|error| ReceiveError::Lost(error.to_string()))?;
    let number = info.stream_sequence;
    let attempt = u32::try_from(info.delivered).map_or(Attempt::Unknown, Attempt::Exact);
    let micros = info.published.unix_timestamp_nanos() / 1_000;
    let published = Timestamp::from_micros(i64::try_from(micros).unwrap_or(0));
    let message = message(&taken, Place::Numbered(number));
    let (_, acker) = taken.split();
    in_hand
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(number, (Instant::now(), Arc::new(acker)));
    Ok(Taken {
        message,
        number,
        published,
        attempt,
    })
}

/// Reads for a group.
pub(super) struct PullConsumer {
    arriving: Arriving<Taken>,
    reading: JoinHandle<()>,
    in_hand: InHand,
    still_at_it: JoinHandle<()>,
    link: Arc<Link>,
    durable: String,
    /// It was its turn at least once.
    reads: Arc<AtomicBool>,
}

impl Consumer for PullConsumer {
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(async move {
            let taken = self.arriving.fetch(max).await?.into_iter();
            Ok(taken.map(|one| one.delivery(&self.in_hand)).collect())
        })
    }

    fn next_bundle(&mut self, max: usize) -> BoxFuture<'_, Result<Bundle, ReceiveError>> {
        Box::pin(async move {
            let taken = self.arriving.fetch(max).await?.into_iter();
            let (messages, numbers) = taken.map(|one| (one.message, one.number)).unzip();
            let in_hand = Arc::clone(&self.in_hand);
            Ok(Bundle {
                messages,
                settle: SettleBundle::Whole(Box::new(Numbers { numbers, in_hand })),
            })
        })
    }
}

impl Drop for PullConsumer {
    fn drop(&mut self) {
        self.still_at_it.abort();
        self.reading.abort();
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let unsettled = std::mem::take(&mut *in_hand);
        let (link, durable) = (Arc::clone(&self.link), self.durable.clone());
        let reads = self.reads.load(Ordering::Relaxed);
        // Given back in order, and then the turn; without a runtime both come back when their time is up.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                for (_, acker) in unsettled.into_values() {
                    drop(within(acker.ack_with(AckKind::Nak(None))).await);
                }
                if let (true, Ok(stream)) = (reads, link.stream().await) {
                    drop(within(stream.unpin_consumer(&durable, PINNED)).await);
                }
            });
        }
    }
}

/// What is in hand under these numbers.
struct Numbers {
    numbers: Vec<u64>,
    in_hand: InHand,
}

impl SettleWhole for Numbers {
    /// Acknowledges one after the other; the client sends many of them at once.
    fn done(self: Box<Self>) -> BoxFuture<'static, Result<(), ReceiveError>> {
        Box::pin(async move {
            let ackers: Vec<_> = {
                let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
                self.numbers.iter().map(|number| in_hand.remove(number)).collect()
            };
            let acknowledged = within(async {
                for (_, acker) in ackers.iter().flatten() {
                    acker.ack_with(AckKind::Ack).await?;
                }
                Ok::<_, async_nats::Error>(())
            });
            acknowledged.await.map_err(ReceiveError::Lost)?;
            match ackers.iter().all(Option::is_some) {
                true => Ok(()),
                false => Err(gone()),
            }
        })
    }
}

fn gone() -> ReceiveError {
    ReceiveError::Lost("the consumer of this delivery is gone".into())
}

struct Unsettled {
    number: u64,
    in_hand: InHand,
}

impl Settle for Unsettled {
    fn settle(
        self: Box<Self>,
        settlement: Settlement,
        _message: Option<Message>,
    ) -> BoxFuture<'static, Result<(), ReceiveError>> {
        Box::pin(async move {
            let acker = self
                .in_hand
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&self.number);
            let Some((_, acker)) = acker else {
                return Err(gone());
            };
            let (kind, parked) = match settlement {
                Settlement::Done => (AckKind::Ack, false),
                Settlement::Retry { after } => (AckKind::Nak(Some(after)), false),
                Settlement::Park { .. } => (AckKind::Nak(None), true),
            };
            within(acker.ack_with(kind)).await.map_err(ReceiveError::Lost)?;
            if parked {
                return Err(ReceiveError::Lost(
                    "NATS puts nothing aside; it comes back".into(),
                ));
            }
            Ok(())
        })
    }
}
