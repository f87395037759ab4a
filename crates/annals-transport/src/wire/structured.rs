//! A message in structured mode: one JSON object on one line, attributes and content together.

use annals_core::port::transport::Message;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::attributes::{Attribute, JSON};
use super::encode::{Encoded, encode_all};

/// Encodes a message as one line of JSON, without an end of line. Content that is JSON stands in it byte for byte, other
/// content in base 64; [`decode`](super::decode()) gives the same message again.
///
/// # Errors
/// As [`encode`](super::encode()).
pub fn structured(message: &Message) -> Result<String, String> {
    let Encoded {
        attributes,
        content_type,
        data,
        ..
    } = encode_all(message, true)?;
    let mut object = Map::new();
    for (name, value) in attributes {
        object.insert(name.to_owned(), Value::String(value.into_owned()));
    }
    object.insert(
        Attribute::ContentType.name().to_owned(),
        Value::String(content_type.to_owned()),
    );
    let mut line = Value::Object(object).to_string();
    line.pop();
    match as_it_stands(content_type, data) {
        Some(json) => line += &format!(",\"data\":{json}}}"),
        None => line += &format!(",\"data_base64\":\"{}\"}}", STANDARD.encode(data)),
    }
    Ok(line)
}

/// Content that can stand in a line as it is.
fn as_it_stands<'a>(content_type: &str, data: &'a [u8]) -> Option<&'a str> {
    let text = std::str::from_utf8(data).ok().filter(|_| content_type == JSON)?;
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    // What is around the value would be lost, and an end of line would end it.
    (raw.get().len() == text.len() && !text.contains(['\n', '\r'])).then_some(text)
}
