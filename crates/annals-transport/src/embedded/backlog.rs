//! What a group holds in memory: messages waiting, delayed and in hand, by key and by lane.
//!
//! In: messages read from the store, consumers that come and go, settlements that became durable, and the present
//! moment. Out: what to hand to whom. Pure: no store, no clock, no waiting; the same calls give the same answers.
//!
//! 1. Of one key at most one message is in hand, and it is the one with the lowest position that is held.
//! 2. A message in hand stays held here until its settlement is durable, so it can come back.
//! 3. A delayed message holds up its key until its moment has come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use annals_core::bug::is_planted;
use annals_core::port::transport::Message;
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use tokio::time::Instant;

use crate::bug::Bug;

use super::lane::{ConsumerId, LANES, Lanes, lane_of};

/// Bytes a held message is reckoned at besides its content.
const HELD_BYTES: usize = 256;

/// What keeps messages in order: a partition tag. A message without one is alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Tag(Tag),
    Alone(Position),
}

/// A message to hold.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) position: Position,
    pub(super) message: Message,
    pub(super) taken: Timestamp,
    /// How often it was handed out before, as far as is known.
    pub(super) tries: u32,
    /// Whether `tries` is all there were.
    pub(super) tries_exact: bool,
    /// Whether a mark of the store says how often it was tried.
    pub(super) tries_marked: bool,
    /// It was parked and is asked for again; the window knows it as finished.
    pub(super) requeued: bool,
    /// Not to be handed out before this moment.
    pub(super) not_before: Option<Instant>,
    /// A settlement of it may have been written although nobody knows: whatever it wrote is to be cleared away.
    pub(super) unsure: bool,
}

/// Where a held message is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Delayed(Instant),
    InHand { generation: u64 },
    Settling,
}

#[derive(Debug)]
struct Slot {
    held: Held,
    key: Key,
    lane: usize,
    phase: Phase,
}

#[derive(Debug, Default)]
struct Queue {
    positions: BTreeSet<Position>,
    in_hand: Option<Position>,
}

/// A message handed out, with what settles it.
#[derive(Debug)]
pub(super) struct HandedOut {
    pub(super) held: Held,
    pub(super) generation: u64,
}

/// How many messages are in which phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) waiting: usize,
    pub(super) delayed: usize,
    pub(super) in_hand: usize,
}

