//! What a group keeps in the broker's store: marks, and the words inside them.
//!
//! In: a group's name and what is to be remembered. Out: marks; and from marks, what was remembered. All values are
//! JSON, so a person can read them. The spaces are `group` and `parked`; a mark's name begins with `<group>/`:
//!
//! | mark | value |
//! |---|---|
//! | `group/<group>/at` | per topic, the position below which everything is settled; and the topics of the group |
//! | `group/<group>/generation` | how often a broker took the lead of this group |
//! | `group/<group>/done/<position>` | settled, above the watermark |
//! | `group/<group>/try/<position>` | tries so far, and when the next may be |
//! | `parked/<group>/<event id>` | put aside: why, when, after how many tries |
//!
//! Invariant: every write is conditional on the generation, so a broker that lost the lead changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use annals_core::condition::Condition;
use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::kind::ErrorKind;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, EventStore, ReadError};
use annals_core::port::transport::Topic;
use annals_core::position::Position;
use annals_core::time::Timestamp;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use thiserror::Error;

use super::name::NameError;

const GROUP: &str = "group";
const PARKED: &str = "parked";
/// The longest reason that is kept, in bytes; a longer one is cut.
const REASON_BYTES_MAX: usize = 2_048;
/// Parked messages asked for again in one append.
const REQUEUE_CHUNK: usize = 512;

/// How far a group has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Everything of this topic below the position is settled. The empty topic speaks of all topics.
    pub(super) at: BTreeMap<Topic, Position>,
    /// The topics it subscribes to; empty: all.
    pub(super) topics: BTreeSet<Topic>,
}

/// The key in [`Checkpoint::at`] that speaks of all topics; no topic has this name.
const ALL: &str = "";

impl Checkpoint {
    /// Everything of this topic below this position is settled.
    pub(super) fn of(&self, topic: &str) -> Position {
        let own = self.at.get(topic).copied().unwrap_or_default();
        own.max(self.at.get(ALL).copied().unwrap_or_default())
    }

    /// Where a reader of the group's topics has to begin.
    pub(super) fn start(&self) -> Position {
        let of_each = self.topics.iter().map(|topic| self.of(topic)).min();
        of_each.unwrap_or_else(|| self.of(ALL))
    }

    /// The bytes its mark may come to need.
    pub(super) fn bytes_max(&self) -> usize {
        const POSITION_DIGITS: usize = 20;
        json(self).len() + POSITION_DIGITS * (self.at.len() + 1)
    }

    /// Everything of the group's topics below this position is settled.
    pub(super) fn move_to(&mut self, watermark: Position) {
        let topics: Vec<Topic> = if self.topics.is_empty() {
            vec![ALL.into()]
        } else {
            self.topics.iter().cloned().collect()
        };
        for topic in topics {
            let at = self.of(&topic).max(watermark);
            self.at.insert(topic, at);
        }
    }
}

/// A message that is to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tried {
    /// How often it was handed out.
    pub(super) tries: u32,
    /// Not to be handed out before.
    pub(super) not_before: Timestamp,
    /// How long it was to wait, in milliseconds: no more than this is waited after a start, whatever the clock says.
    pub(super) after_millis: u64,
}

impl Tried {
    /// What is left to wait at this moment.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        self.not_before
            .since(now)
            .min(Duration::from_millis(self.after_millis))
    }
}

/// A message that a group put aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// Its id: what a requeue is asked for by.
    pub id: EventId,
    /// The topic it is on.
    pub topic: Topic,
    /// Its type.
    pub event_type: EventType,
    /// Its place in the broker's store.
    pub position: Position,
    /// Why it was put aside, as the consumer said; cut at 2 KiB.
    pub reason: String,
    /// How often it was handed out before it was put aside; the least that is known, after a restart.
    pub attempts: u32,
    /// When it was put aside.
    pub parked: Timestamp,
    /// It was asked for again and is on its way; settled as done, it will be gone from here.
    pub requeued: bool,
}

/// Cuts a reason to what is kept.
pub(super) fn cut_reason(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
    reason
}

/// The names of one group's marks.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    group: SmolStr,
}

impl Keys {
    pub(super) fn new(group: SmolStr) -> Self {
        Self { group }
    }

    fn key(&self, rest: std::fmt::Arguments<'_>) -> MarkKey {
        MarkKey::new(GROUP, smol_str::format_smolstr!("{}/{rest}", self.group))
    }

    fn at(&self) -> MarkKey {
        self.key(format_args!("at"))
    }

    fn generation(&self) -> MarkKey {
        self.key(format_args!("generation"))
    }

    fn parked(&self, id: EventId) -> MarkKey {
        MarkKey::new(PARKED, smol_str::format_smolstr!("{}/{id}", self.group))
    }

    pub(super) fn set_at(&self, checkpoint: &Checkpoint) -> Mark {
        Mark::set(self.at(), json(checkpoint))
    }

    pub(super) fn set_done(&self, position: Position) -> Mark {
        Mark::set(
            self.key(format_args!("done/{position}")),
            Bytes::from_static(b"1"),
        )
    }

    pub(super) fn remove_done(&self, position: Position) -> Mark {
        Mark::remove(self.key(format_args!("done/{position}")))
    }

    pub(super) fn set_tried(&self, position: Position, tried: &Tried) -> Mark {
        Mark::set(self.key(format_args!("try/{position}")), json(tried))
    }

    pub(super) fn remove_tried(&self, position: Position) -> Mark {
        Mark::remove(self.key(format_args!("try/{position}")))
    }

    pub(super) fn set_parked(&self, parked: &Parked) -> Mark {
        Mark::set(self.parked(parked.id), json(parked))
    }

