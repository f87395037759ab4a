//! RabbitMQ by AMQP 0.9.1.
//!
//! In: messages and subscriptions. Out: outcomes and deliveries. Topics are routing keys of one durable topic exchange;
//! every group has one quorum queue with a single active consumer, which keeps the order of every key and hands it over
//! when the consumer goes. Publishing is mandatory and confirmed: *stored* means that a majority of the queue's members
//! has flushed it, for every group. Publishers and consumers have connections of their own, because RabbitMQ stops
//! reading from a connection that publishes too much.
//!
//! Invariant: a message that no queue takes is never reported as stored.

mod config;
mod convert;
mod link;
mod publisher;
mod acks;
mod subscriber;
mod broadcast;

use std::sync::Arc;

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Capabilities, Consumer, Health, Listener, Message, Outcomes, Published, Start, Subscribe, SubscribeError,
    Topic, Transport,
};
use bytes::Bytes;
use smol_str::SmolStr;

pub use config::ConfigError;

use broadcast::Speaker;
use config::Config;
use link::Link;
use publisher::Publisher;

/// What it can do.
pub const CAPABILITIES: Capabilities = Capabilities {
    replay: false,
    exact_dedupe: false,
    partition_order: true,
    every_topic: true,
    late_groups: false,
    parks: false,
    broadcast: true,
    window: publisher::WINDOW_MAX,
    stored_means: "a majority of each group's quorum queue has flushed it",
};

/// A connection to RabbitMQ, made when it is first needed and again whenever it was lost. Cheap to clone.
#[derive(Clone)]
pub struct RabbitMq {
    link: Arc<Link>,
    publisher: Arc<Publisher>,
    speaker: Arc<Speaker>,
}

impl RabbitMq {
    /// Reads an address: `amqp://USER:PASSWORD@HOST:PORT/VHOST`; guest, 5672 and `/` where nothing is said.
    ///
    /// # Errors
    /// [`ConfigError`]: correct the address.
    pub fn open(url: &str) -> Result<Self, ConfigError> {
        let link = Arc::new(Link::new(Config::read(url)?));
        Ok(Self {
            publisher: Arc::new(Publisher::new(Arc::clone(&link))),
            speaker: Arc::default(),
            link,
        })
    }
}

impl Transport for RabbitMq {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        Box::pin(async move { self.hand_over(batch).await.await })
    }

    fn hand_over(&self, batch: Vec<Message>) -> BoxFuture<'_, Outcomes> {
        Box::pin(Arc::clone(&self.publisher).hand_over(batch))
    }

    fn backlog(&self, group: SmolStr, _topics: Vec<Topic>) -> BoxFuture<'_, Option<u64>> {
        Box::pin(async move { subscriber::waiting(&self.link, &group).await.ok() })
    }

    fn health(&self) -> Health {
        self.link.noted.health()
    }

    fn declare(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(subscriber::declare(&self.link, group, topics))
    }

    fn broadcast(&self, channel: Topic, said: Bytes) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(async move { self.speaker.say(&self.link, &channel, said).await })
    }

    fn listen(&self, channel: Topic) -> BoxFuture<'_, Result<Box<dyn Listener>, SubscribeError>> {
        Box::pin(async move {
            let listener = broadcast::listen(&self.link, &channel).await?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        Box::pin(async move {
            if subscribe.start != Start::Group {
                return Err(SubscribeError::Unsupported("begin at a position".into()));
            }
            let consumer = subscriber::open(&self.link, subscribe).await?;
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }
}
