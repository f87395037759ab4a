//! What followed from what: the forest of a request, over all histories of a node.
//!
//! In: records of one correlation from several stores, copies among them. Out: one node per id, causes before
//! effects, with how deep each stands, and the causes that none of the stores holds.
//!
//! Invariants: every record appears exactly once, whatever its causes say, circles included; siblings stand in the
//! order in which they were recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use annals_core::event::RecordedEvent;
use annals_core::id::EventId;
use annals_core::position::Position;
use annals_core::time::Timestamp;
use smol_str::SmolStr;

/// Where a record was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// Whose store.
    pub(crate) service: SmolStr,
    /// Its position there.
    pub(crate) position: Position,
    /// When that store took it.
    pub(crate) recorded: Timestamp,
}

/// One record of a request.
#[derive(Debug)]
pub(crate) struct Node {
    /// The original, or the first copy if no store holds the original.
    pub(crate) record: RecordedEvent,
    /// Where that is.
    pub(crate) at: Sighting,
    /// Where copies of it are.
    pub(crate) copies: Vec<Sighting>,
    /// How many causes stand above it.
    pub(crate) depth: usize,
}

/// The forest of a request.
#[derive(Debug, Default)]
pub(crate) struct Forest {
    /// Causes before effects: each node is followed by what it caused.
    pub(crate) nodes: Vec<Node>,
    /// Causes that none of the stores holds.
    pub(crate) unresolved: BTreeSet<EventId>,
}

/// Gathers what several stores hold of one request.
#[derive(Default)]
pub(crate) struct Gathering {
    nodes: HashMap<EventId, Node>,
}

impl Gathering {
    /// How many different records were found.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Takes one record of one store.
    pub(crate) fn add(&mut self, service: &SmolStr, record: RecordedEvent) {
        let at = Sighting {
            service: service.clone(),
            position: record.position,
            recorded: record.recorded,
        };
        let Some(known) = self.nodes.get_mut(&record.id) else {
            self.nodes.insert(
                record.id,
                Node {
                    record,
                    at,
                    copies: Vec::new(),
                    depth: 0,
                },
            );
            return;
        };
        let is_better = record.metadata.origin.is_none() && known.record.metadata.origin.is_some();
        if is_better {
            known.record = record;
            known.copies.push(std::mem::replace(&mut known.at, at));
        } else {
            known.copies.push(at);
        }
    }

    /// Puts the records in order.
    pub(crate) fn forest(mut self) -> Forest {
        // By recorded time, and within a store by position: effects of one cause in the order in which they happened.
        let mut order: Vec<_> = self
            .nodes
            .values()
            .map(|node| (moment(node), node.record.id))
            .collect();
        order.sort_unstable();
        let mut effects: HashMap<EventId, Vec<EventId>> = HashMap::new();
        let mut forest = Forest::default();
        let mut roots = Vec::new();
        for (_, id) in &order {
            match self.nodes[id].record.metadata.causation {
                Some(cause) if self.nodes.contains_key(&cause) => effects.entry(cause).or_default().push(*id),
                cause => {
                    forest.unresolved.extend(cause);
                    roots.push(*id);
                }
            }
        }
        // What hangs in a circle of causes has no root; its first record serves as one.
        for root in roots.into_iter().chain(order.into_iter().map(|(_, id)| id)) {
            walk(root, &mut self.nodes, &effects, &mut forest.nodes);
        }
        forest
    }
}

/// A record's place among its siblings.
fn moment(node: &Node) -> (Timestamp, Position) {
    match &node.record.metadata.origin {
        Some(origin) => (origin.recorded, origin.position),
        None => (node.at.recorded, node.at.position),
    }
}

/// Moves a record and all that followed from it into the list, deepest first.
fn walk(
    root: EventId,
    left: &mut HashMap<EventId, Node>,
    effects: &HashMap<EventId, Vec<EventId>>,
    list: &mut Vec<Node>,
) {
    let mut open = vec![(root, 0)];
    while let Some((id, depth)) = open.pop() {
        let Some(node) = left.remove(&id) else { continue };
        list.push(Node { depth, ..node });
        open.extend(
            effects
                .get(&id)
                .into_iter()
                .flatten()
                .rev()
                .map(|effect| (*effect, depth + 1)),
        );
    }
}

/// How many records each service wrote.
pub(crate) fn by_service(forest: &Forest) -> BTreeMap<SmolStr, usize> {
    let mut counts = BTreeMap::new();
    for node in &forest.nodes {
        *counts.entry(node.at.service.clone()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests;
