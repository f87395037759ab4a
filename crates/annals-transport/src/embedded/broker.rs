//! The broker: the transport port over one store, and what operators ask of it.
//!
//! In: messages, subscriptions, questions. Out: outcomes, consumers, answers. It keeps which groups this process leads
//! and hands every call to the part that knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annals_core::id::EventId;
use annals_core::port::store::{BoxFuture, EventStore};
use annals_core::port::transport::{
    Capabilities, Consumer, Listener, Message, Published, Start, Subscribe, SubscribeError, Topic, Transport,
};
use annals_core::position::Position;
use annals_core::time::Clock;
use bytes::Bytes;
use smol_str::SmolStr;
use tokio::sync::Mutex;

use super::channels::Channels;
use super::group::{Group, GroupConsumer, LoadError, Setting, Which};
use super::inspect::{self, GroupStatus, InspectError, TopicStatus};
use super::limits::Limits;
use super::name::check_group;
use super::publish::Publisher;
use super::record::{self, Parked, RequeueError};
use super::replay::ReplayConsumer;

/// Messages of one append, at most, when much is published.
const WINDOW: usize = 4_096;

/// Durable topics and consumer groups on an annals store. Cheap to clone; clones are one broker.
///
/// Give a store to one broker only: it leads the groups. If two have it, the one that subscribed to a group last leads
/// that group, and settlements made through the other are refused.
#[derive(Clone)]
pub struct EmbeddedBroker {
    shared: Arc<Shared>,
}

struct Shared {
    setting: Setting,
    publisher: Publisher,
    /// The groups this broker leads. Held over calls of the store: groups are opened one at a time.
    groups: Mutex<BTreeMap<SmolStr, Arc<Group>>>,
    channels: Channels,
}

impl EmbeddedBroker {
    /// A broker on this store, with the default limits. The clock is asked when a message is parked or to be retried.
    ///
    /// It may be the store of one service or one of the broker's own: events that are no messages are passed over.
    pub fn new(store: Arc<dyn EventStore>, clock: Arc<dyn Clock>) -> Self {
        Self::with_limits(store, clock, Limits::default())
    }

    /// A broker that holds at most this much in memory.
    pub fn with_limits(store: Arc<dyn EventStore>, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        let publisher = Publisher::new(Arc::clone(&store));
        let setting = Setting {
            store,
            clock,
            limits: limits.checked(),
        };
        Self {
            shared: Arc::new(Shared {
                setting,
                publisher,
                groups: Mutex::default(),
                channels: Channels::default(),
            }),
        }
    }

    /// Where the next message will be.
    #[cfg(feature = "wire")]
    pub(crate) fn end(&self) -> Position {
        self.store().end()
    }

    fn store(&self) -> &dyn EventStore {
        &*self.shared.setting.store
    }

    /// As [`Transport::publish`], for who keeps the messages: one outcome per message, in the order given.
    ///
    /// # Cancel safety
    /// Dropped before it returns, what became of the batch is not known.
    pub async fn publish_lent(&self, batch: &[Message]) -> Vec<Published> {
        self.shared.publisher.publish(batch).await
    }

    /// Publishes a whole batch at once, without a copy of it, or leaves it to the one who gave it: after an `Err`, which
    /// gives the messages back, [`EmbeddedBroker::publish_lent`] says what becomes of each.
    ///
    /// # Errors
    /// The batch cannot be appended as it is, or it is not known whether it was.
    ///
    /// # Cancel safety
    /// Dropped before it returns, what became of the batch is not known.
    pub async fn publish_whole(&self, batch: Vec<Message>) -> Result<(), Vec<Message>> {
        self.shared.publisher.publish_whole(batch).await
    }

