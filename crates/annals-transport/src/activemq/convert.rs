//! A message as AMQP 1.0 sections, by the CloudEvents binding for AMQP, and back.

use annals_core::port::transport::Message as OurMessage;
use annals_core::time::Timestamp;
use bytes::Bytes;
use fe2o3_amqp::types::messaging::{
    ApplicationProperties, Body, Data, Header, Message, MessageId, Properties,
};
use fe2o3_amqp::types::primitives::{Binary, OrderedMap, SimpleValue, Symbol, Value};

use crate::wire::{Attributes, Encoded, Incoming, Place, decode};

const PREFIX: &str = "cloudEvents_";
/// JMS allows no colon in names, so both are written by others.
const PREFIXES: [&str; 3] = ["cloudEvents_", "cloudEvents:", "ce_"];

pub(super) fn sections(message: &OurMessage, encoded: &Encoded<'_>) -> Message<Data> {
    let header = Header {
        durable: true,
        ..Header::default()
    };
    let properties = Properties::builder()
        .message_id(message.event.id.to_string())
        .content_type(Symbol::from(encoded.content_type))
        .group_id(encoded.key.map(str::to_owned))
        .build();
    let mut attributes = OrderedMap::new();
    for (name, value) in encoded.beside_key() {
        attributes.insert(format!("{PREFIX}{name}"), SimpleValue::String(value.to_string()));
    }
    Message::builder()
        .header(header)
        .properties(properties)
        .application_properties(ApplicationProperties(attributes))
        .data(Binary::from(encoded.data.to_vec()))
        .build()
}

/// The message, when it was made if that is said, and how often it was handed out before.
pub(super) fn message(topic: &str, sections: Message<Body<Value>>) -> (OurMessage, Option<Timestamp>, u32) {
    let properties = sections.properties.unwrap_or_default();
    let headers = sections.application_properties.into_iter();
    let headers = headers
        .flat_map(|headers| headers.0)
        .filter_map(|(name, value)| Some((name, text(value)?.into())));
    let attributes = Attributes::among(headers, &PREFIXES);
    let place = Place::named(properties.message_id.map(|id| match id {
        MessageId::String(id) => id,
        other => format!("{other:?}"),
    }));
    let made = properties
        .creation_time
        .map(|moment| Timestamp::from_micros(moment.milliseconds().saturating_mul(1_000)));
    let message = decode(Incoming {
        topic: topic.into(),
        attributes,
        content_type: properties.content_type.map(|kind| kind.0.into()),
        key: properties.group_id.map(Into::into),
        place,
        data: content(sections.body),
    });
    let before = sections.header.map_or(0, |header| header.delivery_count);
    (message, made, before)
}

fn content(body: Body<Value>) -> Bytes {
    match body {
        Body::Data(parts) => {
            let parts: Vec<Vec<u8>> = parts.into_iter().map(|part| part.0.into_vec()).collect();
            parts.concat().into()
        }
        Body::Value(value) => match value.0 {
            Value::String(text) => text.into_bytes().into(),
            Value::Binary(bytes) => bytes.into_vec().into(),
            Value::Null => Bytes::new(),
            other => format!("{other:?}").into_bytes().into(),
        },
        Body::Sequence(values) => format!("{values:?}").into_bytes().into(),
        Body::Empty => Bytes::new(),
    }
}

/// Attributes are text, but other clients write numbers as numbers.
fn text(value: SimpleValue) -> Option<String> {
    match value {
        SimpleValue::String(text) => Some(text),
        SimpleValue::Symbol(text) => Some(text.0),
        SimpleValue::Bool(is) => Some(is.to_string()),
        SimpleValue::Int(number) => Some(number.to_string()),
        SimpleValue::Uint(number) => Some(number.to_string()),
        SimpleValue::Long(number) => Some(number.to_string()),
        SimpleValue::Ulong(number) => Some(number.to_string()),
        _ => None,
    }
}
