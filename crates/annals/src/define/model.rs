//! Models: folds over the events that a key selects.

use annals_core::query::QueryItem;
use annals_core::tag::TagError;
use serde::Serialize;

use crate::define::event::EventSet;
use crate::define::key::Key;

/// A fold over the events of a set that carry a key's tag. The one concept behind aggregates, decision models,
/// views and the state of processes.
///
/// `apply` must be pure: the same events give the same state, today, at replay, and at any earlier moment.
/// Time, if it matters, is a field of the event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a model",
    note = "implement `Model` for it: `type Key`, `type Event` and `fn apply(&mut self, event: &Self::Event)`"
)]
pub trait Model: Default + Serialize + Send + Sync + 'static {
    /// What selects its events.
    type Key: Key;
    /// The events it folds.
    type Event: EventSet;
    /// Event types that may carry the key's tag, that no set of this build knows, and that do not matter to
    /// decisions on this model. Others make a decision refuse with `StaleBuild`.
    const IGNORED: &'static [&'static str] = &[];

    /// Takes one more event into the state.
    fn apply(&mut self, event: &Self::Event);
}

/// The events a model folds for a key.
///
/// # Errors
/// The key makes no tag.
pub fn query_item<M: Model>(key: &M::Key) -> Result<QueryItem, TagError> {
    Ok(QueryItem::of(M::Event::TYPES, key.tag()?))
}
