//! What a store takes: every check that needs nothing but the append itself.
//!
//! In: an append. Out: nothing, or the sentence that says what is wrong with it. Both stores ask here before
//! anything is queued, so they refuse the same things. Knows nothing of what is stored.

use std::collections::HashSet;
use std::fmt::Display;

use annals_core::event::{EventType, NewEvent};
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, limits};

use crate::record;

/// Checks everything about an append that does not depend on what is stored.
pub(crate) fn check(append: &Append) -> Result<(), AppendError> {
    if append.events.is_empty() && append.marks.is_empty() {
        return refuse("expected events or marks, found neither; do not append when there is nothing to say");
    }
    if append.events.len() > limits::APPEND_EVENTS_MAX {
        let found = append.events.len();
        return refuse(format!(
            "expected at most {} events, found {found}",
            limits::APPEND_EVENTS_MAX
        ));
    }
    let mut bytes = 0_usize;
    for (place, event) in append.events.iter().enumerate() {
        check_event(event).map_err(|reason| invalid(format!("event {place} ({}): {reason}", event.id)))?;
        bytes = bytes.saturating_add(record::event_bytes(event));
    }
    if let Some((place, id)) = repeated_id(&append.events) {
        return refuse(format!("event {place}: its id {id} stands twice in this append"));
    }
    for mark in &append.marks {
        check_mark(mark).map_err(|reason| invalid(format!("mark {}: {reason}", mark.key)))?;
        bytes = bytes.saturating_add(record::mark_bytes(mark));
    }
    if bytes > limits::APPEND_BYTES_MAX {
        return refuse(format!(
            "expected at most {} bytes in one append, found {bytes}",
            limits::APPEND_BYTES_MAX
        ));
    }
    Ok(())
}

fn invalid(reason: impl Into<String>) -> AppendError {
    AppendError::Invalid(reason.into())
}

fn refuse(reason: impl Into<String>) -> Result<(), AppendError> {
    Err(invalid(reason))
}

/// An id that stands twice, and where it stands again.
fn repeated_id(events: &[NewEvent]) -> Option<(usize, EventId)> {
    if events.len() < 2 {
        return None;
    }
    let mut ids: Vec<(EventId, usize)> = events.iter().map(|event| event.id).zip(0..).collect();
    ids.sort_unstable();
    let again = |pair: &[(EventId, usize)]| (pair[0].0 == pair[1].0).then_some(pair[1]);
    let (id, place) = ids.windows(2).find_map(again)?;
    Some((place, id))
}

fn check_event(event: &NewEvent) -> Result<(), String> {
    if !event.event_type.is_valid() {
        let (max, found) = (EventType::BYTES_MAX, event.event_type.as_str());
        return Err(format!(
            "expected a type name of 1 to {max} bytes without control characters, found {found:?}"
        ));
    }
    at_most("bytes of content", limits::EVENT_DATA_BYTES_MAX, event.data.len())?;
    at_most("tags", limits::EVENT_TAGS_MAX, event.tags.len())?;
    let tag_bytes = event.tags.iter().map(|tag| tag.as_str().len()).sum();
    at_most("bytes of tags", limits::EVENT_TAGS_BYTES_MAX, tag_bytes)?;
    if let Some(tag) = first_repeated(event) {
        return Err(format!("its tag {tag} stands twice"));
    }
    let meta = &event.metadata;
    for (name, text) in [
        ("trace parent", &meta.trace_parent),
        ("actor", &meta.actor),
        ("service", &meta.service),
        ("topic", &meta.topic),
    ] {
        at_most(
            format_args!("bytes of {name}"),
            METADATA_TEXT_BYTES_MAX,
            text.as_ref().map_or(0, |text| text.len()),
        )?;
    }
    at_most(
        "bytes of origin",
        METADATA_TEXT_BYTES_MAX,
        meta.origin.as_ref().map_or(0, |o| o.service.len()),
    )
}

/// The longest text of any one metadata field, in bytes.
pub(crate) const METADATA_TEXT_BYTES_MAX: usize = 4_096;

fn first_repeated(event: &NewEvent) -> Option<&annals_core::tag::Tag> {
    if event.tags.len() <= 8 {
        let pairs = event.tags.iter().enumerate();
        return pairs
            .filter(|(place, tag)| event.tags[..*place].contains(tag))
            .map(|(_, tag)| tag)
            .next();
    }
    let mut seen = HashSet::with_capacity(event.tags.len());
    event.tags.iter().find(|tag| !seen.insert(*tag))
}

fn check_mark(mark: &Mark) -> Result<(), String> {
    let key_bytes = mark.key.space.len() + mark.key.name.len();
    at_most("bytes of space and name", MarkKey::BYTES_MAX, key_bytes)?;
    at_most(
        "bytes of value",
        limits::MARK_VALUE_BYTES_MAX,
        mark.value.as_ref().map_or(0, |value| value.len()),
    )
}

fn at_most(what: impl Display, max: usize, found: usize) -> Result<(), String> {
    if found > max {
        Err(format!("expected at most {max} {what}, found {found}"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