/// The messages of one group that are held in memory.
#[derive(Debug)]
pub(super) struct Backlog {
    lanes: Lanes,
    slots: BTreeMap<Position, Slot>,
    queues: BTreeMap<Key, Queue>,
    /// Per lane, the positions that may be handed out now: the head of each key that is neither in hand nor delayed.
    ready: Vec<BTreeSet<Position>>,
    delayed: BTreeSet<(Instant, Position)>,
    bytes: usize,
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self {
            lanes: Lanes::new(),
            slots: BTreeMap::new(),
            queues: BTreeMap::new(),
            ready: vec![BTreeSet::new(); LANES],
            delayed: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// One more consumer.
    pub(super) fn join(&mut self) -> ConsumerId {
        self.lanes.join()
    }

    /// One consumer fewer.
    pub(super) fn leave(&mut self, consumer: ConsumerId) {
        self.lanes.leave(consumer);
    }

    /// How many consumers there are.
    pub(super) fn consumers(&self) -> usize {
        self.lanes.consumers()
    }

    /// How many deliveries this consumer has in hand.
    pub(super) fn in_hand(&self, consumer: ConsumerId) -> usize {
        self.lanes.in_hand(consumer)
    }

    /// How many messages are held.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The bytes of content held, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this message is held.
    pub(super) fn holds(&self, position: Position) -> bool {
        self.slots.contains_key(&position)
    }

    /// What is held of a message.
    pub(super) fn held(&self, position: Position) -> Option<&Held> {
        self.slots.get(&position).map(|slot| &slot.held)
    }

    /// How many messages are in which phase.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for slot in self.slots.values() {
            match slot.phase {
                Phase::Waiting => counts.waiting += 1,
                Phase::Delayed(_) => counts.delayed += 1,
                Phase::InHand { .. } | Phase::Settling => counts.in_hand += 1,
            }
        }
        counts
    }

    /// Holds one more message. No effect if it is held already.
    pub(super) fn hold(&mut self, held: Held) {
        let position = held.position;
        if self.holds(position) {
            return;
        }
        let key = match held.message.event.partition_tag() {
            Some(tag) => Key::Tag(tag.clone()),
            None => Key::Alone(position),
        };
        let lane = match &key {
            Key::Tag(tag) => lane_of(tag.as_str().as_bytes()),
            Key::Alone(position) => lane_of(&position.get().to_be_bytes()),
        };
        let phase = held.not_before.map_or(Phase::Waiting, Phase::Delayed);
        if let Phase::Delayed(moment) = phase {
            self.delayed.insert((moment, position));
        }
        self.bytes += HELD_BYTES + held.message.event.data.len();
        self.unready_head(&key, lane);
        self.queues
            .entry(key.clone())
            .or_default()
            .positions
            .insert(position);
        let slot = Slot {
            held,
            key: key.clone(),
            lane,
            phase,
        };
        self.slots.insert(position, slot);
        self.ready_head(&key, lane);
    }

    /// How many messages this consumer could be handed now, counted up to `enough`.
    pub(super) fn ready_for(&self, consumer: ConsumerId, enough: usize) -> usize {
        let mut found = 0;
        for lane in self.lanes.of(consumer) {
            found += self.ready[lane].len();
            if found >= enough {
                break;
            }
        }
        found
    }

    /// Hands up to `max` messages to a consumer, those of the lowest positions first.
    pub(super) fn hand_out(&mut self, consumer: ConsumerId, max: usize) -> Vec<HandedOut> {
        let heads = |lane: usize| self.ready[lane].iter().take(max).map(move |at| (*at, lane));
        let mut nearest: BinaryHeap<_> = self.lanes.of(consumer).flat_map(heads).map(Reverse).collect();
        let mut handed = Vec::with_capacity(nearest.len().min(max));
        while handed.len() < max {
            let Some(Reverse((position, lane))) = nearest.pop() else {
                break;
            };
            handed.extend(self.hand_out_one(position, lane));
        }
        handed
    }

    fn hand_out_one(&mut self, position: Position, lane: usize) -> Option<HandedOut> {
        self.ready[lane].remove(&position);
        let slot = self.slots.get_mut(&position)?;
        let generation = self.lanes.generation(lane);
        slot.phase = Phase::InHand { generation };
        slot.held.tries = slot.held.tries.saturating_add(1);
        self.queues.get_mut(&slot.key)?.in_hand = Some(position);
        self.lanes.take(lane);
        Some(HandedOut {
            held: slot.held.clone(),
            generation,
        })
    }

    /// A delivery is about to be settled: nobody else may settle it. `false` if it is not in hand under this
    /// generation of its lane.
    pub(super) fn begin_settling(&mut self, position: Position, generation: u64) -> bool {
        match self.slots.get_mut(&position) {
            Some(slot) if slot.phase == (Phase::InHand { generation }) => {
                slot.phase = Phase::Settling;
                true
            }
            _ => false,
        }
    }

    /// A delivery was dropped unsettled: it comes back. No effect if it is not in hand under this generation.
    pub(super) fn give_back(&mut self, position: Position, generation: u64) {
        if self.begin_settling(position, generation) {
            self.put_back(position);
        }
    }

    /// The settlement of this message did not become durable: it comes back.
    pub(super) fn put_back(&mut self, position: Position) {
        self.release(position, Phase::Waiting);
    }

    /// It is not known whether a settlement of this message was written.
    pub(super) fn doubt(&mut self, position: Position) {
        if let Some(slot) = self.slots.get_mut(&position) {
            slot.held.unsure = true;
        }
    }

    /// This message was settled as to be tried again, not before a moment.
    pub(super) fn delay(&mut self, position: Position, until: Instant) {
        if let Some(slot) = self.slots.get_mut(&position) {
            slot.held.tries_marked = true;
            self.delayed.insert((until, position));
            self.release(position, Phase::Delayed(until));
        }
    }

    /// This message is settled for good: the next of its key may go.
    pub(super) fn finish(&mut self, position: Position) {
        let Some(slot) = self.slots.remove(&position) else {
            return;
        };
        self.bytes = self
            .bytes
            .saturating_sub(HELD_BYTES + slot.held.message.event.data.len());
        self.lanes.give(slot.lane);
        if let Some(queue) = self.queues.get_mut(&slot.key) {
            queue.in_hand = None;
            queue.positions.remove(&position);
            if queue.positions.is_empty() {
                self.queues.remove(&slot.key);
            }
        }
        self.ready_head(&slot.key, slot.lane);
    }

    /// Messages whose moment has come wait no longer.
    pub(super) fn wake(&mut self, now: Instant) {
        while let Some((until, position)) = self.delayed.first().copied() {
            if until > now {
                return;
            }
            self.delayed.pop_first();
            let Some(slot) = self.slots.get_mut(&position) else {
                continue;
            };
            slot.phase = Phase::Waiting;
            let (key, lane) = (slot.key.clone(), slot.lane);
            self.ready_head(&key, lane);
        }
    }

    /// When the next delayed message is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(until, _)| *until)
    }

    fn release(&mut self, position: Position, phase: Phase) {
        let Some(slot) = self.slots.get_mut(&position) else {
            return;
        };
        slot.phase = phase;
        let (key, lane) = (slot.key.clone(), slot.lane);
        self.lanes.give(lane);
        if let Some(queue) = self.queues.get_mut(&key) {
            queue.in_hand = None;
            if is_planted(Bug::LoseOrderOnReturn) {
                let slots = &self.slots;
                let waits = |at: &&Position| slots.get(at).is_some_and(|slot| slot.phase == Phase::Waiting);
                self.ready[lane].extend(queue.positions.iter().filter(waits));
            }
        }
        self.ready_head(&key, lane);
    }

    /// Takes the head of a key from the ready ones, before a lower position may become its head.
    fn unready_head(&mut self, key: &Key, lane: usize) {
        if let Some(head) = self.queues.get(key).and_then(|queue| queue.positions.first()) {
            self.ready[lane].remove(head);
        }
    }

    /// Makes the head of a key ready, if it waits and nothing of the key is in hand.
    fn ready_head(&mut self, key: &Key, lane: usize) {
        let Some(queue) = self.queues.get(key) else {
            return;
        };
        let Some(head) = queue.positions.first().filter(|_| queue.in_hand.is_none()) else {
            return;
        };
        if self
            .slots
            .get(head)
            .is_some_and(|slot| slot.phase == Phase::Waiting)
        {
            self.ready[lane].insert(*head);
        }
    }
}

#[cfg(test)]
mod tests;
