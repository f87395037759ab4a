//! A message as an event of the broker's store, and back.
//!
//! In: a message, or an event. Out: the event with one more tag, its last, that names the topic; or the message
//! without it. Invariant: what comes out of [`to_message`] equals what went into [`Converter::event`], byte for byte.

use annals_core::event::{EventType, NewEvent};
use annals_core::port::store::limits;
use annals_core::port::transport::{Message, Topic};
use annals_core::tag::Tag;

use super::name::{TOPIC_KIND, topic_tag};

/// Makes events of messages, one after the other.
#[derive(Default)]
pub(super) struct Converter {
    /// Neighbours are mostly on one topic.
    last: Option<(Topic, Tag)>,
}

impl Converter {
    /// The event of a message; or why the broker will not take it.
    pub(super) fn event(&mut self, message: &Message) -> Result<NewEvent, String> {
        let Message { topic, event } = message;
        let tag = self.tag(topic, event)?;
        let mut tags = Vec::with_capacity(event.tags.len() + 1);
        tags.extend_from_slice(&event.tags);
        tags.push(tag);
        let event = NewEvent {
            id: event.id,
            event_type: event.event_type.clone(),
            version: event.version,
            purpose: event.purpose,
            visibility: event.visibility,
            tags,
            occurred: event.occurred,
            metadata: event.metadata.clone(),
            data: event.data.clone(),
        };
        check(&event)?;
        Ok(event)
    }

    /// Makes the event of a message that which is appended, where it lies, and says whether the broker takes it; if not, it
    /// stays as it is.
    pub(super) fn mark(&mut self, message: &mut Message) -> bool {
        let Ok(tag) = self.tag(&message.topic, &message.event) else {
            return false;
        };
        message.event.tags.push(tag);
        let taken = check(&message.event).is_ok();
        if !taken {
            unmark(message);
        }
        taken
    }

    /// The tag that names the topic, for an event that does not carry it.
    fn tag(&mut self, topic: &Topic, event: &NewEvent) -> Result<Tag, String> {
        let tag = match &self.last {
            Some((last, tag)) if last == topic => tag,
            _ => {
                let tag = topic_tag(topic).map_err(|reason| reason.to_string())?;
                &self.last.insert((topic.clone(), tag)).1
            }
        };
        if event.tags.contains(tag) {
            return Err(format!(
                "the tag {tag} says that a message is on the topic {topic}, so a message of that topic cannot carry it itself"
            ));
        }
        Ok(tag.clone())
    }
}

/// Takes back what [`Converter::mark`] did.
pub(super) fn unmark(message: &mut Message) {
    message.event.tags.pop();
}

/// The message of an event; `None` if the event is no message.
pub(super) fn to_message(mut event: NewEvent) -> Option<Message> {
    let tag = event.tags.pop_if(|tag| tag.kind() == TOPIC_KIND)?;
    Some(Message {
        topic: tag.value().into(),
        event,
    })
}

fn check(event: &NewEvent) -> Result<(), String> {
    if !event.event_type.is_valid() {
        return Err(format!(
            "expected a type of 1 to {} bytes without control characters, found {:?}",
            EventType::BYTES_MAX,
            event.event_type
        ));
    }
    at_most("bytes of content", event.data.len(), limits::EVENT_DATA_BYTES_MAX)?;
    at_most(
        "tags, that of the topic included",
        event.tags.len(),
        limits::EVENT_TAGS_MAX,
    )?;
    let tag_bytes = event.tags.iter().map(|tag| tag.as_str().len()).sum();
    at_most(
        "bytes of tags, that of the topic included",
        tag_bytes,
        limits::EVENT_TAGS_BYTES_MAX,
    )
}

fn at_most(what: &str, found: usize, max: usize) -> Result<(), String> {
    if found > max {
        return Err(format!("expected at most {max} {what}, found {found}"));
    }
    Ok(())
}
