//! Models: folds over the events that a key selects, and whether their states are kept as snapshots.

use annals_core::query::QueryItem;
use annals_core::tag::TagError;
use serde::Serialize;
use serde::de::DeserializeOwned;

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
    /// How its states are kept as snapshots; they are not unless said: `Some(Snapshot::named("order", 1))`.
    const SNAPSHOT: Option<Snapshot<Self>> = None;

    /// Takes one more event into the state.
    fn apply(&mut self, event: &Self::Event);
}

/// Has the states of a model kept, so that a load begins there instead of at the first event.
///
/// A snapshot is a cache. It is kept by name of the model and tag, and used only where version and events of the model are
/// those it was made with; whatever is wrong with it, the events are folded from the beginning. Only where the beginning
/// was archived is it the one thing that is left: there a changed version or set of events makes it useless, and what it
/// stood for can be had from the archive only.
///
/// The state is written as JSON and has to come back whole: a field that serde is told to skip would be lost, and
/// what does not come back the same is not kept. Nor is what takes more than 64 KiB.
pub struct Snapshot<M> {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) read: fn(&[u8]) -> Result<M, serde_json::Error>,
}

impl<M: Model + DeserializeOwned> Snapshot<M> {
    /// Under this name, which stays when the type is renamed, is not empty, has at most 255 bytes and no blank, and no other
    /// model of the service has. Another version makes every snapshot before it useless: choose one whenever the state or
    /// `apply` changes its meaning.
    pub const fn named(name: &'static str, version: u32) -> Self {
        assert!(
            is_name(name),
            "the name of a snapshot has 1 to 255 bytes and no blank"
        );
        Self {
            name,
            version,
            read: read::<M>,
        }
    }
}

const fn is_name(name: &str) -> bool {
    let (bytes, mut at) = (name.as_bytes(), 0);
    while at < bytes.len() {
        if bytes[at] <= b' ' || bytes[at] == 0x7f {
            return false;
        }
        at += 1;
    }
    !bytes.is_empty() && bytes.len() <= 255
}

fn read<M: DeserializeOwned>(json: &[u8]) -> Result<M, serde_json::Error> {
    serde_json::from_slice(json)
}

/// The events a model folds for a key.
///
/// # Errors
/// The key makes no tag.
pub fn query_item<M: Model>(key: &M::Key) -> Result<QueryItem, TagError> {
    Ok(QueryItem::of(M::Event::TYPES, key.tag()?))
}
