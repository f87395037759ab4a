//! A message as an event of the broker's store, and back.
//!
//! In: a message, or a recorded event. Out: the event with one more tag, its last, that names the topic; or the message
//! without it. Invariant: what comes out of [`to_message`] equals what went into [`to_event`], byte for byte.

use annals_core::event::{EventType, NewEvent, RecordedEvent};
use annals_core::port::store::limits;
use annals_core::port::transport::Message;

use super::name::{TOPIC_KIND, topic_tag};

/// The event of a message; or why the broker will not take it.
pub(super) fn to_event(message: Message) -> Result<NewEvent, String> {
    let Message { topic, mut event } = message;
    let tag = topic_tag(&topic).map_err(|reason| reason.to_string())?;
    if event.tags.contains(&tag) {
        return Err(format!(
            "the tag {tag} says that a message is on the topic {topic}, so a message of that topic cannot carry it itself"
        ));
    }
    event.tags.push(tag);
    check(&event)?;
    Ok(event)
}

/// The message of an event; `None` if the event is no message.
pub(super) fn to_message(recorded: RecordedEvent) -> Option<Message> {
    let mut event = recorded.event;
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
