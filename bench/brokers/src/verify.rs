//! Whether what came is what was sent: the same messages, counted and by a hash over their ids, in the order of each key.
//!
//! In: events that were sent, contents that came. Out: how many came twice, or what is wrong. Brokers deliver at least
//! once, so a repetition is counted and is no fault; a message that is missing, foreign or out of order is.

use std::collections::{HashMap, HashSet};

use annals::core::event::NewEvent;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use uuid::Uuid;

use crate::message::Happened;

/// A number of messages and a hash over their ids that does not depend on their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    count: u64,
    hash: u64,
}

impl Sum {
    fn add(&mut self, id: Uuid) {
        self.count += 1;
        self.hash = self.hash.wrapping_add(mixed(id));
    }
}

fn mixed(id: Uuid) -> u64 {
    let (high, low) = id.as_u64_pair();
    let mut mixed = high.rotate_left(32) ^ low;
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(factor);
    }
    mixed ^ (mixed >> 31)
}

/// Compares and answers how many came more than once.
///
/// # Errors
/// What differs.
pub(crate) fn verify(sent: &[NewEvent], came: &[Bytes]) -> Result<u64> {
    let mut expected = Sum::default();
    sent.iter().for_each(|event| expected.add(event.id.as_uuid()));
    let mut found = Sum::default();
    let mut seen = HashSet::with_capacity(came.len());
    let mut last: HashMap<u64, u64> = HashMap::new();
    let mut twice = 0;
    for content in came {
        let happened: Happened = serde_json::from_slice(content).context("what came is none of ours")?;
        if !seen.insert(happened.id) {
            twice += 1;
            continue;
        }
        found.add(happened.id);
        let key = happened.key();
        let before = last.insert(key, happened.sequence);
        ensure!(
            before.is_none_or(|before| before < happened.sequence),
            "of the key {key}, message {} came after {before:?}",
            happened.sequence
        );
    }
    ensure!(
        found == expected,
        "expected {} messages with the hash {:016x}, found {} with {:016x}",
        expected.count,
        expected.hash,
        found.count,
        found.hash
    );
    Ok(twice)
}

#[cfg(test)]
mod tests {
    use annals::World;

    use super::verify;
    use crate::message::events;

    #[test]
    fn what_is_missing_or_out_of_order_is_found_and_a_repetition_is_counted() {
        let sent = events(&World::default(), 2_500).unwrap();
        let mut came: Vec<_> = sent.iter().map(|event| event.data.clone()).collect();
        assert_eq!(verify(&sent, &came).unwrap(), 0);
        came.push(came[7].clone());
        assert_eq!(verify(&sent, &came).unwrap(), 1);
        came.swap(3, 1_003);
        assert!(verify(&sent, &came).unwrap_err().to_string().contains("key 3"));
        came.swap(3, 1_003);
        came.remove(2_400);
        assert!(verify(&sent, &came).is_err());
    }
}
