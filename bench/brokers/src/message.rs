//! The messages that are measured: 256 bytes of JSON each, spread over many keys, numbered within each key.
//!
//! In: how many. Out: events as a service records them, and the same as a client without annals would send them.

use annals::World;
use annals::core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals::core::id::{CorrelationId, EventId};
use annals::core::port::transport::Message;
use annals::core::tag::Tag;
use annals::{Event, Key};
use annals_transport::wire::encode;
use anyhow::{Result, anyhow, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The content of every message, in bytes.
pub(crate) const CONTENT_BYTES: usize = 256;
/// Keys over which messages are spread.
pub(crate) const KEYS: u64 = 1_000;
/// The service that writes and publishes.
pub(crate) const SENDER: &str = "sender";

/// What orders messages.
#[derive(Key)]
#[key("thing")]
pub(crate) struct Thing(u64);

/// What happened.
#[derive(Event, Serialize, Deserialize)]
#[event("thing.happened")]
pub(crate) struct Happened {
    /// Its key.
    #[tag]
    pub(crate) thing: Thing,
    /// Its place among all of the run, from 0.
    pub(crate) number: u64,
    /// Its place among those of its key, from 0.
    pub(crate) sequence: u64,
    /// The id of the message, for those who get the content alone.
    pub(crate) id: Uuid,
    /// Makes it as long as it has to be.
    filler: String,
}

impl Happened {
    /// The key as a number.
    pub(crate) fn key(&self) -> u64 {
        *self.thing.get()
    }
}

/// A message as a client sends it that knows nothing of annals.
pub(crate) struct Bare {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) content_type: &'static str,
    /// None, or what annals sends with it.
    pub(crate) attributes: Vec<(&'static str, String)>,
    pub(crate) data: Bytes,
}

impl Bare {
    /// The attributes that annals sends where the protocol has a place of its own for the key.
    pub(crate) fn beside_key(&self) -> impl Iterator<Item = &(&'static str, String)> {
        self.attributes.iter().filter(|(name, _)| *name != "partitionkey")
    }
}

/// So many events, as the sending service records them.
pub(crate) fn events(world: &World, count: u64) -> Result<Vec<NewEvent>> {
    (0..count).map(|number| event(world, number)).collect()
}

/// One event, as the sending service records it.
pub(crate) fn event(world: &World, number: u64) -> Result<NewEvent> {
    let id = world.event_id();
    let key = number % KEYS;
    let happened = |filler: usize| Happened {
        thing: key.into(),
        number,
        sequence: number / KEYS,
        id: id.as_uuid(),
        filler: "x".repeat(filler),
    };
    let empty = serde_json::to_vec(&happened(0))?.len();
    let missing = CONTENT_BYTES
        .checked_sub(empty)
        .ok_or_else(|| anyhow!("a message takes {empty} bytes"))?;
    let data = serde_json::to_vec(&happened(missing))?;
    ensure!(data.len() == CONTENT_BYTES, "a message took {} bytes", data.len());
    Ok(NewEvent {
        id,
        event_type: EventType::from_static("thing.happened"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![Tag::of("thing", key)?],
        occurred: None,
        metadata: Metadata {
            correlation: Some(CorrelationId::from_uuid(EventId::as_uuid(world.event_id()))),
            service: Some(SENDER.into()),
            ..Metadata::default()
        },
        data: data.into(),
    })
}

/// The events with nothing but id, key and content.
pub(crate) fn plain(events: &[NewEvent]) -> Result<Vec<Bare>> {
    let mut bare = enveloped(events)?;
    bare.iter_mut().for_each(|message| message.attributes.clear());
    Ok(bare)
}

/// The events with every attribute that annals sends along.
pub(crate) fn enveloped(events: &[NewEvent]) -> Result<Vec<Bare>> {
    let bare = events.iter().enumerate().map(|(position, event)| {
        let mut event = event.clone();
        event.metadata.origin = Some(annals::core::event::Origin {
            service: SENDER.into(),
            position: annals::core::position::Position::new(position as u64),
            recorded: World::default().now(),
        });
        let id = event.id.to_string();
        let message = Message {
            topic: SENDER.into(),
            event,
        };
        let encoded = encode(&message).map_err(|reason| anyhow!(reason))?;
        Ok(Bare {
            id,
            key: encoded.key.unwrap_or_default().to_owned(),
            content_type: encoded.content_type,
            attributes: encoded
                .attributes
                .into_iter()
                .map(|(name, value)| (name, value.into_owned()))
                .collect(),
            data: encoded.data.clone(),
        })
    });
    bare.collect()
}
