//! A message as key, headers and value, by the CloudEvents binding for Kafka, and back.

use std::borrow::Cow;

use annals_core::port::transport::{Message, Topic};
use bytes::{Bytes, BytesMut};
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};

use crate::wire::{Attributes, Encoded, Incoming, Place, decode};

const PREFIX: &str = "ce_";
const PREFIXES: [&str; 2] = ["ce_", "ce-"];
const CONTENT_TYPE: &str = "content-type";

pub(super) fn headers(encoded: &Encoded<'_>) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(encoded.attributes.len() + 1);
    let mut key = String::from(PREFIX);
    for (name, value) in encoded.beside_key() {
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

/// The message of a record. Its content is put into `room`, behind that of others.
pub(super) fn message(record: &BorrowedMessage<'_>, topic: Topic, room: &mut BytesMut) -> Message {
    let mut content_type = None;
    let headers = record.headers().into_iter().flat_map(Headers::iter);
    let headers = headers.map(|header| {
        let value = text(header.value.unwrap_or_default());
        if content_type.is_none() && header.key.eq_ignore_ascii_case(CONTENT_TYPE) {
            content_type = Some(value.clone());
        }
        (header.key, value)
    });
    let attributes = Attributes::among(headers, &PREFIXES);
    decode(Incoming {
        topic,
        attributes,
        content_type,
        key: record
            .key()
            .and_then(|key| std::str::from_utf8(key).ok())
            .map(Cow::Borrowed),
        place: Place::Record {
            partition: record.partition(),
            offset: record.offset(),
        },
        data: content(record, room),
    })
}

fn content(record: &BorrowedMessage<'_>, room: &mut BytesMut) -> Bytes {
    room.extend_from_slice(record.payload().unwrap_or_default());
    room.split().freeze()
}

/// Nearly always it is text, and that is seen faster than where it is none.
fn text(value: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed)
}
