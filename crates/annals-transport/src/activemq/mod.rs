//! ActiveMQ Classic and Artemis, both by AMQP 1.0.
//!
//! In: messages and subscriptions. Out: outcomes and deliveries. On Classic a topic is a virtual topic and a group the
//! queue that hangs on it; on Artemis a topic is a multicast address and a group a queue of it with a name of its own.
//! The client has no reconnect, so connections are made anew here.
//!
//! Invariant: nothing is published to a topic before a group for it was declared in this process, and again over every
//! new connection. Both brokers answer *accepted* and drop what no queue waits for, so nobody else would notice.

mod config;
mod convert;
mod link;
mod groups;
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

use broadcast::Speaker;
use config::Config;
use groups::Groups;
use link::Link;
use publisher::Publisher;

/// What it can do.
pub const CAPABILITIES: Capabilities = Capabilities {
    replay: false,
    exact_dedupe: false,
    partition_order: true,
    every_topic: false,
    late_groups: false,
    parks: false,
    broadcast: true,
    window: publisher::WINDOW_MAX,
    stored_means: "the broker has it in its journal; flushed on Classic with journalDiskSyncStrategy=always",
};

/// A connection to ActiveMQ, made when it is first needed and again whenever it was lost. Cheap to clone.
#[derive(Clone)]
pub struct ActiveMq {
    shared: Arc<Shared>,
}

struct Shared {
    link: Arc<Link>,
    publisher: Arc<Publisher>,
    speaker: Speaker,
    groups: Arc<Groups>,
}

impl ActiveMq {
    /// Reads an address: `activemq://USER:PASSWORD@HOST:PORT` for Classic, `artemis://…` for Artemis.
    ///
    /// # Errors
    /// [`ConfigError`]: correct the address.
    pub fn open(url: &str) -> Result<Self, ConfigError> {
        let link = Arc::new(Link::new(Config::read(url)?));
        let groups = Arc::new(Groups::default());
        let shared = Shared {
            publisher: Arc::new(Publisher::new(Arc::clone(&link), Arc::clone(&groups))),
            link,
            speaker: Speaker::default(),
            groups,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

impl Transport for ActiveMq {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        Box::pin(async move { self.hand_over(batch).await.await })
    }

    fn hand_over(&self, batch: Vec<Message>) -> BoxFuture<'_, Outcomes> {
        let allowed: Vec<bool> = batch
            .iter()
            .map(|message| self.shared.groups.hear(&message.topic))
            .collect();
        Box::pin(Arc::clone(&self.shared.publisher).hand_over(batch, allowed))
    }

    fn health(&self) -> Health {
        self.shared.link.noted.health()
    }

    fn declare(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(async move {
            subscriber::declare(&self.shared.link, &group, &topics).await?;
            self.shared.groups.note(&group, topics);
            Ok(())
        })
    }

    fn broadcast(&self, channel: Topic, said: Bytes) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(async move { self.shared.speaker.say(&self.shared.link, &channel, said).await })
    }

    fn listen(&self, channel: Topic) -> BoxFuture<'_, Result<Box<dyn Listener>, SubscribeError>> {
        Box::pin(async move {
            let listener = broadcast::listen(&self.shared.link, &channel).await?;
            Ok(Box::new(listener) as Box<dyn Listener>)
        })
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        Box::pin(async move {
            if subscribe.start != Start::Group {
                return Err(SubscribeError::Unsupported("begin at a position".into()));
            }
            if subscribe.topics.is_empty() {
                return Err(SubscribeError::Unsupported("hear every topic".into()));
            }
            let consumer = subscriber::open(&self.shared.link, &subscribe).await?;
            let Subscribe { group, topics, .. } = subscribe;
            self.shared.groups.note(&group, topics);
            Ok(Box::new(consumer) as Box<dyn Consumer>)
        })
    }
}
