//! What differs between two states.
//!
//! In: two JSON values. Out: the paths that changed, with both sides; and a state as a list of paths and values, which
//! is how states are printed. Values keep the text they came with.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// One path that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Change {
    /// `lines[0].quantity`.
    pub(crate) path: String,
    /// `None`: it was not there.
    pub(crate) before: Option<Value>,
    /// `None`: it is not there any more.
    pub(crate) after: Option<Value>,
}

/// The leaves of a state, in its own order. Empty lists and objects are leaves.
pub(crate) fn leaves(state: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    collect(String::new(), state, &mut found);
    found
}

fn collect<'a>(path: String, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                let below = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                collect(below, field, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                collect(format!("{path}[{at}]"), item, found);
            }
        }
        leaf => found.push((path, leaf)),
    }
}

/// What changed from one state to the next, by the order of the next; what vanished comes last.
pub(crate) fn changes(before: Option<&Value>, after: &Value) -> Vec<Change> {
    let mut old: BTreeMap<String, &Value> = before.map(leaves).unwrap_or_default().into_iter().collect();
    let mut found = Vec::new();
    for (path, value) in leaves(after) {
        let was = old.remove(&path);
        if was != Some(value) {
            found.push(Change {
                path,
                before: was.cloned(),
                after: Some(value.clone()),
            });
        }
    }
    let vanished = old.into_iter().map(|(path, value)| Change {
        path,
        before: Some(value.clone()),
        after: None,
    });
    found.extend(vanished);
    found
}

/// A value as people read it: texts without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "{}: {} → {}", self.path, plain(before), plain(after)),
            (None, Some(after)) => write!(f, "{}: {}", self.path, plain(after)),
            (Some(before), None) => write!(f, "{}: {} → gone", self.path, plain(before)),
            (None, None) => f.write_str(&self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{changes, leaves};

    #[test]
    fn leaves_have_paths() {
        let state = json!({ "stage": "paid", "lines": [{ "sku": "tea", "left": 2 }], "notes": [] });
        let paths: Vec<String> = leaves(&state).into_iter().map(|(path, _)| path).collect();
        let mut wanted = ["stage", "lines[0].sku", "lines[0].left", "notes"].map(str::to_owned);
        let mut found = paths.clone();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted);
    }

    #[test]
    fn changes_name_both_sides() {
        let before = json!({ "stage": "placed", "reason": null, "lines": [1, 2] });
        let after = json!({ "stage": "paid", "reason": null, "lines": [1], "amount": "1.10" });
        let mut texts: Vec<String> = changes(Some(&before), &after)
            .iter()
            .map(ToString::to_string)
            .collect();
        texts.sort();
        assert_eq!(
            texts,
            ["amount: 1.10", "lines[1]: 2 → gone", "stage: placed → paid"]
        );
        assert!(changes(Some(&after), &after).is_empty());
        assert_eq!(changes(None, &json!(3)).len(), 1);
    }
}
