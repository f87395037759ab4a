//! Groups: consumer groups, with the watermark of every partition kept here.
//!
//! In: a group and its topics. Out: deliveries in the order of each partition. What is not finished comes again after
//! the consumer is gone, together with what was finished behind it.
//!
//! Invariant: a partition that was taken away is committed as far as it was finished, and settled no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Attempt, Bundle, Consumer, Delivery, Message, ReceiveError, Settle, SettleBundle, SettleWhole,
    Settlement, Subscribe, Topic,
};
use annals_core::time::Timestamp;
use bytes::BytesMut;
use futures_util::{FutureExt, StreamExt};
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer as _, ConsumerContext, MessageStream, Rebalance, StreamConsumer,
};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, Message as _, Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::config::{Config, PREFIX};
use super::convert::message;
use super::watermark::Watermark;
use crate::link::DEADLINE;

/// Who leaves a group waits for the broker no longer than this.
const GOODBYE: Duration = Duration::from_secs(5);

/// A bundle of so many bytes of content takes no more records: who copies it has it in memory several times.
const BUNDLE_BYTES: usize = 4 << 20;

/// Records that a batch has room for before it grows.
const ROOM: usize = 128;

type Partition = (Arc<str>, i32);

/// What is known of the partitions that are ours just now. A partition that comes back begins a new generation.
#[derive(Default)]
struct Ours {
    watermarks: BTreeMap<Partition, (u64, Watermark)>,
    generations: u64,
}

#[derive(Clone, Default)]
pub(super) struct Watching {
    ours: Arc<Mutex<Ours>>,
}

impl Watching {
    fn ours(&self) -> std::sync::MutexGuard<'_, Ours> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record of a partition is handed out.
    fn begin(&self, partition: &Partition, record: i64) -> Stretch {
        let mut ours = self.ours();
        let fresh = ours.generations + 1;
        let entry = ours.watermarks.entry(partition.clone());
        let (generation, watermark) = entry.or_insert_with(|| (fresh, Watermark::default()));
        watermark.begin(record);
        let generation = *generation;
        ours.generations = ours.generations.max(generation);
        Stretch {
            partition: partition.clone(),
            generation,
            first: record,
            last: record,
            records: 1,
        }
    }

    /// Stretches became longer since they were begun. One whose partition was taken away meanwhile is lost, and comes again.
    fn extend(&self, stretches: &[Stretch]) {
        let mut ours = self.ours();
        for stretch in stretches {
            if let Some((generation, watermark)) = ours.watermarks.get_mut(&stretch.partition)
                && *generation == stretch.generation
            {
                watermark.extend(stretch.last);
            }
        }
    }

    /// Everything of a stretch is finished.
    fn finish(&self, reader: &Reader, stretch: &Stretch) -> Result<(), ReceiveError> {
        let mut ours = self.ours();
        let (generation, watermark) = ours.watermarks.get_mut(&stretch.partition).ok_or_else(lost)?;
        if *generation != stretch.generation {
            return Err(lost());
        }
        let Some(reached) = watermark.finish(stretch.first, stretch.records) else {
            return Ok(());
        };
        reader
            .store_offset(&stretch.partition.0, stretch.partition.1, reached)
            .map_err(|error| ReceiveError::Lost(error.to_string()))
    }
}

fn lost() -> ReceiveError {
    ReceiveError::Lost("the partition of this delivery was taken away".into())
}

/// Records of one partition that were handed out one behind the other and are finished together.
struct Stretch {
    partition: Partition,
    generation: u64,
    first: i64,
    last: i64,
    records: usize,
}

impl Stretch {
    fn extend(&mut self, record: i64) {
        self.last = self.last.max(record);
        self.records += 1;
    }
}

impl ClientContext for Watching {}