    /// All topics that ever had a message, by name.
    ///
    /// # Errors
    /// [`InspectError::Read`]: the store did not answer; its kind says whether to try again.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn topics(&self) -> Result<Vec<TopicStatus>, InspectError> {
        inspect::topics(self.store()).await
    }

    /// All groups that ever subscribed, by name.
    ///
    /// # Errors
    /// As [`EmbeddedBroker::topics`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn groups(&self) -> Result<Vec<SmolStr>, InspectError> {
        Ok(record::groups(self.store()).await?)
    }

    /// How many messages of its topics a group has not settled. Parked ones count as settled.
    ///
    /// # Errors
    /// [`InspectError::NoSuchGroup`]: look at the name. Others as [`EmbeddedBroker::topics`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn lag(&self, group: &str) -> Result<u64, InspectError> {
        let (_, found, _) = inspect::group(self.store(), &group.into()).await?;
        inspect::lag(self.store(), &found).await
    }

    /// A group as it stands.
    ///
    /// # Errors
    /// As [`EmbeddedBroker::lag`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn status(&self, group: &str) -> Result<GroupStatus, InspectError> {
        let led = self.shared.groups.lock().await.get(group).cloned();
        let live = led.map_or_else(Default::default, |group| group.counts());
        inspect::status(self.store(), &group.into(), live).await
    }

    /// The messages a group put aside, in order of position, those on their way again included.
    ///
    /// # Errors
    /// As [`EmbeddedBroker::lag`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn parked(&self, group: &str) -> Result<Vec<Parked>, InspectError> {
        let (keys, _, _) = inspect::group(self.store(), &group.into()).await?;
        Ok(record::parked(self.store(), &keys).await?)
    }

    /// Delivers a parked message to its group again; it waits its turn behind what is in hand of its key, and is parked
    /// no more once it is settled as done. Its tries are counted from 1 again. It comes out of order: its key went on.
    ///
    /// `true` if it was parked; `false` if it is not, or is on its way already. Asking twice has one effect.
    ///
    /// # Errors
    /// [`RequeueError`]; the call may be repeated.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it unknown whether the message was asked for; ask again.
    pub async fn requeue(&self, group: &str, id: EventId) -> Result<bool, RequeueError> {
        Ok(self.requeue_which(group, Which::One(id)).await? > 0)
    }

    /// Delivers all parked messages of a group again, as [`EmbeddedBroker::requeue`] does; says how many were not on their
    /// way already.
    ///
    /// # Errors
    /// [`RequeueError`]; the call may be repeated, which asks for those that are left.
    ///
    /// # Cancel safety
    /// As [`EmbeddedBroker::requeue`].
    pub async fn requeue_all(&self, group: &str) -> Result<usize, RequeueError> {
        self.requeue_which(group, Which::All).await
    }

    async fn requeue_which(&self, name: &str, which: Which) -> Result<usize, RequeueError> {
        let name = SmolStr::from(name);
        // Held to the end, so that nobody takes the lead of the group in between.
        let groups = self.shared.groups.lock().await;
        if let Some(group) = groups.get(&name).filter(|group| !group.is_lost()) {
            return group.requeue(which).await;
        }
        let (keys, _, generation) =
            inspect::group(self.store(), &name)
                .await
                .map_err(|error| match error {
                    InspectError::Name(error) => RequeueError::Name(error),
                    InspectError::NoSuchGroup(group) => RequeueError::NoSuchGroup(group),
                    InspectError::Read(error) => RequeueError::Read(error),
                })?;
        let mut parked = match which {
            Which::One(id) => record::parked_one(self.store(), &keys, id)
                .await?
                .into_iter()
                .collect(),
            Which::All => record::parked(self.store(), &keys).await?,
        };
        parked.retain(|parked| !parked.requeued);
        record::mark_requeued(self.store(), &keys, generation, &parked).await?;
        Ok(parked.len())
    }

    async fn open(&self, subscribe: Subscribe) -> Result<Box<dyn Consumer>, SubscribeError> {
        let topics: BTreeSet<Topic> = subscribe.topics.into_iter().collect();
        let setting = &self.shared.setting;
        match subscribe.start {
            Start::At(position) => {
                let (store, max) = (Arc::clone(&setting.store), setting.limits.in_flight_max);
                let consumer = ReplayConsumer::new(store, topics, position, max);
                Ok(Box::new(
                    consumer.map_err(|reason| unsupported("subscribe", reason))?,
                ))
            }
            Start::Group => {
                check_group(&subscribe.group).map_err(|reason| unsupported("have this group", reason))?;
                let group = self.join(subscribe.group, topics).await?;
                Ok(Box::new(group))
            }
        }
    }

    async fn join(&self, name: SmolStr, topics: BTreeSet<Topic>) -> Result<GroupConsumer, SubscribeError> {
        let mut groups = self.shared.groups.lock().await;
        if let Some(group) = groups.get(&name).filter(|group| !group.is_lost()) {
            if *group.topics() == topics {
                return Ok(GroupConsumer::join(Arc::clone(group)));
            }
            if !group.is_idle() {
                return Err(SubscribeError::Unsupported(format!(
                    "share the group {name} over different topics: its consumers have {:?}, this one asks for {topics:?}",
                    group.topics()
                )));
            }
        }
        let loaded = Group::load(self.shared.setting.clone(), name.clone(), topics).await;
        let group = Arc::new(loaded.map_err(|error| match error {
            LoadError::Name(_) | LoadError::TooManyTopics { .. } => unsupported("subscribe", error),
            other => SubscribeError::Unavailable(format!("the group {name}: {other}")),
        })?);
        groups.insert(name, Arc::clone(&group));
        Ok(GroupConsumer::join(group))
    }
}

fn unsupported(what: &str, reason: impl std::fmt::Display) -> SubscribeError {
    SubscribeError::Unsupported(format!("{what}: {reason}"))
}

impl Transport for EmbeddedBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            replay: true,
            exact_dedupe: true,
            partition_order: true,
            every_topic: true,
            late_groups: true,
            parks: true,
            broadcast: true,
            window: WINDOW,
            stored_means: "acknowledged by the broker's store in this process: flushed to its disk with the embedded \
                           store, kept in memory only with the in-memory store",
        }
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        Box::pin(async move { self.publish_lent(&batch).await })
    }

    fn lag(&self, topics: Vec<Topic>, from: Position) -> BoxFuture<'_, Option<u64>> {
        Box::pin(async move { inspect::waiting(self.store(), topics, from).await.ok() })
    }

    fn backlog(&self, group: SmolStr, _topics: Vec<Topic>) -> BoxFuture<'_, Option<u64>> {
        Box::pin(async move { Self::lag(self, &group).await.ok() })
    }

    fn broadcast(&self, channel: Topic, said: Bytes) -> BoxFuture<'_, Result<(), SubscribeError>> {
        self.shared.channels.say(channel, said);
        Box::pin(std::future::ready(Ok(())))
    }

    fn listen(&self, channel: Topic) -> BoxFuture<'_, Result<Box<dyn Listener>, SubscribeError>> {
        let listener = self.shared.channels.listen(channel);
        Box::pin(std::future::ready(Ok(Box::new(listener) as Box<dyn Listener>)))
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        Box::pin(self.open(subscribe))
    }
}
