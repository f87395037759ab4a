//! An event as a node tells it and as this program prints it.
//!
//! In: a node's JSON, or a record of a store. Out: the same JSON, whichever way it came; and the few short texts that
//! tables and streams are made of. Content is passed on byte for byte.

use annals_core::event::RecordedEvent;
use annals_core::time::Timestamp;
use annals_server::record::EventBody;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Where the original of a copy is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) service: String,
    pub(crate) position: u64,
    pub(crate) recorded: Timestamp,
}

/// One event of a history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) version: u16,
    pub(crate) tags: Vec<String>,
    pub(crate) position: u64,
    pub(crate) recorded: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) occurred: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) correlation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) causation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    pub(crate) visibility: String,
    pub(crate) purpose: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data_base64: Option<String>,
}

impl Event {
    /// A record of a store, in the shape a node would give it.
    pub(crate) fn of(record: &RecordedEvent) -> Self {
        let text = serde_json::to_string(&EventBody::of(record));
        let event = text.and_then(|text| serde_json::from_str(&text));
        event.expect("a node's own shape of an event is the shape that is read here")
    }

    /// The service that wrote it, and its position there.
    pub(crate) fn source(&self, asked: &str) -> (String, u64) {
        match &self.origin {
            Some(origin) => (origin.service.clone(), origin.position),
            None => (
                self.service.clone().unwrap_or_else(|| asked.to_owned()),
                self.position,
            ),
        }
    }

    /// Its content on one line.
    pub(crate) fn content(&self) -> String {
        match (&self.data, &self.data_base64) {
            (Some(data), _) => one_line(data.get()),
            (None, Some(bytes)) => format!("base64 {bytes}"),
            (None, None) => String::new(),
        }
    }

    /// Its type, commands marked as such.
    pub(crate) fn label(&self) -> String {
        if self.purpose == "command" {
            format!("{}!", self.event_type)
        } else {
            self.event_type.clone()
        }
    }
}

/// JSON without the spaces between its parts; what is inside strings stays.
fn one_line(json: &str) -> String {
    let (mut line, mut inside, mut escaped) = (String::with_capacity(json.len()), false, false);
    for letter in json.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => inside = !inside,
            _ => {}
        }
        if inside || !letter.is_ascii_whitespace() {
            line.push(letter);
        }
    }
    line
}

/// `12:04:05.123`, in UTC.
pub(crate) fn clock(moment: Timestamp) -> String {
    let day = 86_400_000;
    let millis = moment.as_millis().rem_euclid(day);
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    format!(
        "{:02}:{:02}:{:02}.{millis:03}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// A time span with the two digits that matter: `+84 ms`, `+2.4 s`, `+3 m`.
pub(crate) fn delta(from: Timestamp, to: Timestamp) -> String {
    let micros = to.as_micros() - from.as_micros();
    let sign = if micros < 0 { '-' } else { '+' };
    let millis = micros.unsigned_abs() as f64 / 1_000.0;
    match millis {
        m if m < 10.0 => format!("{sign}{m:.1} ms"),
        m if m < 1_000.0 => format!("{sign}{m:.0} ms"),
        m if m < 60_000.0 => format!("{sign}{:.1} s", m / 1_000.0),
        m if m < 7_200_000.0 => format!("{sign}{:.0} m", m / 60_000.0),
        m => format!("{sign}{:.0} h", m / 3_600_000.0),
    }
}

#[cfg(test)]
mod tests;
