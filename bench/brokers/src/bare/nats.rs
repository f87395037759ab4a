//! NATS by async-nats: a stream in files that knows repetitions, publishing with acknowledgements, a durable pull consumer
//! that acknowledges each message.

use std::collections::VecDeque;
use std::time::Duration;

use annals::core::port::transport::Topic;
use anyhow::{Context as _, Result, anyhow};
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull::{Config as PullConfig, Stream};
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy, StorageType};
use async_nats::jetstream::{self, Context, Message};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};

use crate::bare::{BATCH_MAX, Bare, Consume, Publish};
use crate::message;

/// As in the transport of annals.
const PENDING_MAX: i64 = 1_024;
const PULL: usize = 500;
const ACK_WAIT: Duration = Duration::from_secs(10);
const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);

/// Where it is.
pub(crate) struct Nats {
    pub(crate) url: String,
}

pub(crate) struct Publisher {
    context: Context,
    lane: String,
    acks: VecDeque<PublishAckFuture>,
}

pub(crate) struct Consumer {
    stream: Stream,
    unsettled: Vec<Message>,
}

impl Nats {
    async fn context(&self) -> Result<Context> {
        Ok(jetstream::new(async_nats::connect(&self.url).await?))
    }
}

impl Bare for Nats {
    const WINDOW: usize = 512;
    type Publisher = Publisher;
    type Consumer = Consumer;

    async fn make(&self, lane: &str) -> Result<()> {
        let stream = StreamConfig {
            name: lane.to_owned(),
            subjects: vec![lane.to_owned()],
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            duplicate_window: DUPLICATE_WINDOW,
            ..StreamConfig::default()
        };
        self.context().await?.create_stream(stream).await?;
        Ok(())
    }

    async fn publisher(&self, lane: &str) -> Result<Publisher> {
        Ok(Publisher {
            context: self.context().await?,
            lane: lane.to_owned(),
            acks: VecDeque::new(),
        })
    }

    async fn consumer(&self, lane: &str) -> Result<Consumer> {
        let stream = self.context().await?.get_stream(lane).await?;
        let consumer = PullConfig {
            durable_name: Some("bench".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_deliver: -1,
            max_ack_pending: PENDING_MAX,
            ..PullConfig::default()
        };
        let consumer = stream.create_consumer(consumer).await?;
        let stream = consumer
            .stream()
            .max_messages_per_batch(PULL)
            .heartbeat(Duration::from_secs(5))
            .expires(Duration::from_secs(30))
            .messages()
            .await?;
        Ok(Consumer {
            stream,
            unsettled: Vec::new(),
        })
    }

    async fn remove(&self, lane: &str) -> Result<()> {
        self.context().await?.delete_stream(lane).await?;
        Ok(())
    }

    async fn remove_ours(&self, namespace: &str, group: &str, _topic: &Topic) -> Result<()> {
        let stream = self.context().await?.get_stream("annals").await?;
        stream.purge().filter(format!("annals.{namespace}.>")).await?;
        let name = format!("{namespace}.{group}")
            .replace('_', "__")
            .replace('.', "_-");
        stream.delete_consumer(&format!("annals-{name}")).await?;
        Ok(())
    }
}

impl Publisher {
    async fn acknowledged(&mut self, left: usize) -> Result<()> {
        while self.acks.len() > left
            && let Some(ack) = self.acks.pop_front()
        {
            ack.await?;
        }
        Ok(())
    }
}

impl Publish for Publisher {
    async fn send(&mut self, message: &message::Bare) -> Result<()> {
        self.acknowledged(Nats::WINDOW - 1).await?;
        let mut headers = HeaderMap::new();
        for (name, value) in &message.attributes {
            headers.insert(format!("ce-{name}"), value.as_str());
        }
        headers.insert("content-type", message.content_type);
        let publish = PublishMessage::build()
            .payload(message.data.clone())
            .headers(headers)
            .message_id(&message.id);
        let ack = self.context.send_publish(self.lane.clone(), publish).await?;
        self.acks.push_back(ack);
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        self.acknowledged(0).await
    }
}

impl Consume for Consumer {
    async fn take(&mut self, taken: &mut Vec<Bytes>) -> Result<()> {
        let end = taken.len() + BATCH_MAX;
        let mut next = self.stream.next().await;
        loop {
            let message = next.context("NATS ended the subscription")??;
            taken.push(message.payload.clone());
            self.unsettled.push(message);
            if taken.len() == end {
                return Ok(());
            }
            match self.stream.next().now_or_never() {
                Some(another) => next = another,
                None => return Ok(()),
            }
        }
    }

    async fn settle(&mut self) -> Result<()> {
        for message in self.unsettled.drain(..) {
            message.ack().await.map_err(|error| anyhow!(error))?;
        }
        Ok(())
    }
}
