//! Events as they lie in the bytes they were read in.
//!
//! In: the body of a record. Out: a view of it, every length and text checked once, nothing allocated; or an event of its
//! own, in the form in which it is stored or taken apart.

use annals_core::event::{EventType, Metadata, NewEvent, Origin, Purpose, RecordedEvent, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::port::store::ReadError;
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;
use smol_str::SmolStr;
use uuid::Uuid;

use super::layout::*;
use crate::index::Termed;

/// What is before the tags beyond the time and the type.
const META: u16 = CORRELATION | CAUSATION | TRACE_PARENT | ACTOR | SERVICE | TOPIC | ORIGIN;

/// An event, borrowed from the bytes it was read in.
///
/// It was checked when it was read: its checksum, every length, every text. Looking at it allocates nothing, but for
/// [`EventView::metadata`] where texts are long. To keep it, make a [`StoredEvent`] or a [`RecordedEvent`] of it.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a> {
    position: Position,
    recorded: Timestamp,
    id: EventId,
    version: u16,
    presence: u16,
    event_type: &'a str,
    /// From the time it occurred to the tags.
    meta: &'a [u8],
    tags: Region<'a>,
    data: &'a [u8],
    body: &'a [u8],
}

/// All tags of an event.
#[derive(Debug, Clone, Copy)]
struct Region<'a> {
    count: u16,
    bytes: &'a [u8],
    /// The same, if all of it is ASCII; then no tag has to be looked at again.
    text: Option<&'a str>,
}

/// The tags of an event in their order, see [`EventView::tags`].
#[derive(Debug, Clone)]
pub struct Tags<'a> {
    region: Region<'a>,
    at: usize,
    left: u16,
}

impl<'a> EventView<'a> {
    /// Takes a body apart. An `Err` says what was found instead of an event.
    #[inline]
    pub(crate) fn new(body: &'a [u8], position: Position, recorded: Timestamp) -> Result<Self, String> {
        let Some(head) = body.first_chunk::<EVENT_FIXED>() else {
            return Err(not_an_event(body));
        };
        let presence = u16::from_le_bytes([head[1], head[2]]);
        if head[0] != EVENT || presence & !KNOWN != 0 {
            return Err(not_an_event(body));
        }
        let (id, content) = (head[8..24].try_into(), head[24..28].try_into());
        let content = u32::from_le_bytes(content.expect("four bytes were sliced"));
        let mut cursor = Cursor::new(body);
        cursor.at = EVENT_FIXED;
        let event_type = cursor.text_of(usize::from(head[3]))?;
        let from = cursor.at;
        if presence & (OCCURRED | META) != 0 {
            skip_meta(&mut cursor, presence)?;
        }
        let meta = &body[from..cursor.at];
        let tags = Region::take(&mut cursor, u16::from_le_bytes([head[6], head[7]]))?;
        Ok(Self {
            position,
            recorded,
            id: EventId::from_uuid(Uuid::from_bytes(id.expect("sixteen bytes were sliced"))),
            version: u16::from_le_bytes([head[4], head[5]]),
            presence,
            event_type,
            meta,
            tags,
            data: cursor.rest(content)?,
            body,
        })
    }

    fn has(&self, bit: u16) -> bool {
        self.presence & bit != 0
    }

    /// Its place in the store.
    pub fn position(&self) -> Position {
        self.position
    }

    /// When the store took it; never decreases along positions.
    pub fn recorded(&self) -> Timestamp {
        self.recorded
    }

    /// Its name.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The name of its type.
    pub fn event_type(&self) -> &'a str {
        self.event_type
    }

    /// The version of that type's shape, from 1.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Fact or request.
    pub fn purpose(&self) -> Purpose {
        match self.has(COMMAND) {
            true => Purpose::Command,
            false => Purpose::Event,
        }
    }

    /// Published or kept.
    pub fn visibility(&self) -> Visibility {
        match self.has(PRIVATE) {
            true => Visibility::Private,
            false => Visibility::Public,
        }
    }

    /// Its tags in their order; the first is the partition tag.
    pub fn tags(&self) -> Tags<'a> {
        Tags {
            region: self.tags,
            at: 0,
            left: self.tags.count,
        }
    }

    /// When it happened in the world, if that was said.
    pub fn occurred(&self) -> Option<Timestamp> {
        self.has(OCCURRED)
            .then(|| checked(Cursor::new(self.meta).moment()))
    }

    /// When it happened: as the event says, else when it was recorded.
    pub fn happened(&self) -> Timestamp {
        self.occurred().unwrap_or(self.recorded)
    }

    /// The request all of this follows from.
    pub fn correlation(&self) -> Option<CorrelationId> {
        let uuid = self.has(CORRELATION).then(|| checked(self.past_time().uuid()));
        uuid.map(CorrelationId::from_uuid)
    }

    /// Everything about where it came from, taken apart on each call.
    pub fn metadata(&self) -> Metadata {
        match self.has(META) {
            true => checked(read_metadata(&mut self.past_time(), self.presence)),
            false => Metadata::default(),
        }
    }

    /// Where the metadata begin.
    fn past_time(&self) -> Cursor<'a> {
        let mut cursor = Cursor::new(self.meta);
        cursor.at = if self.has(OCCURRED) { 8 } else { 0 };
        cursor
    }

    /// Its content.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The same event in memory of its own, in the form in which it is stored: one piece of memory, nothing taken
    /// apart.
    pub fn to_stored(&self) -> StoredEvent {
        StoredEvent {
            position: self.position,
            recorded: self.recorded,
            body: self.body.into(),
        }
    }

    /// The same event taken apart, its content in memory of its own.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] if a tag is none.
    pub fn to_recorded(&self) -> Result<RecordedEvent, ReadError> {
        let event = self.to_new(Bytes::copy_from_slice(self.data));
        let event = event.map_err(|found| {
            ReadError::Corrupt(format!(
                "expected the event at position {}, found {found}",
                self.position
            ))
        })?;
        Ok(RecordedEvent {
            position: self.position,
            recorded: self.recorded,
            event,
        })
    }

    /// The same event taken apart, with its content wherever that is kept. An `Err` says what was found instead.
    #[inline]
    pub(crate) fn to_new(self, data: Bytes) -> Result<NewEvent, String> {
        let mut tags = Vec::with_capacity(usize::from(self.tags.count));
        for tag in self.tags() {
            tags.push(Tag::new(tag).map_err(|error| error.to_string())?);
        }
        Ok(NewEvent {
            id: self.id,
            event_type: EventType::new(self.event_type),
            version: self.version,
            purpose: self.purpose(),
            visibility: self.visibility(),
            tags,
            occurred: self.occurred(),
            metadata: self.metadata(),
            data,
        })
    }
}

