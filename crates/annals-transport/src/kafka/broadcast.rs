//! Broadcast: a topic of one partition that every listener reads from its end, in no group.

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{Listener, ReceiveError, SubscribeError};
use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Mutex;

use super::config::Config;
use crate::link::{DEADLINE, unavailable, within};

/// A record is kept for so long at least; nobody reads it later, but the broker drops whole segments only.
const KEPT_MS: &str = "60000";

/// Its name does not begin as those of topics do, so that whoever hears every topic does not hear it.
fn topic(channel: &str) -> String {
    format!("annals-broadcast.{channel}")
}

/// Says things through one client, made when it is first needed.
#[derive(Default)]
pub(super) struct Speaker(Mutex<Option<FutureProducer>>);

impl Speaker {
    pub(super) async fn say(
        &self,
        config: &Config,
        channel: &str,
        said: &[u8],
    ) -> Result<(), SubscribeError> {
        let mut held = self.0.lock().await;
        let saying = async {
            if held.is_none() {
                make(config, channel).await?;
                let mut client = config.client();
                client.set("message.timeout.ms", DEADLINE.as_millis().to_string());
                *held = Some(client.create().map_err(|error| error.to_string())?);
            }
            let producer = held.as_ref().ok_or("no client")?;
            let name = topic(channel);
            let record = FutureRecord::<(), [u8]>::to(&name).partition(0).payload(said);
            let sent = producer.send(record, DEADLINE).await;
            sent.map(drop).map_err(|(error, _)| error.to_string())
        };
        saying.await.map_err(unavailable)
    }
}

/// Makes the topic of a channel; one that is there is left as it is.
async fn make(config: &Config, channel: &str) -> Result<(), String> {
    let admin: AdminClient<DefaultClientContext> =
        config.client().create().map_err(|error| error.to_string())?;
    let name = topic(channel);
    let wanted = NewTopic::new(&name, 1, TopicReplication::Fixed(config.replication))
        .set("retention.ms", KEPT_MS)
        .set("segment.ms", KEPT_MS);
    let options = AdminOptions::new().request_timeout(Some(DEADLINE));
    let made = within("Kafka", admin.create_topics([&wanted], &options)).await?;
    match made.into_iter().next() {
        None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((name, code))) => Err(format!("the topic {name} cannot be made: {code}")),
    }
}

pub(super) async fn listen(config: &Config, channel: &str) -> Result<Heard, SubscribeError> {
    make(config, channel).await.map_err(unavailable)?;
    let (config, name) = (config.clone(), topic(channel));
    let opened = tokio::task::spawn_blocking(move || open(&config, &name)).await;
    let opened = opened.map_err(|ended| ended.to_string());
    opened
        .and_then(|opened| opened.map_err(|error| error.to_string()))
        .map(Heard)
        .map_err(unavailable)
}

/// Reads from where the partition ends now. The client would look for the end later, and miss what is said till then.
fn open(config: &Config, name: &str) -> Result<StreamConsumer, KafkaError> {
    let mut client = config.client();
    // The client wants a name for a group even of those who are in none.
    client
        .set("group.id", "annals-broadcast")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false");
    let consumer: StreamConsumer = client.create()?;
    let (_, end) = consumer.fetch_watermarks(name, 0, DEADLINE)?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(name, 0, Offset::Offset(end))?;
    consumer.assign(&from)?;
    Ok(consumer)
}

/// Listens to one channel; the client reconnects by itself and goes on where it was.
pub(super) struct Heard(StreamConsumer);

impl Listener for Heard {
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, ReceiveError>> {
        Box::pin(async {
            match self.0.recv().await {
                Ok(record) => Ok(Bytes::copy_from_slice(record.payload().unwrap_or_default())),
                Err(error) => Err(ReceiveError::Lost(error.to_string())),
            }
        })
    }
}
