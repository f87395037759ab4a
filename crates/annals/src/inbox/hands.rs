//! What is in hand of a broker that keeps its own checkpoint: settled once it is dealt with, and not before.
//!
//! In: deliveries with what settles them, and how the work on them ended. Out: settlements. A settlement may be lost and
//! a message come again, so the notes of what is dealt with stay for a time that whoever builds the service chooses:
//! longer than the broker may hold on to a message.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use annals_core::bug::is_planted;
use annals_core::id::EventId;
use annals_core::port::transport::{Settle, Settlement};
use annals_core::time::Timestamp;
use futures_util::future::join_all;

use crate::bug::Bug;

/// A broker that has not taken a settlement after this long is taken for gone; the message comes again.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Hands {
    remembered: Duration,
    /// Under way, or waiting behind another. One that came twice is settled twice.
    held: HashMap<EventId, Vec<Box<dyn Settle>>>,
    /// Dealt with.
    ready: Vec<Box<dyn Settle>>,
    /// What is dealt with and when, oldest first.
    notes: VecDeque<(Timestamp, EventId)>,
}

impl Hands {
    /// With the notes of earlier runs.
    pub(crate) fn new(remembered: Duration, mut notes: Vec<(Timestamp, EventId)>) -> Self {
        notes.sort_unstable();
        Self {
            remembered,
            held: HashMap::new(),
            ready: Vec::new(),
            notes: notes.into(),
        }
    }

    /// Takes a message in hand; answers whether it is new there.
    pub(crate) fn take(&mut self, id: EventId, settle: Option<Box<dyn Settle>>) -> bool {
        let is_new = !self.held.contains_key(&id);
        self.held.entry(id).or_default().extend(settle);
        is_new
    }

    /// There is nothing to do for it any more.
    pub(crate) fn known(&mut self, settle: Option<Box<dyn Settle>>) {
        self.ready.extend(settle);
    }

    /// Its effect is durable, and so is the note of it.
    pub(crate) fn done(&mut self, id: EventId, at: Timestamp) {
        self.ready.extend(self.held.remove(&id).unwrap_or_default());
        self.notes.push_back((at, id));
    }

    /// Whose notes are old enough to go.
    pub(crate) fn forgotten(&mut self, now: Timestamp) -> Vec<EventId> {
        let mut forgotten = Vec::new();
        let remembered = match is_planted(Bug::ForgetNotesEarly) {
            true => Duration::ZERO,
            false => self.remembered,
        };
        while let Some((at, id)) = self.notes.front()
            && now.since(*at) > remembered
        {
            forgotten.push(*id);
            self.notes.pop_front();
        }
        forgotten
    }

    /// Settles what is dealt with. What the broker does not hear comes again and is known.
    pub(crate) async fn settle(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        if ready.is_empty() {
            return;
        }
        let settling = join_all(ready.into_iter().map(|one| one.settle(Settlement::Done, None)));
        match tokio::time::timeout(PATIENCE, settling).await {
            Ok(settled) => {
                if let Some(error) = settled.into_iter().find_map(Result::err) {
                    tracing::debug!("a settlement was not heard: {error}");
                }
            }
            Err(_late) => tracing::warn!("settlements were not taken within {PATIENCE:?}"),
        }
    }
}
