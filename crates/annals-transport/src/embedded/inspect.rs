//! Looking at topics and groups from outside, for status pages and operators.
//!
//! In: the broker's store. Out: plain numbers. What is counted is what is durable, so it is the same before and after a
//! restart; only what consumers hold at the moment comes from memory, and is added by the broker. Topics are counted by
//! their tag, so a message that carries the tag of another topic as its own (`topic:` is not reserved) counts there too.

use annals_core::kind::ErrorKind;
use annals_core::port::store::{EventStore, ReadError};
use annals_core::port::transport::Topic;
use annals_core::position::Position;
use smol_str::SmolStr;
use thiserror::Error;

use super::backlog::Counts;
use super::name::{NameError, check_group, topic_tag};
use super::publish::TOPIC_SPACE;
use super::record::{self, Keys, Remembered};

/// A topic as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicStatus {
    /// Its name.
    pub topic: Topic,
    /// How many messages it holds.
    pub messages: u64,
}

/// A group as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// Its name.
    pub group: SmolStr,
    /// The topics it subscribes to; empty: all.
    pub topics: Vec<Topic>,
    /// Everything of its topics below this position is settled.
    pub watermark: Position,
    /// Messages of its topics that are not settled; parked ones are.
    pub lag: u64,
    /// Messages put aside and not asked for again.
    pub parked: u64,
    /// Messages put aside and asked for again, on their way.
    pub requeued: u64,
    /// How often a broker took the lead of this group.
    pub generation: u64,
    /// Consumers present.
    pub consumers: usize,
    /// Deliveries in hand, handed out and not settled.
    pub in_flight: usize,
    /// Messages in memory that wait for their turn.
    pub waiting: usize,
    /// Messages in memory that wait for the time of their retry.
    pub delayed: usize,
}

/// Why a look at the broker had no answer.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum InspectError {
    /// No group can have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nobody ever subscribed with this name.
    #[error("there is no group {0:?}")]
    NoSuchGroup(SmolStr),
    /// The broker's store did not answer.
    #[error("the broker's store cannot be read: {0}")]
    Read(#[from] ReadError),
}

impl InspectError {
    /// What this means in one word.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(_) => ErrorKind::Invalid,
            Self::NoSuchGroup(_) => ErrorKind::NotFound,
            Self::Read(error) => error.kind(),
        }
    }
}

/// All topics, by name.
pub(super) async fn topics(store: &dyn EventStore) -> Result<Vec<TopicStatus>, InspectError> {
    let mut found = Vec::new();
    for topic in topic_names(store).await? {
        let messages = count_before(store, &topic, Position::MAX).await?;
        found.push(TopicStatus { topic, messages });
    }
    Ok(found)
}

/// What is remembered of a group that exists.
pub(super) async fn group(
    store: &dyn EventStore,
    name: &SmolStr,
) -> Result<(Keys, Remembered, u64), InspectError> {
    check_group(name)?;
    let keys = Keys::new(name.clone());
    let found = record::remembered(store, &keys).await?;
    match found.generation {
        Some(generation) => Ok((keys, found, generation)),
        None => Err(InspectError::NoSuchGroup(name.clone())),
    }
}

/// How many messages of its topics a group has not settled.
pub(super) async fn lag(store: &dyn EventStore, found: &Remembered) -> Result<u64, InspectError> {
    let topics = if found.checkpoint.topics.is_empty() {
        topic_names(store).await?
    } else {
        found.checkpoint.topics.iter().cloned().collect()
    };
    let mut lag = 0_u64;
    for topic in topics {
        let settled = count_before(store, &topic, found.checkpoint.of(&topic)).await?;
        let all = count_before(store, &topic, Position::MAX).await?;
        lag += all.saturating_sub(settled);
    }
    Ok(lag.saturating_sub(found.done.len() as u64))
}

/// How many messages of these topics (none: of all) stand at or after a position.
pub(super) async fn waiting(
    store: &dyn EventStore,
    topics: Vec<Topic>,
    from: Position,
) -> Result<u64, InspectError> {
    let topics = if topics.is_empty() {
        topic_names(store).await?
    } else {
        topics
    };
    let mut waiting = 0_u64;
    for topic in topics {
        let all = count_before(store, &topic, Position::MAX).await?;
        waiting += all.saturating_sub(count_before(store, &topic, from).await?);
    }
    Ok(waiting)
}

/// A group as it stands; `live` is what its consumers have in memory.
pub(super) async fn status(
    store: &dyn EventStore,
    name: &SmolStr,
    live: (usize, Counts),
) -> Result<GroupStatus, InspectError> {
    let (keys, found, generation) = group(store, name).await?;
    let parked = record::parked(store, &keys).await?;
    let requeued = parked.iter().filter(|parked| parked.requeued).count() as u64;
    let (consumers, counts) = live;
    Ok(GroupStatus {
        group: name.clone(),
        lag: lag(store, &found).await?,
        watermark: found.checkpoint.start(),
        topics: found.checkpoint.topics.into_iter().collect(),
        parked: parked.len() as u64 - requeued,
        requeued,
        generation,
        consumers,
        in_flight: counts.in_hand,
        waiting: counts.waiting,
        delayed: counts.delayed,
    })
}

async fn topic_names(store: &dyn EventStore) -> Result<Vec<Topic>, ReadError> {
    let marks = store.marks(TOPIC_SPACE, "").await?;
    Ok(marks.into_iter().map(|(key, _)| key.name).collect())
}

async fn count_before(store: &dyn EventStore, topic: &str, before: Position) -> Result<u64, InspectError> {
    let newest = store.revision(topic_tag(topic)?, before).await?;
    Ok(newest.map_or(0, |revision| revision.get() + 1))
}
