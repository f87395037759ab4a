//! NATS with JetStream.
//!
//! In: messages and subscriptions. Out: outcomes and deliveries. Everything is kept in one stream, `annals`; a topic is a
//! subject below it and a group a durable pull consumer. *Stored* means what the server's `sync_interval` says: flushed
//! only with `always`, otherwise in its memory for up to two minutes.
//!
//! Invariant: a message counts as stored only when the stream has acknowledged it.

mod config;
mod convert;
mod link;
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

use config::Config;
use link::Link;
use publisher::Publisher;

/// What it can do. Order holds as long as nothing is given back: what is, comes after newer messages.
pub const CAPABILITIES: Capabilities = Capabilities {
    replay: false,
    exact_dedupe: false,
    partition_order: true,
    every_topic: true,
    late_groups: true,
    parks: false,
    broadcast: true,
    window: publisher::WINDOW_MAX,
    stored_means: "the stream has it; flushed only where the server says sync_interval: always",
};

/// A connection to NATS, made when it is first needed; the client keeps it up. Cheap to clone.
#[derive(Clone)]
pub struct Nats {
    link: Arc<Link>,
    publisher: Arc<Publisher>,
}

impl Nats {
    /// Reads an address: `nats://USER:PASSWORD@HOST:PORT`, several with commas; 4222 where nothing is said.
    ///
    /// # Errors
    /// [`ConfigError`]: correct the address.
    pub fn open(url: &str) -> Result<Self, ConfigError> {
        let link = Arc::new(Link::new(Config::read(url)?));
        Ok(Self {
            publisher: Arc::new(Publisher::new(Arc::clone(&link))),
            link,
        })
    }
}

impl Transport for Nats {
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
        self.link.health()
    }

    fn declare(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(async move {
            subscriber::declare(&self.link, &group, &topics).await?;
            Ok(())
        })
    }

    fn broadcast(&self, channel: Topic, said: Bytes) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(async move { broadcast::say(&self.link, &channel, said).await })
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
