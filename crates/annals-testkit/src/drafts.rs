//! Events as a test shows them: one line each, and where two lists differ.
//!
//! In: drafts, expected and found. Out: text. Two drafts are alike if type, version, tags and JSON are.

use std::fmt::Write;

use annals::event::{Draft, Drafts, IntoEvents};
use serde_json::Value;

/// Writes events down as the framework does.
#[track_caller]
pub(crate) fn written(events: &impl IntoEvents) -> Vec<Draft> {
    let mut drafts = Drafts::default();
    if let Err(error) = events.write(&mut drafts) {
        panic!("an event of this test cannot be written down: {error}");
    }
    drafts.into_vec()
}

/// One event in one line.
pub(crate) fn line(draft: &Draft) -> String {
    let tags: Vec<&str> = draft.tags.iter().map(annals_core::tag::Tag::as_str).collect();
    let version = if draft.version == 1 {
        String::new()
    } else {
        format!(" v{}", draft.version)
    };
    format!(
        "{}{version} [{}] {}",
        draft.event_type,
        tags.join(", "),
        json(&draft.data)
    )
}

/// The content as JSON; text that is none shows as a string.
pub(crate) fn json(data: &[u8]) -> Value {
    serde_json::from_slice(data).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(data).into_owned()))
}

fn alike(left: &Draft, right: &Draft) -> bool {
    left.event_type == right.event_type
        && left.version == right.version
        && left.tags == right.tags
        && json(&left.data) == json(&right.data)
}

/// `None` if the lists are alike, else both side by side, with the fields that differ.
pub(crate) fn difference(expected: &[Draft], found: &[Draft]) -> Option<String> {
    let same =
        expected.len() == found.len() && expected.iter().zip(found).all(|(left, right)| alike(left, right));
    if same {
        return None;
    }
    let mut text = format!(
        "expected {} events (-), found {} (+)\n",
        expected.len(),
        found.len()
    );
    for at in 0..expected.len().max(found.len()) {
        match (expected.get(at), found.get(at)) {
            (Some(left), Some(right)) if alike(left, right) => line_of(&mut text, ' ', at, left),
            (left, right) => {
                left.iter().for_each(|left| line_of(&mut text, '-', at, left));
                right.iter().for_each(|right| line_of(&mut text, '+', at, right));
                if let (Some(left), Some(right)) = (left, right) {
                    fields(&mut text, left, right);
                }
            }
        }
    }
    Some(text)
}

fn line_of(text: &mut String, sign: char, at: usize, draft: &Draft) {
    writeln!(text, "  {sign} {at}: {}", line(draft)).expect("a string takes every line");
}

/// Names the fields that differ, where two events are of one type.
fn fields(text: &mut String, left: &Draft, right: &Draft) {
    if left.event_type != right.event_type {
        return;
    }
    let mut found = Vec::new();
    differing("", &json(&left.data), &json(&right.data), &mut found);
    for (path, left, right) in found {
        writeln!(text, "       {path}: expected {left}, found {right}").expect("a string takes every line");
    }
}

fn differing(path: &str, left: &Value, right: &Value, found: &mut Vec<(String, String, String)>) {
    match (left, right) {
        (left, right) if left == right => {}
        (Value::Object(left), Value::Object(right)) => {
            let more = right.keys().filter(|name| !left.contains_key(*name));
            for name in left.keys().chain(more) {
                let side = |fields: &serde_json::Map<String, Value>| {
                    fields.get(name).cloned().unwrap_or(Value::Null)
                };
                differing(&format!("{path}/{name}"), &side(left), &side(right), found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                differing(&format!("{path}/{at}"), left, right, found);
            }
        }
        (left, right) => found.push((path.to_owned(), left.to_string(), right.to_string())),
    }
}