/// What was checked when the view was made cannot be otherwise now.
fn checked<T>(read: Result<T, String>) -> T {
    read.expect("every field was read once when the view was made")
}

impl<'a> Region<'a> {
    fn take(cursor: &mut Cursor<'a>, count: u16) -> Result<Self, String> {
        let from = cursor.at;
        for _ in 0..count {
            let bytes = cursor.u16()?;
            cursor.take(usize::from(bytes))?;
        }
        let bytes = cursor.since(from);
        if bytes.is_ascii() {
            let text = std::str::from_utf8(bytes).ok();
            return Ok(Self { count, bytes, text });
        }
        let end = cursor.at;
        cursor.at = from;
        while cursor.at < end {
            cursor.text()?;
        }
        Ok(Self {
            count,
            bytes,
            text: None,
        })
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let length = self.region.bytes.get(self.at..)?.first_chunk::<2>()?;
        let from = self.at + 2;
        self.at = from + usize::from(u16::from_le_bytes(*length));
        self.left -= 1;
        match self.region.text {
            Some(text) => text.get(from..self.at),
            None => std::str::from_utf8(self.region.bytes.get(from..self.at)?).ok(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Tags<'_> {}

/// An event of its own, in the form in which it is stored: one piece of memory that nothing else shares.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    position: Position,
    recorded: Timestamp,
    body: Box<[u8]>,
}

impl StoredEvent {
    /// A view of it. Costs some ten nanoseconds, since it is taken apart anew.
    pub fn view(&self) -> EventView<'_> {
        checked(EventView::new(&self.body, self.position, self.recorded))
    }

    /// Bytes of memory it takes beside itself.
    pub fn bytes(&self) -> usize {
        self.body.len()
    }
}

#[cold]
fn not_an_event(body: &[u8]) -> String {
    let mut cursor = Cursor::new(body);
    let mut read = || -> Result<String, String> {
        let kind = cursor.u8()?;
        if kind != EVENT {
            return Ok(format!("a record of kind {kind} where an event should be"));
        }
        let there = cursor.u16()?;
        if there & !KNOWN != 0 {
            return Ok(format!("unknown fields, presence {there:#06x}"));
        }
        Ok(format!("{} bytes of an event", body.len()))
    };
    read().unwrap_or_else(|short| short)
}

/// Checks everything between type and tags.
fn skip_meta(cursor: &mut Cursor<'_>, there: u16) -> Result<(), String> {
    let has = |bit| there & bit != 0;
    for (bit, bytes) in [(OCCURRED, 8), (CORRELATION, 16), (CAUSATION, 16)] {
        cursor.take(if has(bit) { bytes } else { 0 })?;
    }
    for bit in [TRACE_PARENT, ACTOR, SERVICE, TOPIC] {
        if has(bit) {
            cursor.text()?;
        }
    }
    if has(ORIGIN) {
        cursor.text()?;
        cursor.take(16)?;
    }
    Ok(())
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

/// Reads an event; its content shares the body's memory. An `Err` says what was found instead.
pub(crate) fn read_event(body: &Bytes) -> Result<NewEvent, String> {
    let view = EventView::new(body, Position::ZERO, Timestamp::EPOCH)?;
    view.to_new(body.slice_ref(view.data))
}

/// Reads what an event is found by. An `Err` says what was found instead.
pub(crate) fn read_named(body: &[u8]) -> Result<EventView<'_>, String> {
    EventView::new(body, Position::ZERO, Timestamp::EPOCH)
}

impl Termed for EventView<'_> {
    fn id(&self) -> EventId {
        self.id
    }

    fn type_name(&self) -> &str {
        self.event_type
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        EventView::tags(self)
    }

    fn correlation(&self) -> Option<CorrelationId> {
        EventView::correlation(self)
    }
}