    pub(super) fn remove_parked(&self, id: EventId) -> Mark {
        Mark::remove(self.parked(id))
    }

    /// Holds while the broker of this generation leads the group.
    pub(super) fn lead(&self, generation: u64) -> Condition {
        Condition::MarkIs {
            key: self.generation(),
            expected: Some(json(&generation)),
        }
    }
}

/// All that is remembered of a group besides its parked messages.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// `None`: there is no such group yet.
    pub(super) generation: Option<u64>,
    pub(super) checkpoint: Checkpoint,
    pub(super) done: BTreeSet<Position>,
    pub(super) tried: BTreeMap<Position, Tried>,
}

/// Reads what is remembered of a group.
pub(super) async fn remembered(store: &dyn EventStore, keys: &Keys) -> Result<Remembered, ReadError> {
    let prefix = format!("{}/", keys.group);
    let mut found = Remembered::default();
    for (key, value) in store.marks(GROUP, &prefix).await? {
        let rest = key.name.strip_prefix(prefix.as_str()).unwrap_or_default();
        match rest.split_once('/') {
            None if rest == "at" => found.checkpoint = parse(&key, &value)?,
            None if rest == "generation" => found.generation = Some(parse(&key, &value)?),
            Some(("done", at)) => {
                found.done.insert(position(&key, at)?);
            }
            Some(("try", at)) => {
                found.tried.insert(position(&key, at)?, parse(&key, &value)?);
            }
            // A mark of a later version: not ours to judge.
            _ => {}
        }
    }
    Ok(found)
}

/// The names of all groups, sorted.
pub(super) async fn groups(store: &dyn EventStore) -> Result<Vec<SmolStr>, ReadError> {
    let marks = store.marks(GROUP, "").await?;
    let names = marks
        .iter()
        .filter_map(|(key, _)| key.name.strip_suffix("/generation"));
    Ok(names
        .filter(|name| !name.contains('/'))
        .map(SmolStr::from)
        .collect())
}

/// Takes the lead of a group: from now on, what earlier leaders write is refused.
pub(super) async fn take_lead(
    store: &dyn EventStore,
    keys: &Keys,
    before: Option<u64>,
    checkpoint: &Checkpoint,
) -> Result<u64, AppendError> {
    let generation = before.map_or(1, |before| before + 1);
    let append = Append {
        events: Vec::new(),
        conditions: vec![Condition::MarkIs {
            key: keys.generation(),
            expected: before.map(|before| json(&before)),
        }],
        marks: vec![
            Mark::set(keys.generation(), json(&generation)),
            keys.set_at(checkpoint),
        ],
    };
    store.append(append).await?;
    Ok(generation)
}

/// The messages a group put aside, in order of position.
pub(super) async fn parked(store: &dyn EventStore, keys: &Keys) -> Result<Vec<Parked>, ReadError> {
    let marks = store.marks(PARKED, &format!("{}/", keys.group)).await?;
    let parsed = marks.iter().map(|(key, value)| parse::<Parked>(key, value));
    let mut parked: Vec<_> = parsed.collect::<Result<_, _>>()?;
    parked.sort_by_key(|parked| parked.position);
    Ok(parked)
}

/// One message a group put aside.
pub(super) async fn parked_one(
    store: &dyn EventStore,
    keys: &Keys,
    id: EventId,
) -> Result<Option<Parked>, ReadError> {
    let key = keys.parked(id);
    let value = store.mark(key.clone()).await?;
    value.map(|value| parse(&key, &value)).transpose()
}

/// Why parked messages could not be asked for again.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum RequeueError {
    /// No group can have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no such group: nobody ever subscribed with this name.
    #[error("there is no group {0:?}")]
    NoSuchGroup(SmolStr),
    /// The broker's store did not answer.
    #[error("the parked messages cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The broker's store did not take the request; it may be repeated, it has one effect.
    #[error("the request cannot be written down: {0}")]
    Append(#[from] AppendError),
}

impl RequeueError {
    /// What this means in one word.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(_) => ErrorKind::Invalid,
            Self::NoSuchGroup(_) => ErrorKind::NotFound,
            Self::Read(error) => error.kind(),
            Self::Append(error) => error.kind(),
        }
    }
}

/// Writes down that these parked messages are to be delivered again.
pub(super) async fn mark_requeued(
    store: &dyn EventStore,
    keys: &Keys,
    generation: u64,
    parked: &[Parked],
) -> Result<(), AppendError> {
    for chunk in parked.chunks(REQUEUE_CHUNK) {
        let on_its_way = |parked: &Parked| Parked {
            requeued: true,
            ..parked.clone()
        };
        let append = Append {
            events: Vec::new(),
            conditions: vec![keys.lead(generation)],
            marks: chunk
                .iter()
                .map(|parked| keys.set_parked(&on_its_way(parked)))
                .collect(),
        };
        store.append(append).await?;
    }
    Ok(())
}

fn json<T: Serialize>(value: &T) -> Bytes {
    let text = serde_json::to_vec(value);
    Bytes::from(text.expect("numbers, texts and maps of texts always have a JSON form"))
}

fn parse<T: DeserializeOwned>(key: &MarkKey, value: &[u8]) -> Result<T, ReadError> {
    serde_json::from_slice(value).map_err(|reason| ReadError::Corrupt(format!("mark {key}: {reason}")))
}

fn position(key: &MarkKey, text: &str) -> Result<Position, ReadError> {
    text.parse()
        .map_err(|_| ReadError::Corrupt(format!("mark {key}: expected a position, found {text:?}")))
}

#[cfg(test)]
mod tests;
