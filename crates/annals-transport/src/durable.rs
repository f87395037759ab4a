//! The durable inbox: copies what a broker delivers into a log in our own keeping, then settles with the broker.
//!
//! In: a transport over a real broker, and an embedded broker on a store of this service. Out: a transport that
//! publishes to the real broker and is read from the copy, which can be read again from any position: retries, parking
//! and order work alike over every broker. Knows no particular broker.
//!
//! Invariant: a delivery is settled only after its copy is durable. A message that comes again is copied once, by its
//! id, for as long as the copy is kept; nothing is ever cut off from the copy, so that is for ever.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use annals_core::event::{NewEvent, Purpose};
use annals_core::id::EventId;
use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Bundle, Capabilities, Consumer, Delivery, Health, Listener, Message, Outcomes, Published, ReceiveError,
    Settle, SettleBundle, Settlement, Start, Subscribe, SubscribeError, Topic, Transport, UNDECODABLE,
};
use annals_core::position::Position;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use smol_str::SmolStr;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::embedded::EmbeddedBroker;

/// Deliveries copied in one commit, at most.
const BATCH_MAX: usize = 2_048;
/// Batches that wait to be copied, and batches that wait to be settled.
const WAITING_MAX: usize = 1;
/// The first and the longest pause after a failure; each is twice the one before, until a subscription brings something or
/// stands for longer than the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// The pause when the broker does not let us in: asking again is of little use, and some brokers shut out who asks often.
const DENIED_PAUSE: Duration = Duration::from_secs(60);
/// When a subscription gives nothing for so long, the broker is asked whether anything waits there.
const QUIET_LOOK: Duration = Duration::from_secs(10);
/// A subscription that gave nothing between so many looks although something waits is opened anew: some clients stop
/// hearing without saying so. Where the broker cannot be asked, it is after three times as many.
const LOOKS: u32 = 2;
/// A broker that has not answered a settlement after this long is taken for gone; the message comes again.
const SETTLE_PATIENCE: Duration = Duration::from_secs(15);

/// A transport that keeps a durable copy of what it takes in. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct DurableInbox {
    shared: Arc<Shared>,
}

struct Shared {
    remote: Arc<dyn Transport>,
    copy: EmbeddedBroker,
    /// What keeps the copying from going on, if anything does.
    trouble: Mutex<Option<String>>,
}

impl DurableInbox {
    /// Publishes to `remote`, and keeps what comes from there in `copy`, which no other service may have.
    pub fn new(remote: Arc<dyn Transport>, copy: EmbeddedBroker) -> Self {
        let shared = Shared {
            remote,
            copy,
            trouble: Mutex::new(Some("not connected yet".to_owned())),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Transport for DurableInbox {
    fn capabilities(&self) -> Capabilities {
        let remote = self.shared.remote.capabilities();
        Capabilities {
            replay: true,
            exact_dedupe: true,
            parks: false,
            ..remote
        }
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        self.shared.remote.publish(batch)
    }

    fn hand_over(&self, batch: Vec<Message>) -> BoxFuture<'_, Outcomes> {
        self.shared.remote.hand_over(batch)
    }

    /// What waits in the copy; what still waits at the broker is not counted.
    fn lag(&self, topics: Vec<Topic>, from: Position) -> BoxFuture<'_, Option<u64>> {
        Transport::lag(&self.shared.copy, topics, from)
    }

    fn backlog(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Option<u64>> {
        self.shared.remote.backlog(group, topics)
    }

    fn health(&self) -> Health {
        match (self.shared.remote.health(), self.shared.trouble()) {
            (Health::Up, Some(trouble)) => Health::Degraded(trouble),
            (health, _) => health,
        }
    }

    fn declare(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), SubscribeError>> {
        self.shared.remote.declare(group, topics)
    }

    fn broadcast(&self, channel: Topic, said: Bytes) -> BoxFuture<'_, Result<(), SubscribeError>> {
        self.shared.remote.broadcast(channel, said)
    }

    fn listen(&self, channel: Topic) -> BoxFuture<'_, Result<Box<dyn Listener>, SubscribeError>> {
        self.shared.remote.listen(channel)
    }

