//! A message as key, headers and value, by the CloudEvents binding for Kafka, and back.

use std::borrow::Cow;

use annals_core::port::transport::{Message, Topic};
use bytes::Bytes;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};

use crate::wire::{Encoded, Incoming, Place, decode};

const PREFIX: &str = "ce_";
const PREFIXES: [&str; 2] = ["ce_", "ce-"];
const CONTENT_TYPE: &str = "content-type";

pub(super) fn headers(encoded: &Encoded<'_>) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(encoded.attributes.len() + 1);
    let mut key = String::from(PREFIX);
    for (name, value) in &encoded.attributes {
        key.truncate(PREFIX.len());
        key.push_str(name);
        headers = headers.insert(Header {
            key: &key,
            value: Some(&**value),
        });
    }
    headers.insert(Header {
        key: CONTENT_TYPE,
        value: Some(encoded.content_type),
    })
}

pub(super) fn message(record: &BorrowedMessage<'_>, topic: Topic) -> Message {
    let mut headers: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    if let Some(found) = record.headers() {
        headers.reserve(found.count());
        headers.extend(found.iter().map(|header| {
            let value = String::from_utf8_lossy(header.value.unwrap_or_default());
            (Cow::Borrowed(header.key), value)
        }));
    }
    let content_type = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE))
        .map(|(_, value)| value.clone());
    decode(Incoming {
        topic,
        headers,
        prefixes: &PREFIXES,
        content_type,
        key: record
            .key()
            .and_then(|key| std::str::from_utf8(key).ok())
            .map(Cow::Borrowed),
        place: Place::Record {
            partition: record.partition(),
            offset: record.offset(),
        },
        data: Bytes::copy_from_slice(record.payload().unwrap_or_default()),
    })
}
