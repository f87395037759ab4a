//! What the code that the derives write needs besides the traits. Not part of the promised interface.
//!
//! In: names, tags and versions. Out: checks at compile time, and the parts of `decode` that every message shares.

use std::collections::HashSet;

use annals_core::tag::Tag;

use crate::define::boundary::{HasKeys, Member};
use crate::define::command::Command;
use crate::define::event::Event;
use crate::define::message::{DecodeError, Message};
use crate::define::model::Model;

pub use serde;

/// The stored name and version of a derived event or command, comparable at compile time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no name of its own to be stored under",
    label = "expected a type that derives `Event` or `Command`",
    note = "derive it: `#[derive(Event, Serialize, Deserialize)] #[event(\"order.placed\")] struct {Self} {{ .. }}`"
)]
pub trait Named: Message {
    /// As `Message::TYPE`.
    const NAME: &'static str;
    /// As `Message::VERSION`.
    const NUMBER: u16;
}

/// Whether two names are the same.
pub const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut at = 0;
    while at < left.len() {
        if left[at] != right[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// From here on a set is cheaper than looking at every tag before.
const TAGS_COMPARED_MAX: usize = 16;

/// Drops repeated tags; the first of each stays, in its place.
pub fn without_repeats(mut tags: Vec<Tag>) -> Vec<Tag> {
    if tags.len() > TAGS_COMPARED_MAX {
        let mut seen = HashSet::with_capacity(tags.len());
        tags.retain(|tag| seen.insert(tag.clone()));
        return tags;
    }
    let mut at = 1;
    while at < tags.len() {
        if tags[..at].contains(&tags[at]) {
            tags.remove(at);
        } else {
            at += 1;
        }
    }
    tags
}

/// Content of a version that this build does not know yet.
///
/// # Errors
/// Always [`DecodeError::Newer`].
pub fn newer<M: Message>(found: u16) -> Result<M, DecodeError> {
    Err(DecodeError::Newer {
        event_type: M::TYPE,
        found,
        supported: M::VERSION,
    })
}

/// Content that claims version 0.
///
/// # Errors
/// Always [`DecodeError::Malformed`].
pub fn no_version<M: Message>() -> Result<M, DecodeError> {
    Err(DecodeError::malformed(M::TYPE, 0, "versions begin at 1"))
}

/// Checks that a decision's first parameter is a command.
pub const fn takes<C: Command>() {}

/// Checks that a decision on a command can read a model, or a struct of named models.
pub const fn reads<C, M: Member<C>>() {}

/// Checks that a decision on a command can read a model for each key of a list.
pub const fn reads_each<C, M: Listed<C>>() {}

/// A model whose keys a command lists. Says of the model what [`HasKeys`] says of the command, so that an error points
/// at the model.
pub trait Listed<C> {}

impl<C: HasKeys<M::Key>, M: Model> Listed<C> for M {}

/// Checks that a set is one of events.
pub const fn contains<E: Event>() {}

/// Reads content of an older version and lifts it.
///
/// # Errors
/// As [`Message::decode`] of the older version.
pub fn lift<Older: Named, New: From<Older>>(version: u16, data: &[u8]) -> Result<New, DecodeError> {
    Older::decode(version, data).map(New::from)
}
