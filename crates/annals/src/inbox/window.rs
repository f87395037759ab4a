//! The window of an inbox: which deliveries are under way, and how far everything is done.

use std::collections::{BTreeMap, BTreeSet};

use annals_core::id::EventId;
use annals_core::position::Position;

/// Deliveries in the order of the transport's log. The checkpoint is the lowest position that is not done.
#[derive(Debug, Default)]
pub(crate) struct Window {
    open: BTreeSet<Position>,
    /// Done, but with something open before them; they have notes of their own until the checkpoint passes them.
    noted: BTreeMap<Position, EventId>,
    /// After the last delivery.
    end: Position,
}

impl Window {
    pub(crate) fn starting_at(end: Position) -> Self {
        Self {
            end,
            ..Self::default()
        }
    }

    pub(crate) fn begin(&mut self, position: Position) {
        self.open.insert(position);
        self.end = self.end.max(position.next());
    }

    /// Done; `noted` names the message whose note can go once the checkpoint has passed it.
    pub(crate) fn finish(&mut self, position: Position, noted: Option<EventId>) {
        self.open.remove(&position);
        if let Some(id) = noted {
            self.noted.insert(position, id);
        }
    }

    /// What lies before this position was begun already.
    pub(crate) fn end(&self) -> Position {
        self.end
    }

    pub(crate) fn checkpoint(&self) -> Position {
        self.open.first().copied().unwrap_or(self.end)
    }

    /// The notes that a checkpoint makes superfluous.
    pub(crate) fn superfluous(&mut self, checkpoint: Position) -> Vec<EventId> {
        let keep = self.noted.split_off(&checkpoint);
        std::mem::replace(&mut self.noted, keep).into_values().collect()
    }

    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests;
