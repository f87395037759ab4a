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
    body: &'a [u8],
    /// How it begins.
    head: &'a [u8; EVENT_FIXED],
    event_type: &'a str,
    /// All tags with their lengths, if that is text as a whole and every tag of it too: then no tag has to be looked at
    /// again.
    tags: Option<&'a str>,
    /// Where tags and content begin.
    tags_at: u32,
    data_at: u32,
    position: Position,
    recorded: Timestamp,
}

/// The tags of an event in their order, see [`EventView::tags`].
#[derive(Debug, Clone)]
pub struct Tags<'a> {
    bytes: &'a [u8],
    text: Option<&'a str>,
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
        let mut view = Self {
            body,
            head,
            event_type: "",
            tags: None,
            tags_at: 0,
            data_at: 0,
            position,
            recorded,
        };
        match view.take_whole() {
            Some(()) => Ok(view),
            None => view.take_one_by_one(),
        }
    }

    /// Looks at the texts of an event without metadata all at once, as nearly every one can be; `None`: this one cannot.
    #[inline]
    fn take_whole(&mut self) -> Option<()> {
        if self.presence() & (OCCURRED | META) != 0 {
            return None;
        }
        let data_at = self.body.len().checked_sub(self.data_bytes() as usize)?;
        let text = std::str::from_utf8(self.body.get(EVENT_FIXED..data_at)?).ok()?;
        let (event_type, tags) = text.split_at_checked(usize::from(self.head[3]))?;
        if !is_whole(tags, self.tag_count()) {
            return None;
        }
        (self.event_type, self.tags) = (event_type, Some(tags));
        self.tags_at = (EVENT_FIXED + event_type.len()) as u32;
        self.data_at = data_at as u32;
        Some(())
    }

    /// Looks at every field by itself.
    fn take_one_by_one(mut self) -> Result<Self, String> {
        let mut cursor = Cursor::new(self.body);
        cursor.at = EVENT_FIXED;
        self.event_type = cursor.text_of(usize::from(self.head[3]))?;
        skip_meta(&mut cursor, self.presence())?;
        let from = cursor.at;
        for _ in 0..self.tag_count() {
            cursor.text()?;
        }
        let tags = std::str::from_utf8(cursor.since(from)).ok();
        self.tags = tags.filter(|tags| is_whole(tags, self.tag_count()));
        (self.tags_at, self.data_at) = (from as u32, cursor.at as u32);
        cursor.rest(self.data_bytes())?;
        Ok(self)
    }

    fn data_bytes(&self) -> u32 {
        u32::from_le_bytes([self.head[24], self.head[25], self.head[26], self.head[27]])
    }

    fn presence(&self) -> u16 {
        u16::from_le_bytes([self.head[1], self.head[2]])
    }

    fn tag_count(&self) -> u16 {
        u16::from_le_bytes([self.head[6], self.head[7]])
    }

    fn has(&self, bit: u16) -> bool {
        self.presence() & bit != 0
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
        id_in(self.head)
    }

    /// The name of its type.
    pub fn event_type(&self) -> &'a str {
        self.event_type
    }

    /// The version of that type's shape, from 1.
    pub fn version(&self) -> u16 {
        u16::from_le_bytes([self.head[4], self.head[5]])
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
            bytes: &self.body[self.tags_at as usize..self.data_at as usize],
            text: self.tags,
            at: 0,
            left: self.tag_count(),
        }
    }

    /// When it happened in the world, if that was said.
    pub fn occurred(&self) -> Option<Timestamp> {
        self.has(OCCURRED).then(|| checked(self.past_type().moment()))
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
            true => checked(read_metadata(&mut self.past_time(), self.presence())),
            false => Metadata::default(),
        }
    }

    /// Where the metadata begin.
    fn past_time(&self) -> Cursor<'a> {
        let mut cursor = self.past_type();
        cursor.at += if self.has(OCCURRED) { 8 } else { 0 };
        cursor
    }

    fn past_type(&self) -> Cursor<'a> {
        let mut cursor = Cursor::new(self.body);
        cursor.at = EVENT_FIXED + self.event_type.len();
        cursor
    }

    /// Its content.
    pub fn data(&self) -> &'a [u8] {
        &self.body[self.data_at as usize..]
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
        let event = self.to_new(Bytes::copy_from_slice(self.data()));
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
        let mut tags = Vec::with_capacity(usize::from(self.tag_count()));
        for tag in self.tags() {
            tags.push(Tag::new(tag).map_err(|error| error.to_string())?);
        }
        Ok(NewEvent {
            id: self.id(),
            event_type: EventType::new(self.event_type),
            version: self.version(),
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

/// Whether these are so many tags and nothing else, every one of them text by itself.
#[inline]
fn is_whole(tags: &str, count: u16) -> bool {
    let (bytes, mut at) = (tags.as_bytes(), 0);
    for _ in 0..count {
        let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) else {
            return false;
        };
        let from = at + 2;
        at = from + usize::from(u16::from_le_bytes(*length));
        if !tags.is_char_boundary(from) || !tags.is_char_boundary(at) {
            return false;
        }
    }
    at == bytes.len()
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let length = self.bytes.get(self.at..)?.first_chunk::<2>()?;
        let from = self.at + 2;
        let to = from + usize::from(u16::from_le_bytes(*length));
        let tag = match self.text {
            Some(text) => text.get(from..to),
            None => std::str::from_utf8(self.bytes.get(from..to)?).ok(),
        };
        (self.at, self.left) = (to, self.left.saturating_sub(1));
        tag
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
    view.to_new(body.slice_ref(view.data()))
}

/// Reads what an event is found by. An `Err` says what was found instead.
pub(crate) fn read_named(body: &[u8]) -> Result<EventView<'_>, String> {
    EventView::new(body, Position::ZERO, Timestamp::EPOCH)
}

fn id_in(head: &[u8; EVENT_FIXED]) -> EventId {
    let id = head[8..24].try_into();
    EventId::from_uuid(Uuid::from_bytes(id.expect("sixteen bytes were sliced")))
}

/// The id of an event that was just encoded.
pub(crate) fn id_of(body: &[u8]) -> EventId {
    let head = body.first_chunk::<EVENT_FIXED>();
    id_in(head.expect("every event has as many bytes at least"))
}

impl Termed for EventView<'_> {
    fn id(&self) -> EventId {
        EventView::id(self)
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
