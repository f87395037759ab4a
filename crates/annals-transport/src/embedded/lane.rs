//! Lanes: how the messages of a group are shared out over its consumers.
//!
//! In: consumers that come and go, and how many deliveries of a lane are in hand. Out: who may be handed messages of a
//! lane. There are always [`LANES`] lanes; a key belongs to one for ever, and the consumers present share them evenly,
//! as few as possible moving.
//!
//! Invariant: a lane moves only while nothing of it is in hand; until then nobody is handed any more of it. Each move
//! raises the lane's generation. Knows no message and no key.

use std::collections::BTreeMap;

/// How many lanes a group has. More consumers than this share nothing further; the rest stand by.
pub(super) const LANES: usize = 64;

/// Who takes part in a group: a number that is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConsumerId(u64);

/// The lane of a key, the same in every process and version (FNV-1a, folded to 6 bits).
pub(super) fn lane_of(key: &[u8]) -> usize {
    let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    ((hash ^ (hash >> 32)) % LANES as u64) as usize
}

#[derive(Debug, Clone, Default)]
struct Lane {
    owner: Option<ConsumerId>,
    wanted: Option<ConsumerId>,
    generation: u64,
    in_hand: usize,
}

/// The lanes of one group and the consumers present.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Deliveries in hand of each consumer present.
    present: BTreeMap<ConsumerId, usize>,
    newest: u64,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self {
            lanes: vec![Lane::default(); LANES],
            present: BTreeMap::new(),
            newest: 0,
        }
    }

    /// One more consumer; lanes move to it as they fall idle.
    pub(super) fn join(&mut self) -> ConsumerId {
        self.newest += 1;
        let consumer = ConsumerId(self.newest);
        self.present.insert(consumer, 0);
        self.share_out();
        consumer
    }

    /// A consumer is gone; what it still has in hand may still be settled, and holds its lanes until then.
    pub(super) fn leave(&mut self, consumer: ConsumerId) {
        self.present.remove(&consumer);
        self.share_out();
    }

    /// How many consumers are present.
    pub(super) fn consumers(&self) -> usize {
        self.present.len()
    }

    /// How many deliveries a consumer has in hand.
    pub(super) fn in_hand(&self, consumer: ConsumerId) -> usize {
        self.present.get(&consumer).copied().unwrap_or(0)
    }

    /// The lanes of which this consumer may be handed messages now.
    pub(super) fn of(&self, consumer: ConsumerId) -> impl Iterator<Item = usize> {
        let may = move |lane: &Lane| lane.owner == Some(consumer) && lane.wanted == lane.owner;
        let numbered = self.lanes.iter().enumerate();
        numbered
            .filter(move |(_, lane)| may(lane))
            .map(|(number, _)| number)
    }

    /// The lane's generation.
    pub(super) fn generation(&self, lane: usize) -> u64 {
        self.lanes[lane].generation
    }

    /// A message of this lane was handed to its owner.
    pub(super) fn take(&mut self, lane: usize) {
        let lane = &mut self.lanes[lane];
        lane.in_hand += 1;
        if let Some(in_hand) = lane.owner.and_then(|owner| self.present.get_mut(&owner)) {
            *in_hand += 1;
        }
    }

    /// A message of this lane is in hand no more.
    pub(super) fn give(&mut self, lane: usize) {
        let lane = &mut self.lanes[lane];
        lane.in_hand = lane.in_hand.saturating_sub(1);
        if let Some(in_hand) = lane.owner.and_then(|owner| self.present.get_mut(&owner)) {
            *in_hand = in_hand.saturating_sub(1);
        }
        lane.move_if_idle();
    }

    /// Says of every lane whose it is to be, and moves those that are idle.
    fn share_out(&mut self) {
        let fair = LANES / self.present.len().max(1);
        let mut one_more = LANES % self.present.len().max(1);
        let mut shares: BTreeMap<ConsumerId, usize> = self.present.keys().map(|id| (*id, 0)).collect();
        let mut free = Vec::new();
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let share = lane.wanted.and_then(|id| shares.get_mut(&id));
            match share {
                Some(share) if *share < fair => *share += 1,
                Some(share) if *share == fair && one_more > 0 => {
                    *share += 1;
                    one_more -= 1;
                }
                _ => {
                    lane.wanted = None;
                    free.push(number);
                }
            }
        }
        for (id, share) in &mut shares {
            let extra = usize::from(*share <= fair && one_more > 0);
            let missing = (fair + extra).saturating_sub(*share);
            one_more -= usize::from(missing > 0 && extra > 0);
            for number in free.drain(..missing.min(free.len())) {
                self.lanes[number].wanted = Some(*id);
            }
        }
        self.lanes.iter_mut().for_each(Lane::move_if_idle);
    }
}

impl Lane {
    fn move_if_idle(&mut self) {
        if self.in_hand == 0 && self.owner != self.wanted {
            self.owner = self.wanted;
            self.generation += 1;
        }
    }
}

#[cfg(test)]
mod tests;
