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

use annals_core::event::{EventType, Metadata, NewEvent, Origin, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark, MarkKey};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::index::Termed;

const EVENT: u8 = 1;
const MARK: u8 = 2;
/// Bytes of an event before the type's name.
const EVENT_FIXED: usize = 28;
const MARK_FIXED: usize = 10;

const COMMAND: u16 = 1;
const PRIVATE: u16 = 1 << 1;
const OCCURRED: u16 = 1 << 2;
const CORRELATION: u16 = 1 << 3;
const CAUSATION: u16 = 1 << 4;
const TRACE_PARENT: u16 = 1 << 5;
const ACTOR: u16 = 1 << 6;
const SERVICE: u16 = 1 << 7;
const TOPIC: u16 = 1 << 8;
const ORIGIN: u16 = 1 << 9;
const KNOWN: u16 = (1 << 10) - 1;

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

/// Takes pieces off the front of a body, never beyond its end.
struct Cursor<'a> {
    body: &'a Bytes,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], String> {
        let rest = &self.body[self.at..];
        let piece = rest.get(..bytes).ok_or_else(|| {
            format!(
                "a field of {bytes} bytes at byte {} of a record of {}",
                self.at,
                self.body.len()
            )
        })?;
        self.at += bytes;
        Ok(piece)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self
            .take(N)?
            .try_into()
            .expect("as many bytes were taken as the array has"))
    }

    fn u8(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16, String> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn moment(&mut self) -> Result<Timestamp, String> {
        Ok(Timestamp::from_micros(i64::from_le_bytes(self.array()?)))
    }

    fn uuid(&mut self) -> Result<Uuid, String> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    fn text_of(&mut self, bytes: usize) -> Result<&'a str, String> {
        let at = self.at;
        std::str::from_utf8(self.take(bytes)?)
            .map_err(|error| format!("text at byte {at} that is no UTF-8: {error}"))
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let bytes = self.u16()?;
        self.text_of(usize::from(bytes))
    }

    /// The rest of the body, without copying.
    fn rest(&mut self, bytes: u32) -> Result<Bytes, String> {
        let at = self.at;
        let left = self.body.len() - at;
        if left != bytes as usize {
            return Err(format!("{left} bytes of content where {bytes} were announced"));
        }
        self.at += left;
        Ok(self.body.slice(at..))
    }
}

/// Reads an event; its content shares the body's memory. An `Err` says what was found instead.
pub(crate) fn read_event(body: &Bytes) -> Result<NewEvent, String> {
    let mut cursor = Cursor { body, at: 0 };
    let kind = cursor.u8()?;
    if kind != EVENT {
        return Err(format!("a record of kind {kind} where an event should be"));
    }
    let there = cursor.u16()?;
    if there & !KNOWN != 0 {
        return Err(format!("unknown fields, presence {there:#06x}"));
    }
    let type_bytes = cursor.u8()?;
    let (version, tags) = (cursor.u16()?, cursor.u16()?);
    let id = EventId::from_uuid(cursor.uuid()?);
    let content = cursor.u32()?;
    let event_type = EventType::new(cursor.text_of(usize::from(type_bytes))?);
    let has = |bit| there & bit != 0;
    let occurred = has(OCCURRED).then(|| cursor.moment()).transpose()?;
    let metadata = read_metadata(&mut cursor, there)?;
    let tags = (0..tags)
        .map(|_| read_tag(&mut cursor))
        .collect::<Result<_, _>>()?;
    Ok(NewEvent {
        id,
        event_type,
        version,
        purpose: if has(COMMAND) {
            Purpose::Command
        } else {
            Purpose::Event
        },
        visibility: if has(PRIVATE) {
            Visibility::Private
        } else {
            Visibility::Public
        },
        tags,
        occurred,
        metadata,
        data: cursor.rest(content)?,
    })
}

/// What an event is found by, borrowed from its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) id: EventId,
    event_type: &'a str,
    correlation: Option<CorrelationId>,
    tags: &'a [u8],
}