impl ConsumerContext for Watching {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(partitions) = rebalance else {
            return;
        };
        let mut ours = self.ours();
        for partition in partitions.elements() {
            let name = (partition.topic().into(), partition.partition());
            if let Some((_, mut watermark)) = ours.watermarks.remove(&name) {
                store(consumer, &name, watermark.reached());
            }
        }
        // What was stored and not committed yet; an error means there was nothing, or it comes again. The client waits for it
        // before it gives the partition up; to wait here would be to wait for ever where the broker is gone.
        drop(consumer.commit_consumer_state(CommitMode::Async));
    }
}

type Reader = StreamConsumer<Watching>;

/// Says that a partition that goes away is finished up to here.
fn store(consumer: &impl rdkafka::consumer::Consumer<Watching>, partition: &Partition, reached: Option<i64>) {
    if let Some(reached) = reached {
        // An error means that it has gone already: what was finished comes again.
        drop(consumer.store_offset(&partition.0, partition.1, reached));
    }
}

pub(super) fn open(config: &Config, subscribe: &Subscribe) -> Result<GroupConsumer, String> {
    let watching = Watching::default();
    let client = config.consumer(&subscribe.group);
    let reader: Reader = client
        .create_with_context(watching.clone())
        .map_err(|error| error.to_string())?;
    let every = format!("^{}.*", PREFIX.replace('.', "\\."));
    let names: Vec<String> = subscribe
        .topics
        .iter()
        .map(|topic| format!("{PREFIX}{topic}"))
        .collect();
    let mut topics: Vec<&str> = names.iter().map(String::as_str).collect();
    if topics.is_empty() {
        topics.push(&every);
    }
    reader.subscribe(&topics).map_err(|error| error.to_string())?;
    let (retry, retried) = mpsc::unbounded_channel();
    Ok(GroupConsumer {
        reader: Some(Arc::new(reader)),
        watching,
        last: (("".into(), 0), Topic::default()),
        room: 0,
        content_room: 0,
        retry,
        retried,
    })
}

/// Records behind what a group has committed, of its topics or else of all. Waits for the broker.
pub(super) fn waiting(config: &Config, group: &str, topics: &[Topic]) -> Result<u64, KafkaError> {
    let asker: BaseConsumer = config.consumer(group).create()?;
    let known = asker.fetch_metadata(None, DEADLINE)?;
    let is_ours = |name: &str| {
        name.strip_prefix(PREFIX)
            .is_some_and(|topic| topics.is_empty() || topics.iter().any(|one| one == topic))
    };
    let mut partitions = TopicPartitionList::new();
    for topic in known.topics().iter().filter(|topic| is_ours(topic.name())) {
        for partition in topic.partitions() {
            partitions.add_partition(topic.name(), partition.id());
        }
    }
    let committed = asker.committed_offsets(partitions, DEADLINE)?;
    let mut waiting = 0;
    for partition in committed.elements() {
        let (first, end) = asker.fetch_watermarks(partition.topic(), partition.partition(), DEADLINE)?;
        let reached = match partition.offset() {
            Offset::Offset(reached) => reached.max(first),
            _ => first,
        };
        waiting += u64::try_from(end - reached).unwrap_or(0);
    }
    Ok(waiting)
}

/// Reads for a group.
pub(super) struct GroupConsumer {
    /// Taken when it is dropped.
    reader: Option<Arc<Reader>>,
    watching: Watching,
    /// Where the last record came from, and its topic; most likely the next comes from there too.
    last: (Partition, Topic),
    /// Messages of the last bundle, and the bytes of their content.
    room: usize,
    content_room: usize,
    retry: mpsc::UnboundedSender<Delivery>,
    /// What is to be handed out once more; at most what is in hand.
    retried: mpsc::UnboundedReceiver<Delivery>,
}

/// What a call waits for.
enum First<'a> {
    Again(Box<Delivery>),
    Record(Result<BorrowedMessage<'a>, KafkaError>),
}

async fn first<'a>(
    retried: &mut mpsc::UnboundedReceiver<Delivery>,
    records: &mut MessageStream<'a, Watching>,
) -> Result<First<'a>, ReceiveError> {
    loop {
        tokio::select! {
            biased;
            Some(again) = retried.recv() => return Ok(First::Again(Box::new(again))),
            Some(record) = records.next() => match record {
                // It was made a moment ago, and the broker has not heard of it everywhere; the client asks again.
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {}
                record => return Ok(First::Record(record)),
            },
            else => return Err(ReceiveError::Closed),
        }
    }
}

