//! Apache Kafka.
//!
//! In: messages and subscriptions. Out: outcomes and deliveries. A topic is a topic of Kafka with the prefix `annals.`;
//! the partition tag is the key, spread as Java clients spread it. A group is a consumer group; of every partition it
//! keeps the place up to which everything is finished. *Stored* means that all replicas in sync have it, most likely in
//! their memory.
//!
//! Invariant: a record that is not finished is never passed by what is committed.

mod config;
mod convert;
mod watermark;
mod topics;
mod publisher;
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

use crate::link::Noted;
use broadcast::Speaker;
use config::Config;
use publisher::Publisher;
use topics::Topics;

/// What it can do.
pub const CAPABILITIES: Capabilities = Capabilities {
    replay: false,
    exact_dedupe: false,
    partition_order: true,
    every_topic: true,
    late_groups: true,
    parks: false,
    broadcast: true,
    window: publisher::WINDOW_MAX,
    stored_means: "all replicas in sync have it, in their memory; the disk follows",
};

/// A connection to Kafka, made when it is first needed; the client keeps it up. Cheap to clone.
#[derive(Clone)]
pub struct Kafka {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    topics: Arc<Topics>,
    publisher: Arc<Publisher>,
    speaker: Speaker,
    noted: Arc<Noted>,
}

impl Kafka {
    /// Reads an address: `kafka://HOST:PORT,HOST:PORT?partitions=6&replication=3`.
    ///
    /// # Errors
    /// [`ConfigError`]: correct the address.
    pub fn open(url: &str) -> Result<Self, ConfigError> {
        let config = Config::read(url)?;
        let (topics, noted) = (Arc::new(Topics::new(config.clone())), Arc::new(Noted::default()));
        let publisher = Publisher::new(config.clone(), Arc::clone(&topics), Arc::clone(&noted));
        let shared = Shared {
            topics,
            publisher: Arc::new(publisher),
            speaker: Speaker::default(),
            config,
            noted,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

impl Transport for Kafka {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        Box::pin(async move { self.hand_over(batch).await.await })
    }

    fn hand_over(&self, batch: Vec<Message>) -> BoxFuture<'_, Outcomes> {
        Box::pin(Arc::clone(&self.shared.publisher).hand_over(batch))
    }

    fn backlog(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Option<u64>> {
        let config = self.shared.config.clone();
        let look = move || subscriber::waiting(&config, &group, &topics);
        Box::pin(async move { tokio::task::spawn_blocking(look).await.ok()?.ok() })
    }

    fn health(&self) -> Health {
        self.shared.noted.health()
    }

    fn declare(&self, _group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(async move {
            self.shared
                .noted
                .note(self.shared.topics.make(&topics).await)
                .map_err(SubscribeError::Unavailable)
        })
    }

    fn broadcast(&self, channel: Topic, said: Bytes) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(async move {
            self.shared
                .speaker
                .say(&self.shared.config, &channel, &said)
                .await
        })
    }

    fn listen(&self, channel: Topic) -> BoxFuture<'_, Result<Box<dyn Listener>, SubscribeError>> {
        Box::pin(async move {
            let listener = broadcast::listen(&self.shared.config, &channel).await?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        Box::pin(async move {
            if subscribe.start != Start::Group {
                return Err(SubscribeError::Unsupported("begin at a position".into()));
            }
            self.declare(subscribe.group.clone(), subscribe.topics.clone())
                .await?;
            let consumer = subscriber::open(&self.shared.config, &subscribe);
            let consumer = self
                .shared
                .noted
                .note(consumer)
                .map_err(SubscribeError::Unavailable)?;
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }
}