    /// Reads the copy, and copies for as long as the consumer is there. One consumer of a group at a time.
    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        Box::pin(async move {
            if subscribe.start == Start::Group {
                return Err(SubscribeError::Unsupported(
                    "keep the checkpoint of a group; the reader of a durable copy keeps its own".into(),
                ));
            }
            let remote = Subscribe {
                start: Start::Group,
                ..subscribe.clone()
            };
            let reader = self.shared.copy.subscribe(subscribe).await?;
            let copying = tokio::spawn(copy(Arc::clone(&self.shared), remote));
            let consumer = Copied { reader, copying };
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }
}

/// Reads the copy; the copying ends with it.
struct Copied {
    reader: Box<dyn Consumer>,
    copying: JoinHandle<()>,
}

impl Consumer for Copied {
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        self.reader.next(max)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // What was taken and not settled comes again; what was copied already is known by its id.
        self.copying.abort();
    }
}

impl Shared {
    fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// Subscribes, copies until that ends, pauses, and again; until it is aborted.
async fn copy(shared: Arc<Shared>, subscribe: Subscribe) {
    let mut pause = PAUSES.0;
    loop {
        let (mut copied, mut denied, began) = (0, false, Instant::now());
        let trouble = match shared.remote.subscribe(subscribe.clone()).await {
            Err(error) => {
                denied = matches!(error, SubscribeError::Denied(_));
                error.to_string()
            }
            Ok(mut consumer) => {
                shared.set_trouble(None);
                copy_all(&shared, &subscribe, &mut *consumer, &mut copied).await
            }
        };
        if let Some(trouble) = trouble_of(trouble) {
            tracing::warn!(group = %subscribe.group, "the durable inbox lost its subscription: {trouble}");
            shared.set_trouble(Some(trouble));
        }
        pause = if copied > 0 || began.elapsed() > PAUSES.1 {
            PAUSES.0
        } else {
            (pause * 2).min(PAUSES.1)
        };
        tokio::time::sleep(if denied { DENIED_PAUSE } else { pause }).await;
    }
}

/// How often nothing came although something waited.
#[derive(Debug, Default)]
struct Silence {
    looks: u32,
}

impl Silence {
    /// Takes in what waits at the broker while nothing comes, and says whether the subscription is to be given up.
    fn is_suspicious(&mut self, waiting: Option<u64>) -> bool {
        if let Some(waiting) = waiting {
            metrics::gauge!("annals_inbox_backlog_messages").set(waiting as f64);
        }
        self.looks += match waiting {
            Some(0) => 0,
            Some(_) => 3,
            None => 1,
        };
        self.looks >= 3 * LOOKS
    }
}

/// Silence is no trouble.
fn trouble_of(ended: String) -> Option<String> {
    (!ended.is_empty()).then_some(ended)
}

/// Copies until the subscription ends, and says why it did; nothing if it was only quiet.
///
/// Receiving, copying and settling go on side by side, each in the order of what came: a disk that flushes keeps no
/// message from arriving, and a broker that settles keeps none from being copied. All on one thread: what was received
/// is still in its caches when it is copied, and goes back to the memory that it came from.
async fn copy_all(
    shared: &Shared,
    subscribe: &Subscribe,
    consumer: &mut dyn Consumer,
    copied: &mut usize,
) -> String {
    let (received, receiving) = mpsc::channel(WAITING_MAX);
    let (kept, keeping) = mpsc::channel(WAITING_MAX);
    // What they have in hand when one of them ends comes again.
    tokio::select! {
        biased;
        ended = settle_all(keeping) => ended,
        ended = keep_all(shared, receiving, kept) => ended,
        ended = receive_all(shared, subscribe, consumer, received, copied) => ended,
    }
}

/// Receives until the subscription ends, and says why it did; nothing if it was only quiet.
async fn receive_all(
    shared: &Shared,
    subscribe: &Subscribe,
    consumer: &mut dyn Consumer,
    received: mpsc::Sender<Bundle>,
    copied: &mut usize,
) -> String {
    let mut silence = Silence::default();
    loop {
        let bundle = match tokio::time::timeout(QUIET_LOOK, consumer.next_bundle(BATCH_MAX)).await {
            Ok(Ok(bundle)) => bundle,
            Ok(Err(error)) => return error.to_string(),
            Err(_quiet) => {
                let (group, topics) = (subscribe.group.clone(), subscribe.topics.clone());
                if silence.is_suspicious(shared.remote.backlog(group, topics).await) {
                    metrics::counter!("annals_inbox_subscriptions_rebuilt_total").increment(1);
                    return String::new();
                }
                continue;
            }
        };
        silence = Silence::default();
        *copied += bundle.messages.len();
        // An error means that the copying has ended; it says why.
        drop(received.send(bundle).await);
    }
}

/// Copies what was received, and hands on what is to be settled; ends with whoever gets that.
async fn keep_all(
    shared: &Shared,
    mut receiving: mpsc::Receiver<Bundle>,
    kept: mpsc::Sender<SettleBundle>,
) -> String {
    while let Some(Bundle { messages, settle }) = receiving.recv().await {
        let count = messages.len();
        let before = shared.copy.end();
        keep(shared, messages).await;
        let fresh = shared.copy.end().get().saturating_sub(before.get());
        let again = (count as u64).saturating_sub(fresh);
        metrics::counter!("annals_inbox_duplicates_total").increment(again);
        metrics::counter!("annals_inbox_copied_total").increment(count as u64);
        if kept.send(settle).await.is_err() {
            break;
        }
    }
    // Whoever settles says why; this is not heard.
    std::future::pending().await
}

/// Settles what is copied, until that fails, and says why it did.
async fn settle_all(mut keeping: mpsc::Receiver<SettleBundle>) -> String {
    while let Some(settle) = keeping.recv().await {
        match tokio::time::timeout(SETTLE_PATIENCE, settle_bundle(settle)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_late) => return "the broker did not take settlements in time".into(),
        }
    }
    "the copying ended".into()
}