/// Reads what an event is found by, and checks every length and text on the way. An `Err` says what was found instead.
pub(crate) fn read_named(body: &Bytes) -> Result<Named<'_>, String> {
    let mut cursor = Cursor { body, at: 0 };
    let kind = cursor.u8()?;
    if kind != EVENT {
        return Err(format!("a record of kind {kind} where an event should be"));
    }
    let there = cursor.u16()?;
    if there & !KNOWN != 0 {
        return Err(format!("unknown fields, presence {there:#06x}"));
    }
    let type_bytes = cursor.u8()?;
    let (_version, tags) = (cursor.u16()?, cursor.u16()?);
    let id = EventId::from_uuid(cursor.uuid()?);
    let content = cursor.u32()?;
    let event_type = cursor.text_of(usize::from(type_bytes))?;
    let has = |bit| there & bit != 0;
    cursor.take(if has(OCCURRED) { 8 } else { 0 })?;
    let correlation = has(CORRELATION).then(|| cursor.uuid()).transpose()?;
    cursor.take(if has(CAUSATION) { 16 } else { 0 })?;
    for bit in [TRACE_PARENT, ACTOR, SERVICE, TOPIC] {
        if has(bit) {
            cursor.text()?;
        }
    }
    if has(ORIGIN) {
        read_origin(&mut cursor)?;
    }
    let from = cursor.at;
    for _ in 0..tags {
        cursor.text()?;
    }
    let tags = &body[from..cursor.at];
    cursor.rest(content)?;
    Ok(Named {
        id,
        event_type,
        correlation: correlation.map(CorrelationId::from_uuid),
        tags,
    })
}

impl Termed for Named<'_> {
    fn id(&self) -> EventId {
        self.id
    }

    fn type_name(&self) -> &str {
        self.event_type
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.tags;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (tag, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            rest = after;
            std::str::from_utf8(tag).ok()
        })
    }

    fn correlation(&self) -> Option<CorrelationId> {
        self.correlation
    }
}

fn read_metadata(cursor: &mut Cursor<'_>, there: u16) -> Result<Metadata, String> {
    let has = |bit| there & bit != 0;
    let correlation = has(CORRELATION)
        .then(|| cursor.uuid())
        .transpose()?
        .map(CorrelationId::from_uuid);
    let causation = has(CAUSATION)
        .then(|| cursor.uuid())
        .transpose()?
        .map(EventId::from_uuid);
    let mut text = |bit| has(bit).then(|| cursor.text().map(SmolStr::new)).transpose();
    let (trace_parent, actor, service, topic) =
        (text(TRACE_PARENT)?, text(ACTOR)?, text(SERVICE)?, text(TOPIC)?);
    let origin = has(ORIGIN).then(|| read_origin(cursor)).transpose()?;
    Ok(Metadata {
        correlation,
        causation,
        trace_parent,
        actor,
        service,
        topic,
        origin,
    })
}

fn read_origin(cursor: &mut Cursor<'_>) -> Result<Origin, String> {
    let service = SmolStr::new(cursor.text()?);
    let position = Position::new(u64::from_le_bytes(cursor.array()?));
    Ok(Origin {
        service,
        position,
        recorded: cursor.moment()?,
    })
}

fn read_tag(cursor: &mut Cursor<'_>) -> Result<Tag, String> {
    Tag::new(cursor.text()?).map_err(|error| error.to_string())
}

/// Reads a mark; its value shares the body's memory. An `Err` says what was found instead.
pub(crate) fn read_mark(body: &Bytes) -> Result<Mark, String> {
    let mut cursor = Cursor { body, at: 0 };
    let kind = cursor.u8()?;
    if kind != MARK {
        return Err(format!("a record of kind {kind} where a mark should be"));
    }
    let has_value = cursor.u8()?;
    let (space, name, value) = (cursor.u16()?, cursor.u16()?, cursor.u32()?);
    let space = SmolStr::new(cursor.text_of(usize::from(space))?);
    let name = SmolStr::new(cursor.text_of(usize::from(name))?);
    let value = cursor.rest(value)?;
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
