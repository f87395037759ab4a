//! How deep an event lies under what caused it, as far as its causes went by.
//!
//! In: events in order. Out: a depth for each. Bounded: the causes of long ago are forgotten, and what follows from
//! them stands at the left edge again.

use std::collections::{HashMap, VecDeque};

use crate::event::Event;

/// Events that are remembered.
const EVENTS_MAX: usize = 20_000;
/// Deeper ones stand no further to the right.
const DEPTH_MAX: usize = 12;

/// Remembers events by id.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    depths: HashMap<String, usize>,
    order: VecDeque<String>,
}

impl Lineage {
    /// The depth of an event; it is remembered for what follows from it.
    pub(crate) fn depth(&mut self, event: &Event) -> usize {
        let cause = event.causation.as_ref().and_then(|cause| self.depths.get(cause));
        let depth = cause.map_or(0, |depth| (depth + 1).min(DEPTH_MAX));
        if self.depths.insert(event.id.clone(), depth).is_none() {
            self.order.push_back(event.id.clone());
        }
        if self.order.len() > EVENTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.depths.remove(&oldest);
        }
        depth
    }
}

#[cfg(test)]
mod tests {
    use super::{EVENTS_MAX, Lineage};
    use crate::event::Event;

    fn event(id: &str, cause: Option<&str>) -> Event {
        let json = serde_json::json!({ "id": id, "type": "t", "version": 1, "tags": [], "position": 0,
            "recorded": "2026-01-01T00:00:00Z", "causation": cause, "visibility": "public", "purpose": "event" });
        serde_json::from_str(&json.to_string()).unwrap()
    }

    #[test]
    fn what_follows_stands_one_deeper() {
        let mut lineage = Lineage::default();
        let depths = [
            event("a", None),
            event("b", Some("a")),
            event("c", Some("b")),
            event("d", Some("a")),
        ]
        .map(|event| lineage.depth(&event));
        assert_eq!(depths, [0, 1, 2, 1]);
        assert_eq!(lineage.depth(&event("e", Some("unseen"))), 0);
    }

    #[test]
    fn memory_is_bounded() {
        let mut lineage = Lineage::default();
        for number in 0..EVENTS_MAX + 10 {
            lineage.depth(&event(&number.to_string(), None));
        }
        assert_eq!(
            (lineage.depths.len(), lineage.order.len()),
            (EVENTS_MAX, EVENTS_MAX)
        );
        assert_eq!(
            lineage.depth(&event("x", Some("0"))),
            0,
            "the oldest is forgotten"
        );
    }
}