impl GroupConsumer {
    async fn receive(&mut self, max: usize) -> Result<Vec<Delivery>, ReceiveError> {
        let Some(reader) = self.reader.clone() else {
            return Err(ReceiveError::Closed);
        };
        let mut records = reader.stream();
        let first = match first(&mut self.retried, &mut records).await? {
            First::Again(again) => *again,
            First::Record(record) => self.delivery(record)?,
        };
        let mut deliveries = Vec::with_capacity(max.min(ROOM));
        deliveries.push(first);
        while deliveries.len() < max
            && let Some(Some(record)) = records.next().now_or_never()
        {
            match self.delivery(record) {
                Ok(delivery) => deliveries.push(delivery),
                // The next call meets the same trouble, or it has passed.
                Err(_) => break,
            }
        }
        Ok(deliveries)
    }

    /// As [`GroupConsumer::receive`], with one note for each stretch of records of one partition instead of one for each.
    async fn receive_bundle(&mut self, max: usize) -> Result<Bundle, ReceiveError> {
        let Some(reader) = self.reader.clone() else {
            return Err(ReceiveError::Closed);
        };
        let mut records = reader.stream();
        let record = match first(&mut self.retried, &mut records).await? {
            First::Again(again) => return Ok(vec![*again].into()),
            First::Record(record) => record,
        };
        let mut record = record.map_err(|error| ReceiveError::Lost(error.to_string()))?;
        // A full bundle mostly follows a full one.
        let mut messages = Vec::with_capacity(self.room.min(max));
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut content = BytesMut::with_capacity(self.content_room);
        let mut bytes = 0;
        loop {
            let (topic, offset) = (self.topic(&record), record.offset());
            match stretches.iter_mut().rfind(|one| one.partition == self.last.0) {
                Some(stretch) => stretch.extend(offset),
                None => stretches.push(self.watching.begin(&self.last.0, offset)),
            }
            bytes += record.payload().map_or(0, <[u8]>::len);
            messages.push(message(&record, topic, &mut content));
            if messages.len() == max || bytes >= BUNDLE_BYTES {
                break;
            }
            match records.next().now_or_never() {
                Some(Some(Ok(next))) => record = next,
                // The next call meets the same trouble, or it has passed.
                _ => break,
            }
        }
        (self.room, self.content_room) = (messages.len(), bytes);
        self.watching.extend(&stretches);
        let settle = Stretches {
            stretches,
            reader: Arc::downgrade(&reader),
            watching: self.watching.clone(),
        };
        Ok(Bundle {
            messages,
            settle: SettleBundle::Whole(Box::new(settle)),
        })
    }

    /// Notes where a record comes from, and says the topic that this is for us.
    fn topic(&mut self, record: &BorrowedMessage<'_>) -> Topic {
        let (partition, topic) = &mut self.last;
        let name = record.topic();
        if &*partition.0 != name {
            partition.0 = name.into();
            *topic = name.strip_prefix(PREFIX).unwrap_or(name).into();
        }
        partition.1 = record.partition();
        topic.clone()
    }

    fn delivery(
        &mut self,
        record: Result<BorrowedMessage<'_>, KafkaError>,
    ) -> Result<Delivery, ReceiveError> {
        let record = record.map_err(|error| ReceiveError::Lost(error.to_string()))?;
        let topic = self.topic(&record);
        let stretch = self.watching.begin(&self.last.0, record.offset());
        let taken = record.timestamp().to_millis().unwrap_or(0).saturating_mul(1_000);
        let unsettled = Unsettled {
            stretch,
            taken: Timestamp::from_micros(taken),
            attempt: 1,
            reader: self.reader.as_ref().map_or_else(Weak::new, Arc::downgrade),
            watching: self.watching.clone(),
            retry: self.retry.clone(),
        };
        Ok(unsettled.delivery(message(&record, topic, &mut BytesMut::new())))
    }
}

