//! A message as NATS headers and payload, by the CloudEvents binding for NATS, and back.
//!
//! Header values are one line without space at either end, so what does not fit is percent-encoded, as the binding
//! wants it.

use std::borrow::Cow;

use annals_core::port::transport::Message;
use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;

use super::config::STREAM;
use crate::wire::{Attributes, Encoded, Incoming, Place, decode};

const PREFIX: &str = "ce-";
const PREFIXES: [&str; 1] = [PREFIX];
const CONTENT_TYPE: &str = "content-type";

pub(super) fn headers(encoded: &Encoded<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &encoded.attributes {
        headers.insert(format!("{PREFIX}{name}"), HeaderValue::from(&*escape(value)));
    }
    headers.insert(CONTENT_TYPE, encoded.content_type);
    headers
}

pub(super) fn message(message: &async_nats::jetstream::Message, place: Place<'_>) -> Message {
    let mut content_type = None;
    let headers = message.headers.iter().flat_map(HeaderMap::iter);
    let headers = headers.filter_map(|(name, values)| {
        let (name, value): (&str, _) = (name.as_ref(), unescape(values.first()?.as_str()));
        if content_type.is_none() && name.eq_ignore_ascii_case(CONTENT_TYPE) {
            content_type = Some(value.clone());
        }
        Some((name, value))
    });
    let attributes = Attributes::among(headers, &PREFIXES);
    let subject = message.subject.as_str();
    let topic = subject
        .strip_prefix(STREAM)
        .and_then(|rest| rest.strip_prefix('.'));
    decode(Incoming {
        topic: topic.unwrap_or(subject).into(),
        attributes,
        content_type,
        key: None,
        place,
        data: message.payload.clone(),
    })
}

fn escape(value: &str) -> Cow<'_, str> {
    let edges = value.starts_with(' ') || value.ends_with(' ');
    if !edges && !value.contains(|c: char| c == '%' || c.is_control()) {
        return Cow::Borrowed(value);
    }
    let last = value.len();
    let mut escaped = String::with_capacity(last);
    for (at, c) in value.char_indices() {
        let edge = c == ' ' && (at == 0 || at + 1 == last);
        if edge || c == '%' || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                escaped.push_str(&format!("%{byte:02X}"));
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// What is no escape stays as it is.
pub(super) fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let code = others.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &others[2..];
            }
            _ => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(value), Cow::Owned)
}

/// What the server knows a repetition by: the id, and the topic it is on.
pub(super) fn message_id(message: &Message) -> String {
    format!("{}/{}", message.topic, message.event.id)
}

/// What a message takes, its headers included, for comparison with what the server takes.
pub(super) fn size(encoded: &Encoded<'_>) -> usize {
    const FRAME: usize = 256;
    let of_one = |(name, value): &(&str, Cow<'_, str>)| PREFIX.len() + name.len() + 3 * value.len() + 4;
    FRAME + encoded.data.len() + encoded.attributes.iter().map(of_one).sum::<usize>()
}

/// The bytes of a message without a copy.
pub(super) fn payload(encoded: &Encoded<'_>) -> Bytes {
    encoded.data.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_fits_into_a_header_and_comes_back() {
        for text in ["", "plain", " edges ", "100% \r\n\u{7}", "%41", "Zoë \u{1F680}"] {
            let escaped = escape(text);
            assert!(!escaped.contains(char::is_control), "{escaped:?}");
            assert_eq!(escaped.trim(), escaped);
            assert_eq!(unescape(&escaped), text);
        }
        assert_eq!(unescape("50%"), "50%");
    }
}
