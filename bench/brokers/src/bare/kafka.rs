//! Kafka by rdkafka: an idempotent producer that waits for all replicas, six partitions, a consumer group that stores how
//! far it is.

use std::collections::VecDeque;
use std::time::Duration;

use annals::core::port::transport::Topic;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::FutureExt;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message as _};

use crate::bare::{BATCH_MAX, Bare, Consume, Publish};
use crate::message;

/// As in the transport of annals, where the address says nothing.
const PARTITIONS: i32 = 6;
const DEADLINE: Duration = Duration::from_secs(10);

/// Where it is.
pub(crate) struct Kafka {
    servers: String,
}

pub(crate) struct Publisher {
    producer: FutureProducer,
    lane: String,
    deliveries: VecDeque<DeliveryFuture>,
}

pub(crate) struct Consumer {
    consumer: StreamConsumer,
    lane: String,
    /// Of each partition, the last record that was taken and not settled.
    last: Vec<Option<i64>>,
}

impl Kafka {
    pub(crate) fn new(url: &str) -> Self {
        let servers = url.trim_start_matches("kafka://");
        Self {
            servers: servers.split('?').next().unwrap_or_default().to_owned(),
        }
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.servers);
        client
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(self.client().create()?)
    }

    async fn delete(&self, topic: &str) -> Result<()> {
        let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
        for deleted in self.admin()?.delete_topics(&[topic], &options).await? {
            deleted.map_err(|(name, code)| anyhow::anyhow!("the topic {name} stays: {code}"))?;
        }
        Ok(())
    }
}

impl Bare for Kafka {
    /// As many as the relay hands over at once; the transport has no narrower window.
    const WINDOW: usize = 1_024;
    type Publisher = Publisher;
    type Consumer = Consumer;

    async fn make(&self, lane: &str) -> Result<()> {
        let topic = NewTopic::new(lane, PARTITIONS, TopicReplication::Fixed(-1));
        let options = AdminOptions::new().operation_timeout(Some(DEADLINE));
        for made in self.admin()?.create_topics(&[topic], &options).await? {
            made.map_err(|(name, code)| anyhow::anyhow!("the topic {name} cannot be made: {code}"))?;
        }
        Ok(())
    }

    async fn publisher(&self, lane: &str) -> Result<Publisher> {
        let mut client = self.client();
        client
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("linger.ms", "2")
            .set("partitioner", "murmur2_random");
        Ok(Publisher {
            producer: client.create()?,
            lane: lane.to_owned(),
            deliveries: VecDeque::new(),
        })
    }

    async fn consumer(&self, lane: &str) -> Result<Consumer> {
        let mut client = self.client();
        client
            .set("group.id", lane)
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "500")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("isolation.level", "read_committed")
            .set("queued.max.messages.kbytes", "16384")
            .set("fetch.queue.backoff.ms", "5");
        let consumer: StreamConsumer = client.create()?;
        consumer.subscribe(&[lane])?;
        Ok(Consumer {
            consumer,
            lane: lane.to_owned(),
            last: vec![None; PARTITIONS as usize],
        })
    }

    async fn remove(&self, lane: &str) -> Result<()> {
        self.delete(lane).await
    }

    async fn remove_ours(&self, namespace: &str, _group: &str, topic: &Topic) -> Result<()> {
        self.delete(&format!("annals.{namespace}.{topic}")).await
    }
}

impl Publisher {
    async fn delivered(&mut self, left: usize) -> Result<()> {
        while self.deliveries.len() > left
            && let Some(delivery) = self.deliveries.pop_front()
        {
            delivery
                .await
                .context("the producer ended")?
                .map_err(|(error, _)| error)?;
        }
        Ok(())
    }
}

impl Publish for Publisher {
    async fn send(&mut self, message: &message::Bare) -> Result<()> {
        self.delivered(Kafka::WINDOW - 1).await?;
        let mut headers = OwnedHeaders::new_with_capacity(message.attributes.len() + 1);
        for (name, value) in message.beside_key() {
            headers = headers.insert(Header {
                key: &format!("ce_{name}"),
                value: Some(value),
            });
        }
        headers = headers.insert(Header {
            key: "content-type",
            value: Some(message.content_type),
        });
        let record = FutureRecord::<str, [u8]>::to(&self.lane)
            .key(&message.key)
            .payload(&message.data)
            .headers(headers);
        match self.producer.send_result(record) {
            Ok(delivery) => self.deliveries.push_back(delivery),
            Err((error, _)) => bail!(error),
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        self.delivered(0).await
    }
}

impl Consume for Consumer {
    async fn take(&mut self, taken: &mut Vec<Bytes>) -> Result<()> {
        let end = taken.len() + BATCH_MAX;
        let mut next = self.consumer.recv().await;
        loop {
            let record = next?;
            let partition = usize::try_from(record.partition())?;
            self.last[partition] = Some(record.offset());
            taken.push(Bytes::copy_from_slice(record.payload().unwrap_or_default()));
            if taken.len() == end {
                return Ok(());
            }
            match self.consumer.recv().now_or_never() {
                Some(another) => next = another,
                None => return Ok(()),
            }
        }
    }

    async fn settle(&mut self) -> Result<()> {
        for (partition, last) in (0..).zip(&mut self.last) {
            if let Some(last) = last.take() {
                self.consumer.store_offset(&self.lane, partition, last)?;
            }
        }
        Ok(())
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // An error means that there was nothing to commit.
        drop(self.consumer.commit_consumer_state(CommitMode::Sync));
    }
}
