//! A message as key, headers and value, by the CloudEvents binding for Kafka, and back.

use std::borrow::Cow;

use annals_core::port::transport::Message;
use bytes::Bytes;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};

use super::config::PREFIX as TOPIC_PREFIX;
use crate::wire::{Encoded, Incoming, decode};

const PREFIX: &str = "ce_";
const PREFIXES: [&str; 2] = ["ce_", "ce-"];
const CONTENT_TYPE: &str = "content-type";

pub(super) fn headers(encoded: &Encoded) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(encoded.attributes.len() + 1);
    let mut key = String::from(PREFIX);
    for (name, value) in &encoded.attributes {
        key.truncate(PREFIX.len());
        key.push_str(name);
        headers = headers.insert(Header {
            key: &key,
            value: Some(value),
        });
    }
    headers.insert(Header {
        key: CONTENT_TYPE,
        value: Some(encoded.content_type),
    })
}

pub(super) fn message(record: &BorrowedMessage<'_>) -> Message {
    let headers: Vec<(Cow<'_, str>, Cow<'_, str>)> = record.headers().map_or(Vec::new(), |headers| {
        let texts = headers.iter().map(|header| {
            let value = String::from_utf8_lossy(header.value.unwrap_or_default());
            (Cow::Borrowed(header.key), value)
        });
        texts.collect()
    });
    let content_type = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE))
        .map(|(_, value)| value.to_string());
    let topic = record.topic();
    decode(Incoming {
        topic: topic.strip_prefix(TOPIC_PREFIX).unwrap_or(topic).into(),
        headers,
        prefixes: &PREFIXES,
        content_type,
        key: record.key().and_then(|key| String::from_utf8(key.to_vec()).ok()),
        place: format!("{}/{}", record.partition(), record.offset()),
        data: Bytes::copy_from_slice(record.payload().unwrap_or_default()),
    })
}