impl Consumer for GroupConsumer {
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(self.receive(max))
    }

    fn next_bundle(&mut self, max: usize) -> BoxFuture<'_, Result<Bundle, ReceiveError>> {
        Box::pin(self.receive_bundle(max))
    }
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        let reader = self.reader.take();
        let finished = std::mem::take(&mut self.watching.ours().watermarks);
        for (partition, (_, mut watermark)) in finished {
            reader
                .iter()
                .for_each(|reader| store(&**reader, &partition, watermark.reached()));
        }
        let (left, leaving) = std::sync::mpsc::channel::<()>();
        // Leaving a group waits for the broker, and for ever where it is gone with a commit on its way.
        std::thread::spawn(move || {
            if let Some(reader) = &reader {
                drop(reader.commit_consumer_state(CommitMode::Async));
                reader.unsubscribe();
            }
            drop((reader, left));
        });
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // A process that ends says goodbye, and ends all the same.
            runtime.spawn_blocking(move || leaving.recv_timeout(GOODBYE).is_ok());
        }
    }
}

/// The stretches of a bundle.
struct Stretches {
    stretches: Vec<Stretch>,
    /// Gone with its consumer.
    reader: Weak<Reader>,
    watching: Watching,
}

impl Stretches {
    /// Finishes all of them, and says what went wrong with one.
    fn finish(&self) -> Result<(), ReceiveError> {
        // Before the lock, so that it is let go behind it: the last one to let go leaves the group, which takes the lock.
        let reader = self.reader.upgrade().ok_or_else(lost)?;
        let finished = self
            .stretches
            .iter()
            .map(|one| self.watching.finish(&reader, one));
        finished.fold(Ok(()), Result::and)
    }
}

impl SettleWhole for Stretches {
    fn done(self: Box<Self>) -> BoxFuture<'static, Result<(), ReceiveError>> {
        Box::pin(std::future::ready(self.finish()))
    }
}

struct Unsettled {
    /// This one record.
    stretch: Stretch,
    taken: Timestamp,
    attempt: u32,
    /// Gone with its consumer.
    reader: Weak<Reader>,
    watching: Watching,
    retry: mpsc::UnboundedSender<Delivery>,
}

impl Unsettled {
    fn delivery(self, message: Message) -> Delivery {
        Delivery {
            message,
            taken: self.taken,
            position: None,
            // Kafka does not count; what was handed out before a restart is not known.
            attempt: Attempt::AtLeast(self.attempt),
            settle: Some(Box::new(self)),
        }
    }

    fn finish(&self) -> Result<(), ReceiveError> {
        // Before the lock, so that it is let go behind it: the last one to let go leaves the group, which takes the lock.
        let reader = self.reader.upgrade().ok_or_else(lost)?;
        self.watching.finish(&reader, &self.stretch)
    }

    /// Hands it out once more; the watermark stays before it meanwhile.
    fn again(mut self: Box<Self>, message: Message, after: Duration) {
        self.attempt = self.attempt.saturating_add(1);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let retry = self.retry.clone();
            // An error means that the consumer is gone: it comes again to the next one.
            drop(retry.send(self.delivery(message)));
        });
    }
}

impl Settle for Unsettled {
    fn settle(
        self: Box<Self>,
        settlement: Settlement,
        message: Option<Message>,
    ) -> BoxFuture<'static, Result<(), ReceiveError>> {
        let lost = |reason: &str| Err(ReceiveError::Lost(reason.into()));
        let settled = match (settlement, message) {
            (Settlement::Done, _) => self.finish(),
            (Settlement::Retry { after }, Some(message)) => {
                self.again(message, after);
                Ok(())
            }
            (Settlement::Park { .. }, Some(message)) => {
                self.again(message, Duration::ZERO);
                lost("Kafka puts nothing aside; it comes back")
            }
            (_, None) => lost("it comes back when the group is read anew: the message was not given back"),
        };
        Box::pin(std::future::ready(settled))
    }
}
