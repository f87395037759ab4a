//! Events and sets of events.

use annals_core::event::{EventType, Visibility};
use annals_core::tag::{Tag, TagError};
use bytes::Bytes;
use thiserror::Error;

use crate::define::message::{DecodeError, Message};

/// A fact: a struct with a stable type name, a version, and tags.
///
/// Derive it, with serde's derives beside it:
/// `#[derive(Event, Serialize, Deserialize)] #[event("order.placed")] struct OrderPlaced { #[tag] order: OrderId }`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    note = "derive it: `#[derive(Event, Serialize, Deserialize)] #[event(\"order.placed\")] struct {Self} {{ .. }}`"
)]
pub trait Event: Message {
    /// Published by the relay, or kept in its store (`#[event("…", private)]`).
    const VISIBILITY: Visibility;

    /// Its tags, the partition tag first, none twice.
    ///
    /// # Errors
    /// A key that makes no tag.
    fn tags(&self) -> Result<Vec<Tag>, TagError>;
}

/// A set of events that somebody understands: an enum with one newtype variant per event, or a single event.
///
/// Derive it: `#[derive(Events)] enum OrderFact { Placed(OrderPlaced), Cancelled(OrderCancelled) }`.
/// A variant marked `#[commutes]` is folded by models, but a decision does not depend on it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of events",
    note = "derive it: `#[derive(Events)] enum {Self} {{ Placed(OrderPlaced), .. }}`"
)]
pub trait EventSet: Sized + Send + Sync + 'static {
    /// The types in the set.
    const TYPES: &'static [EventType];
    /// The newest version of each of them, in the same order: whoever folded other ones knew another set.
    const VERSIONS: &'static [u16];
    /// Those of them that a decision depends on.
    const DECIDING: &'static [EventType];

    /// Reads stored content; `None` if the type is not in the set.
    ///
    /// # Errors
    /// The type is in the set, but this content cannot be read as it.
    fn decode(event_type: &EventType, version: u16, data: &[u8]) -> Result<Option<Self>, DecodeError>;
}

/// What a decision wrote down, before it has ids, times and positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Type name.
    pub event_type: EventType,
    /// Version of the shape.
    pub version: u16,
    /// Published or kept.
    pub visibility: Visibility,
    /// Tags, the partition tag first.
    pub tags: Vec<Tag>,
    /// JSON.
    pub data: Bytes,
}

/// Why an event could not be written down.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// One of its keys makes no tag.
    #[error("{event_type} has a key that makes no tag: {source}")]
    Tag {
        /// Which event.
        event_type: EventType,
        /// What is wrong with the tag.
        source: TagError,
    },
    /// It cannot be written as JSON.
    #[error("{event_type} cannot be written as JSON: {source}")]
    Json {
        /// Which event.
        event_type: EventType,
        /// What the codec said.
        source: serde_json::Error,
    },
}

/// Collects the events of one decision, in order.
#[derive(Debug, Default)]
pub struct Drafts {
    drafts: Vec<Draft>,
}

impl Drafts {
    /// Writes one event down.
    ///
    /// # Errors
    /// [`EncodeError`]: a key that makes no tag, or content that JSON cannot hold.
    pub fn push<E: Event>(&mut self, event: &E) -> Result<(), EncodeError> {
        let tags = event.tags().map_err(|source| EncodeError::Tag {
            event_type: E::TYPE,
            source,
        })?;
        let data = serde_json::to_vec(event).map_err(|source| EncodeError::Json {
            event_type: E::TYPE,
            source,
        })?;
        self.drafts.push(Draft {
            event_type: E::TYPE,
            version: E::VERSION,
            visibility: E::VISIBILITY,
            tags,
            data: data.into(),
        });
        Ok(())
    }

    /// What was written down.
    pub fn into_vec(self) -> Vec<Draft> {
        self.drafts
    }
}

/// What a decision or handler may return: one event, a set's event, an option, a list, a tuple, or nothing (`()`).
///
/// Returning no events is success: what was asked for holds already.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a decision can return",
    note = "return an event, an event set, `Option`, `Vec` or a tuple of them, or `()`"
)]
pub trait IntoEvents {
    /// Writes the events down in order.
    ///
    /// # Errors
    /// As [`Drafts::push`].
    fn write(&self, drafts: &mut Drafts) -> Result<(), EncodeError>;

    /// The types it may write down, so that the service which returns them is known to know them.
    fn types(_types: &mut Vec<EventType>) {}
}

impl IntoEvents for () {
    fn write(&self, _: &mut Drafts) -> Result<(), EncodeError> {
        Ok(())
    }
}

impl<T: IntoEvents> IntoEvents for Option<T> {
    fn types(types: &mut Vec<EventType>) {
        T::types(types);
    }

    fn write(&self, drafts: &mut Drafts) -> Result<(), EncodeError> {
        self.iter().try_for_each(|event| event.write(drafts))
    }
}

impl<T: IntoEvents> IntoEvents for Vec<T> {
    fn types(types: &mut Vec<EventType>) {
        T::types(types);
    }

    fn write(&self, drafts: &mut Drafts) -> Result<(), EncodeError> {
        self.iter().try_for_each(|event| event.write(drafts))
    }
}

impl<T: IntoEvents, const N: usize> IntoEvents for [T; N] {
    fn types(types: &mut Vec<EventType>) {
        T::types(types);
    }

    fn write(&self, drafts: &mut Drafts) -> Result<(), EncodeError> {
        self.iter().try_for_each(|event| event.write(drafts))
    }
}

macro_rules! tuple {
    ($($part:ident),+) => {
        impl<$($part: IntoEvents),+> IntoEvents for ($($part,)+) {
            #[allow(non_snake_case, reason = "the parts are named after their types")]
            fn write(&self, drafts: &mut Drafts) -> Result<(), EncodeError> {
                let ($($part,)+) = self;
                $($part.write(drafts)?;)+
                Ok(())
            }

            fn types(types: &mut Vec<EventType>) {
                $($part::types(types);)+
            }
        }
    };
}

tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);
tuple!(A, B, C, D, E);
tuple!(A, B, C, D, E, F);
tuple!(A, B, C, D, E, F, G);
tuple!(A, B, C, D, E, F, G, H);
