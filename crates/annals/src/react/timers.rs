//! Timers: durable as marks, kept in order of their moments in memory, and turned into events when they run out.
//!
//! A timer fires at least once it is due, never before; after a restart what ran out meanwhile fires at once. The event
//! and the removal of the mark are one commit, under the condition that the mark is still the same: a timer that was
//! cancelled or replaced does not fire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use annals_core::condition::Condition;
use annals_core::event::NewEvent;
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, ReadError};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use tokio::sync::Notify;

use crate::define::context::Request;
use crate::ground::hub::Hub;
use crate::ground::progress::Progress;
use crate::ground::record::{Recording, TIMER_FIRED};

/// The clock is looked at this often while a timer is pending: it may jump, and a machine may sleep.
const LOOK: Duration = Duration::from_secs(60);
/// The mark space of timers.
const TIMER: &str = "timer";

/// A timer as its mark and, once fired, its event hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timer {
    /// The process that set it.
    pub(crate) process: SmolStr,
    /// The instance, by its key's tag.
    pub(crate) instance: Tag,
    /// Which of the instance's timers.
    pub(crate) kind: SmolStr,
    /// When it is due.
    pub(crate) due: Timestamp,
    /// What it carries, as JSON text.
    pub(crate) data: String,
    pub(crate) correlation: Option<CorrelationId>,
    pub(crate) causation: Option<EventId>,
}

impl Timer {
    pub(crate) fn key(process: &str, instance: &Tag, kind: &str) -> MarkKey {
        MarkKey::new(TIMER, smol_str::format_smolstr!("{process}/{kind}/{instance}"))
    }

    /// The record that it ran out.
    pub(crate) fn fired(&self, recording: &Recording) -> NewEvent {
        let tags = vec![self.instance.clone(), process_tag(&self.process)];
        let request = Request {
            correlation: self.correlation,
            causation: self.causation,
            ..Request::default()
        };
        let data = serde_json::to_vec(self).expect("a timer is made of strings and numbers");
        recording.own(TIMER_FIRED, tags, data.into(), &request)
    }

    pub(crate) fn mark(&self) -> Mark {
        let value = serde_json::to_vec(self).expect("a timer is made of strings and numbers");
        Mark::set(Self::key(&self.process, &self.instance, &self.kind), value)
    }
}

/// The pending timers of one service.
#[derive(Clone, Default)]
pub(crate) struct Timers {
    pending: Arc<Mutex<Pending>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Pending {
    by_key: BTreeMap<MarkKey, (Timestamp, Bytes)>,
    by_due: BTreeMap<(Timestamp, MarkKey), ()>,
}

impl Pending {
    fn set(&mut self, key: MarkKey, due: Timestamp, value: Bytes) {
        self.remove(&key);
        self.by_due.insert((due, key.clone()), ());
        self.by_key.insert(key, (due, value));
    }

    fn remove(&mut self, key: &MarkKey) {
        if let Some((due, _)) = self.by_key.remove(key) {
            self.by_due.remove(&(due, key.clone()));
        }
    }

    /// Only if it has not been replaced meanwhile.
    fn remove_same(&mut self, key: &MarkKey, value: &Bytes) {
        if self.by_key.get(key).is_some_and(|(_, held)| held == value) {
            self.remove(key);
        }
    }

    fn due(&self, now: Timestamp, max: usize) -> Vec<(MarkKey, Bytes)> {
        let due = self.by_due.keys().take_while(|(due, _)| *due <= now).take(max);
        due.filter_map(|(_, key)| Some((key.clone(), self.by_key.get(key)?.1.clone())))
            .collect()
    }
}

impl Timers {
    /// Loads what is pending.
    pub(crate) async fn load(hub: &Hub) -> Result<Self, ReadError> {
        let timers = Self::default();
        for (key, value) in hub.store.marks(TIMER, "").await? {
            if let Ok(timer) = serde_json::from_slice::<Timer>(&value) {
                timers.with(|pending| pending.set(key, timer.due, value));
            }
        }
        Ok(timers)
    }

    /// Takes in timer marks that have just become durable.
    pub(crate) fn committed(&self, marks: &[Mark]) {
        for mark in marks.iter().filter(|mark| mark.key.space == TIMER) {
            match &mark.value {
                None => self.with(|pending| pending.remove(&mark.key)),
                Some(value) => {
                    if let Ok(timer) = serde_json::from_slice::<Timer>(value) {
                        self.with(|pending| pending.set(mark.key.clone(), timer.due, value.clone()));
                    }
                }
            }
        }
        self.changed.notify_one();
    }

    /// How many are pending.
    pub(crate) fn len(&self) -> usize {
        self.with(|pending| pending.by_key.len())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Pending) -> T) -> T {
        work(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.with(|pending| pending.by_due.keys().next().map(|(due, _)| *due))
    }

    /// Fires what is due until it is time to stop.
    pub(crate) async fn run(self, hub: Hub, progress: Progress) {
        let mut stop = hub.stop.clone();
        let mut failures = 0;
        while !hub.stop.is_stopped() {
            let now = hub.recording.world.now();
            let due = self.with(|pending| pending.due(now, 256));
            for (key, value) in due {
                match self.fire(&hub, &key, value).await {
                    Ok(()) => {
                        failures = 0;
                        progress.handled(1);
                        progress.trouble(None);
                    }
                    Err(error) => {
                        progress.trouble(Some(format!("timer {key} cannot fire: {error}")));
                        failures += 1;
                        hub.pause(failures).await;
                    }
                }
            }
            let wait = self
                .next_due()
                .map(|due| due.since(hub.recording.world.now()).min(LOOK));
            tokio::select! {
                biased;
                () = stop.wait() => return,
                () = self.changed.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }

    async fn fire(&self, hub: &Hub, key: &MarkKey, value: Bytes) -> Result<(), AppendError> {
        let append = Append {
            events: fired(hub, &value).into_iter().collect(),
            conditions: vec![Condition::MarkIs {
                key: key.clone(),
                expected: Some(value.clone()),
            }],
            marks: vec![Mark::remove(key.clone())],
        };
        match hub.append(append).await {
            // Cancelled or replaced in between: whoever did it also tells us.
            Ok(_) | Err(AppendError::Conflict(_)) => {
                self.with(|pending| pending.remove_same(key, &value));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// A timer whose mark cannot be read has no event; it is only removed.
fn fired(hub: &Hub, value: &Bytes) -> Option<NewEvent> {
    let timer: Timer = serde_json::from_slice(value).ok()?;
    Some(timer.fired(&hub.recording))
}

/// The tag that the framework's records about a process carry.
pub(crate) fn process_tag(process: &str) -> Tag {
    Tag::of("process", process).expect("the name of a process was checked when the service was built")
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
