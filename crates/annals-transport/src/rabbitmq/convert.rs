//! A message as AMQP 0.9.1 properties and body, and back.
//!
//! There is no binding of CloudEvents to AMQP 0.9.1. We write attributes as headers with `ce_`, as Kafka does, and read
//! `ce_`, `ce-` and `cloudEvents_`.

use std::borrow::Cow;

use annals_core::port::transport::Message;
use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

use crate::wire::{Attributes, Encoded, Incoming, Place, decode};

const PREFIX: &str = "ce_";
const PREFIXES: [&str; 3] = ["ce_", "ce-", "cloudEvents_"];
/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;

pub(super) fn properties(message: &Message, encoded: &Encoded<'_>) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in &encoded.attributes {
        let name = ShortString::from(format!("{PREFIX}{name}"));
        headers.insert(name, AMQPValue::LongString(LongString::from(value.as_bytes())));
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(encoded.content_type.into())
        .with_message_id(message.event.id.to_string().into())
        .with_headers(headers)
}

/// The topic is the routing key.
pub(super) fn message(delivery: &mut Delivery) -> Message {
    let properties = &delivery.properties;
    let headers = properties.headers().as_ref().map(FieldTable::inner);
    let headers = headers
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), text(value)?)));
    decode(Incoming {
        topic: delivery.routing_key.as_str().into(),
        attributes: Attributes::among(headers, &PREFIXES),
        content_type: properties
            .content_type()
            .as_ref()
            .map(|kind| kind.as_str().into()),
        key: None,
        place: Place::named(properties.message_id().as_ref().map(|id| id.as_str())),
        data: Bytes::from(std::mem::take(&mut delivery.data)),
    })
}

/// How often the broker handed it out before, where it says.
pub(super) fn handed_out(delivery: &Delivery) -> Option<u32> {
    let headers = delivery.properties.headers().as_ref()?;
    let count = headers.inner().get("x-delivery-count")?;
    text(count)?.parse().ok()
}

/// Attributes are text, but other clients write numbers as numbers.
fn text(value: &AMQPValue) -> Option<Cow<'_, str>> {
    let number = match value {
        AMQPValue::LongString(text) => return Some(String::from_utf8_lossy(text.as_bytes())),
        AMQPValue::ShortString(text) => return Some(Cow::Borrowed(text.as_str())),
        AMQPValue::Boolean(is) => is.to_string(),
        AMQPValue::ShortShortInt(number) => number.to_string(),
        AMQPValue::ShortInt(number) => number.to_string(),
        AMQPValue::ShortUInt(number) => number.to_string(),
        AMQPValue::LongInt(number) => number.to_string(),
        AMQPValue::LongUInt(number) => number.to_string(),
        AMQPValue::LongLongInt(number) => number.to_string(),
        _ => return None,
    };
    Some(Cow::Owned(number))
}