async fn settle_bundle(settle: SettleBundle) -> Result<(), ReceiveError> {
    match settle {
        SettleBundle::Whole(whole) => whole.done().await,
        SettleBundle::OneByOne(settles) => settle_each(settles).await,
    }
}

/// Settles each as done, all at once. Where a broker need not be asked, the answer is there already and nothing waits.
async fn settle_each(settles: Vec<Box<dyn Settle>>) -> Result<(), ReceiveError> {
    let mut waiting = Vec::new();
    for settle in settles {
        let mut settling = settle.settle(Settlement::Done, None);
        match (&mut settling).now_or_never() {
            Some(settled) => settled?,
            None => waiting.push(settling),
        }
    }
    try_join_all(waiting).await.map(drop)
}

/// Copies until all are durable. Mostly all of them can be appended at once.
async fn keep(shared: &Shared, messages: Vec<Message>) {
    if let Err(messages) = shared.copy.publish_whole(messages).await {
        keep_each(shared, messages).await;
    }
    shared.set_trouble(None);
}

/// Copies until all are durable. What our log cannot take as a message is kept as the bytes it has.
async fn keep_each(shared: &Shared, mut messages: Vec<Message>) {
    let mut pause = PAUSES.0;
    let mut replaced = BTreeSet::new();
    while !messages.is_empty() {
        let outcomes = shared.copy.publish_lent(&messages).await;
        let mut again = Vec::new();
        let mut unknown = false;
        for (message, outcome) in messages.into_iter().zip(outcomes) {
            match outcome {
                Published::Stored => {}
                Published::Refused(reason) if replaced.insert(message.event.id) => {
                    let verbatim = verbatim(message, &reason);
                    replaced.insert(verbatim.event.id);
                    again.push(verbatim);
                }
                // Taken under this very name before.
                Published::Refused(_) => {}
                Published::Unknown(reason) => {
                    shared.set_trouble(Some(format!("the copy cannot be written: {reason}")));
                    unknown = true;
                    again.push(message);
                }
            }
        }
        messages = again;
        if unknown {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// The content of a message that cannot be kept as what it is, under a name of its own.
fn verbatim(message: Message, reason: &str) -> Message {
    let Message { topic, event } = message;
    tracing::error!(id = %event.id, %topic, "a message is kept as bytes, because it cannot be kept as it is: {reason}");
    let space = event.id.as_uuid();
    let event = NewEvent {
        id: EventId::from_uuid(Uuid::new_v5(&space, &event.data)),
        event_type: UNDECODABLE,
        version: 1,
        purpose: Purpose::Command,
        tags: Vec::new(),
        ..event
    };
    Message { topic, event }
}

#[cfg(test)]
mod tests {
    use super::Silence;

    #[test]
    fn silence_is_suspicious_only_where_something_may_wait() {
        let mut silence = Silence::default();
        assert!((0..100).all(|_| !silence.is_suspicious(Some(0))));
        assert!(!silence.is_suspicious(Some(3)));
        assert!(silence.is_suspicious(Some(3)));
        let mut silence = Silence::default();
        let looks = (1..).find(|_| silence.is_suspicious(None));
        assert_eq!(looks, Some(6), "a minute of it, where nobody can be asked");
    }
}
