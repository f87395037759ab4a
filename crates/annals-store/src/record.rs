//! Events and marks as bytes.
//!
//! In: an event or a mark. Out: the body of one log record; and back again, every length checked against the bytes
//! that are there. The same event always becomes the same bytes, so equality of content is equality of bytes. Where
//! an event stands and when it was recorded is not in here: the log's frame knows.
//!
//! An event, all numbers little endian:
//!
//! | byte | bytes | field |
//! |---|---|---|
//! | 0 | 1 | kind, 1 |
//! | 1 | 2 | presence, see below |
//! | 3 | 1 | bytes of the type's name |
//! | 4 | 2 | version |
//! | 6 | 2 | tags |
//! | 8 | 16 | id |
//! | 24 | 4 | bytes of content |
//! | 28 | … | type's name, then what is present in the order of its bits, then each tag (2 + text), then the content |
//!
//! | presence bit | field, and its bytes |
//! |---|---|
//! | 0 | a command, else an event |
//! | 1 | private, else public |
//! | 2 | occurred: 8, µs since 1970, signed |
//! | 3, 4 | correlation, causation: 16 each |
//! | 5, 6, 7, 8 | trace parent, actor, service, topic: 2 + text each |
//! | 9 | origin: service (2 + text), position 8, recorded 8 |
//!
//! A mark:
//!
//! | byte | bytes | field |
//! |---|---|---|
//! | 0 | 1 | kind, 2 |
//! | 1 | 1 | 1 if it has a value, 0 if it is removed |
//! | 2 | 2 | bytes of the space |
//! | 4 | 2 | bytes of the name |
//! | 6 | 4 | bytes of the value |
//! | 10 | … | space, name, value |

use annals_core::event::{NewEvent, Purpose, Visibility};
use annals_core::mark::{Mark, MarkKey};
use bytes::Bytes;
use smol_str::SmolStr;

mod layout;
mod view;

use layout::*;
pub use view::{EventView, StoredEvent, Tags};
pub(crate) use view::{id_of, read_event, read_named};

/// The bytes an event becomes, exactly.
pub(crate) fn event_bytes(event: &NewEvent) -> usize {
    let meta = &event.metadata;
    let texts = [&meta.trace_parent, &meta.actor, &meta.service, &meta.topic];
    let texts: usize = texts.into_iter().flatten().map(|text| 2 + text.len()).sum();
    let fixed = [
        (event.occurred.is_some(), 8),
        (meta.correlation.is_some(), 16),
        (meta.causation.is_some(), 16),
    ];
    let fixed: usize = fixed
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, bytes)| bytes)
        .sum();
    let origin = meta.origin.as_ref().map_or(0, |origin| 18 + origin.service.len());
    let tags: usize = event.tags.iter().map(|tag| 2 + tag.as_str().len()).sum();
    EVENT_FIXED + event.event_type.as_str().len() + fixed + texts + origin + tags + event.data.len()
}

/// The bytes a mark becomes, exactly.
pub(crate) fn mark_bytes(mark: &Mark) -> usize {
    MARK_FIXED + mark.key.space.len() + mark.key.name.len() + mark.value.as_ref().map_or(0, Bytes::len)
}

/// Appends an event that was admitted: lengths are known to fit.
pub(crate) fn write_event(event: &NewEvent, out: &mut Vec<u8>) {
    let meta = &event.metadata;
    out.push(EVENT);
    out.extend_from_slice(&presence(event).to_le_bytes());
    out.push(event.event_type.as_str().len() as u8);
    out.extend_from_slice(&event.version.to_le_bytes());
    out.extend_from_slice(&(event.tags.len() as u16).to_le_bytes());
    out.extend_from_slice(event.id.as_uuid().as_bytes());
    out.extend_from_slice(&(event.data.len() as u32).to_le_bytes());
    out.extend_from_slice(event.event_type.as_str().as_bytes());
    if let Some(occurred) = event.occurred {
        out.extend_from_slice(&occurred.as_micros().to_le_bytes());
    }
    if let Some(correlation) = meta.correlation {
        out.extend_from_slice(correlation.as_uuid().as_bytes());
    }
    if let Some(causation) = meta.causation {
        out.extend_from_slice(causation.as_uuid().as_bytes());
    }
    for text in [&meta.trace_parent, &meta.actor, &meta.service, &meta.topic]
        .into_iter()
        .flatten()
    {
        write_text(text, out);
    }
    if let Some(origin) = &meta.origin {
        write_text(&origin.service, out);
        out.extend_from_slice(&origin.position.get().to_le_bytes());
        out.extend_from_slice(&origin.recorded.as_micros().to_le_bytes());
    }
    for tag in &event.tags {
        write_text(tag.as_str(), out);
    }
    out.extend_from_slice(&event.data);
}

fn presence(event: &NewEvent) -> u16 {
    let meta = &event.metadata;
    let bits = [
        (event.purpose == Purpose::Command, COMMAND),
        (event.visibility == Visibility::Private, PRIVATE),
        (event.occurred.is_some(), OCCURRED),
        (meta.correlation.is_some(), CORRELATION),
        (meta.causation.is_some(), CAUSATION),
        (meta.trace_parent.is_some(), TRACE_PARENT),
        (meta.actor.is_some(), ACTOR),
        (meta.service.is_some(), SERVICE),
        (meta.topic.is_some(), TOPIC),
        (meta.origin.is_some(), ORIGIN),
    ];
    bits.into_iter()
        .filter(|(there, _)| *there)
        .fold(0, |all, (_, bit)| all | bit)
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a mark that was admitted.
pub(crate) fn write_mark(mark: &Mark, out: &mut Vec<u8>) {
    let value = mark.value.as_deref().unwrap_or_default();
    out.push(MARK);
    out.push(u8::from(mark.value.is_some()));
    out.extend_from_slice(&(mark.key.space.len() as u16).to_le_bytes());
    out.extend_from_slice(&(mark.key.name.len() as u16).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(mark.key.space.as_bytes());
    out.extend_from_slice(mark.key.name.as_bytes());
    out.extend_from_slice(value);
}

/// Reads a mark; its value shares the body's memory. An `Err` says what was found instead.
pub(crate) fn read_mark(body: &Bytes) -> Result<Mark, String> {
    let mut cursor = Cursor::new(body);
    let kind = cursor.u8()?;
    if kind != MARK {
        return Err(format!("a record of kind {kind} where a mark should be"));
    }
    let has_value = cursor.u8()?;
    let (space, name, value) = (cursor.u16()?, cursor.u16()?, cursor.u32()?);
    let space = SmolStr::new(cursor.text_of(usize::from(space))?);
    let name = SmolStr::new(cursor.text_of(usize::from(name))?);
    let value = body.slice_ref(cursor.rest(value)?);
    let key = MarkKey { space, name };
    match has_value {
        0 if value.is_empty() => Ok(Mark { key, value: None }),
        1 => Ok(Mark {
            key,
            value: Some(value),
        }),
        other => Err(format!(
            "a mark with presence {other} and {} bytes of value",
            value.len()
        )),
    }
}

#[cfg(test)]
pub(crate) mod tests;
