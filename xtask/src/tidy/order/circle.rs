//! Circles in a graph.
//!
//! In: nodes and who needs whom. Out: the groups of nodes that need each other, each smallest first.
//! It does not know what a node is.

use std::collections::{BTreeMap, BTreeSet};

/// Groups of two or more nodes, each of which reaches every other of its group.
pub(crate) fn circles<N: Ord + Clone>(edges: &BTreeSet<(N, N)>) -> Vec<Vec<N>> {
    let mut next: BTreeMap<&N, Vec<&N>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reach: BTreeMap<&N, BTreeSet<&N>> =
        next.keys().map(|node| (*node, reachable(*node, &next))).collect();
    let mut seen = BTreeSet::new();
    let mut groups = Vec::new();
    for (node, reached) in &reach {
        let mutual = |other: &&&N| reach.get(*other).is_some_and(|back| back.contains(node));
        let group: Vec<N> = reached.iter().filter(mutual).map(|n| (*n).clone()).collect();
        if group.len() > 1 && seen.insert(group.clone()) {
            groups.push(group);
        }
    }
    groups
}

/// What can be reached from a node; itself only over a circle.
fn reachable<'a, N: Ord>(from: &N, next: &BTreeMap<&'a N, Vec<&'a N>>) -> BTreeSet<&'a N> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&N> = next.get(from).cloned().unwrap_or_default();
    while let Some(node) = open.pop() {
        if reached.insert(node) {
            open.extend(next.get(node).into_iter().flatten());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::circles;

    #[test]
    fn a_circle_is_found_and_a_diamond_is_none() {
        let diamond = [(1, 2), (1, 3), (2, 4), (3, 4)];
        assert!(circles(&diamond.into()).is_empty());
        let two = [(1, 2), (2, 3), (3, 1), (3, 4), (4, 5), (5, 4)];
        assert_eq!(circles(&two.into()), [vec![1, 2, 3], vec![4, 5]]);
    }
}
