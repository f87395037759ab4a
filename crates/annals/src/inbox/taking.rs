//! The inbox: takes messages in, each with one effect.
//!
//! Commands go to the decision or handler that takes them; events of other services that a model or process folds are
//! copied into the own store, with their origin. The transport keeps a log that can be read again, so the checkpoint
//! in the own store is all that is needed: it is the lowest message that is not dealt with. What is done above it has
//! a note, in the same commit as its effect, until the checkpoint has passed. Messages of one partition tag are dealt
//! with one after the other; what fails is tried again with back-off and then parked, or blocks its key, as the
//! service chose.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use annals_core::condition::Condition;
use annals_core::event::{EventType, NewEvent, Purpose};
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, ReadError};
use annals_core::port::transport::{Consumer, Delivery, Start, Subscribe, Topic, Transport};
use annals_core::position::Position;
use annals_core::tag::Tag;
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::decide::errand::MessageDone;
use crate::ground::hub::Hub;
use crate::ground::progress::Progress;
use crate::inbox::dispatch::{Handled, Taker};
use crate::inbox::parked::{self, Parked};
use crate::inbox::window::Window;

const NAME: &str = "inbox";
/// The mark space of messages that are dealt with above the checkpoint.
const HANDLED: &str = "handled";
/// The mark space of attempts at messages that fail.
const ATTEMPTS: &str = "attempts";
/// Messages under way at once.
const WINDOW_MAX: usize = 1_024;

/// What to do with a message that has failed as often as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Park it and go on with the next of its key. Order within the key is given up at this place.
    #[default]
    Park,
    /// Park it and everything of its key that follows, in order, until it is requeued. Other keys go on.
    ParkKey,
    /// Try for ever; the key waits. The inbox takes in nothing new once too many messages wait.
    Block,
}

/// What an inbox needs to know about its service.
pub(crate) struct Inbox {
    pub(crate) hub: Hub,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) topics: Vec<Topic>,
    /// Decisions and handlers by message type.
    pub(crate) takers: Arc<HashMap<EventType, Arc<dyn Taker>>>,
    /// Types of other services' events that somebody here folds.
    pub(crate) copied: HashSet<EventType>,
    pub(crate) on_failure: OnFailure,
    pub(crate) progress: Progress,
    /// Messages to take up again.
    pub(crate) requeued: mpsc::Receiver<EventId>,
}

/// One message to deal with: from the transport, or taken up again.
struct Job {
    message: Arc<NewEvent>,
    topic: Topic,
    /// Where it is in the transport's log; `None` for one that was parked.
    position: Option<Position>,
    /// How it was parked, if it was.
    parked: Option<Parked>,
}

struct Finished {
    key: Option<Tag>,
    position: Option<Position>,
    id: EventId,
    ended: Result<Ended, String>,
}

/// How the work on a message ended.
enum Ended {
    /// Its effect is durable.
    Done,
    /// It is put aside.
    Parked,
    /// The service stops; the message comes back after the next start.
    Stopped,
}

/// Everything that changes while an inbox runs.
struct Running {
    window: Window,
    /// Keys with a message under way, and what waits behind it.
    busy: HashMap<Tag, VecDeque<Job>>,
    tasks: JoinSet<Finished>,
    /// Done before the last stop, above the checkpoint.
    handled: HashSet<EventId>,
    /// Keys that are parked with everything that follows.
    parked_keys: HashSet<Tag>,
    /// Parked messages that are under way again, or wait for it.
    taken_up: HashSet<EventId>,
    saved: Position,
}

impl Inbox {
    /// Takes messages in until it is time to stop.
    pub(crate) async fn run(mut self) {
        let mut failures = 0;
        while !self.hub.stop.is_stopped() {
            let before = self.progress.position();
            match self.take_in().await {
                Ok(()) => return,
                Err(trouble) => {
                    self.progress.trouble(Some(trouble));
                    failures = if self.progress.position() > before {
                        1
                    } else {
                        failures + 1
                    };
                    self.hub.pause(failures).await;
                }
            }
        }
    }

    async fn take_in(&mut self) -> Result<(), String> {
        let mut running = self.resume().await?;
        let start = Start::At(running.saved);
        let subscribe = Subscribe {
            group: self.hub.recording.service.clone(),
            topics: self.topics.clone(),
            start,
        };
        let mut consumer = self
            .transport
            .subscribe(subscribe)
            .await
            .map_err(|error| error.to_string())?;
        self.progress.begins();
        let mut stop = self.hub.stop.clone();
        loop {
            let room = WINDOW_MAX.saturating_sub(running.window.open());
            tokio::select! {
                biased;
                () = stop.wait() => {
                    return self.drain(running).await;
                }
                Some(finished) = running.tasks.join_next(), if !running.tasks.is_empty() => {
                    self.finished(&mut running, finished)?;
                    while let Some(finished) = running.tasks.try_join_next() {
                        self.finished(&mut running, finished)?;
                    }
                    self.save(&mut running).await?;
                }
                Some(id) = self.requeued.recv() => self.requeue(&mut running, id).await?,
                deliveries = next(&mut *consumer, room), if room > 0 => {
                    self.deliveries(&mut running, deliveries?).await?;
                    self.save(&mut running).await?;
                }
            }
        }
    }

    /// Where the last run stopped.
    async fn resume(&self) -> Result<Running, String> {
        let store = &self.hub.store;
        let saved = self
            .hub
            .checkpoint(NAME)
            .await
            .map_err(|error| error.to_string())?;
        let handled = store
            .marks(HANDLED, "")
            .await
            .map_err(|error| error.to_string())?;
        let handled = handled
            .into_iter()
            .filter_map(|(key, _)| key.name.parse().ok())
            .collect();
        let parked = parked::list(&**store).await.map_err(|error| error.to_string())?;
        let parked_keys = match self.on_failure {
            OnFailure::ParkKey => parked.into_iter().filter_map(|parked| parked.key).collect(),
            OnFailure::Park | OnFailure::Block => HashSet::new(),
        };
        self.progress.reached(saved);
        self.progress.in_flight(0);
        Ok(Running {
            window: Window::starting_at(saved),
            busy: HashMap::new(),
            tasks: JoinSet::new(),
            handled,
            parked_keys,
            taken_up: HashSet::new(),
            saved,
        })
    }

    async fn deliveries(&self, running: &mut Running, deliveries: Vec<Delivery>) -> Result<(), String> {
        let mut copies = Vec::new();
        for delivery in deliveries {
            let Some(position) = delivery.position else {
                return Err(
                    "this transport gives no positions; the inbox needs a log it can read again".into(),
                );
            };
            if position < running.window.end() {
                continue;
            }
            running.window.begin(position);
            let message = Arc::new(delivery.message.event);
            let taken = running.handled.contains(&message.id);
            let copied = message.purpose == Purpose::Event && self.copied.contains(&message.event_type);
            if copied {
                copies.push(NewEvent::clone(&message));
            }
            let wanted = self.takers.contains_key(&message.event_type) || message.purpose == Purpose::Command;
            if taken || !wanted {
                let noted = taken.then_some(message.id);
                running.window.finish(position, noted);
                continue;
            }
            self.begin(
                running,
                Job {
                    message,
                    topic: delivery.message.topic,
                    position: Some(position),
                    parked: None,
                },
            );
        }
        self.progress.in_flight(running.under_way() + copies.len());
        self.copy(copies).await?;
        self.progress.in_flight(running.under_way());
        Ok(())
    }

    /// Copies events of other services into the own store. What is there already is left as it is.
    async fn copy(&self, copies: Vec<NewEvent>) -> Result<(), String> {
        if copies.is_empty() {
            return Ok(());
        }
        let count = copies.len();
        let append = Append {
            events: copies.clone(),
            ..Append::default()
        };
        match self.hub.append(append).await {
            Err(AppendError::IdTaken { .. }) => self.copy_one_by_one(copies).await?,
            Err(error) => return Err(error.to_string()),
            Ok(_) => {}
        }
        self.progress.handled(count);
        Ok(())
    }

    async fn copy_one_by_one(&self, copies: Vec<NewEvent>) -> Result<(), String> {
        for copy in copies {
            let append = Append {
                events: vec![copy],
                ..Append::default()
            };
            match self.hub.append(append).await {
                Ok(_) | Err(AppendError::IdTaken { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Begins a job, or lets it wait behind another of its key.
    fn begin(&self, running: &mut Running, job: Job) {
        match job.message.partition_tag() {
            None => self.spawn(running, job),
            Some(key) => match running.busy.get_mut(key) {
                Some(waiting) => waiting.push_back(job),
                None => {
                    running.busy.insert(key.clone(), VecDeque::new());
                    self.spawn(running, job);
                }
            },
        }
    }

    fn spawn(&self, running: &mut Running, job: Job) {
        let key_is_parked = job.parked.is_none()
            && job
                .message
                .partition_tag()
                .is_some_and(|key| running.parked_keys.contains(key));
        let work = Work {
            hub: self.hub.clone(),
            taker: self.takers.get(&job.message.event_type).cloned(),
            on_failure: self.on_failure,
            key_is_parked,
            progress: self.progress.clone(),
            job,
        };
        running.tasks.spawn(work.run());
    }

    fn finished(
        &self,
        running: &mut Running,
        finished: Result<Finished, tokio::task::JoinError>,
    ) -> Result<(), String> {
        let finished = finished.map_err(|error| format!("the work on a message ended badly: {error}"))?;
        let ended = finished.ended?;
        match finished.position {
            _ if matches!(ended, Ended::Stopped) => return Ok(()),
            Some(position) => running.window.finish(position, Some(finished.id)),
            None => {
                running.taken_up.remove(&finished.id);
            }
        }
        if let Some(key) = finished.key {
            if matches!(ended, Ended::Parked) && self.on_failure == OnFailure::ParkKey {
                running.parked_keys.insert(key.clone());
            }
            self.next_of(running, &key);
        }
        self.progress.handled(1);
        self.progress.in_flight(running.under_way());
        Ok(())
    }

    /// Begins what waits behind a message of its key. What was taken up again with it stays parked if it was parked
    /// anew, so that the order of the key holds.
    fn next_of(&self, running: &mut Running, key: &Tag) {
        while let Some(job) = running.busy.get_mut(key).and_then(VecDeque::pop_front) {
            if job.parked.is_none() || !running.parked_keys.contains(key) {
                return self.spawn(running, job);
            }
            running.taken_up.remove(&job.message.id);
        }
        running.busy.remove(key);
    }

    /// Moves the durable checkpoint, and drops the notes it makes superfluous.
    async fn save(&self, running: &mut Running) -> Result<(), String> {
        let checkpoint = running.window.checkpoint();
        if checkpoint == running.saved {
            return Ok(());
        }
        let superfluous = running.window.superfluous(checkpoint);
        let mut marks: Vec<Mark> = superfluous
            .iter()
            .map(|id| Mark::remove(handled_key(*id)))
            .collect();
        superfluous.iter().for_each(|id| {
            running.handled.remove(id);
        });
        marks.push(Hub::checkpoint_mark(NAME, checkpoint));
        self.hub
            .append(Append {
                marks,
                ..Append::default()
            })
            .await
            .map_err(|error| error.to_string())?;
        running.saved = checkpoint;
        self.progress.trouble(None);
        self.progress.reached(checkpoint);
        Ok(())
    }

    /// Takes a parked message up again, with all of its key where keys are parked; no effect if it is not parked.
    async fn requeue(&self, running: &mut Running, id: EventId) -> Result<(), String> {
        self.progress.in_flight(running.under_way() + 1);
        let wanted = self.parked_with(id).await.map_err(|error| error.to_string())?;
        for (parked, message) in wanted {
            if !running.taken_up.insert(message.id) {
                continue;
            }
            if let Some(key) = message.partition_tag() {
                running.parked_keys.remove(key);
            }
            let job = Job {
                topic: parked.topic.clone(),
                message: Arc::new(message),
                position: None,
                parked: Some(parked),
            };
            self.begin(running, job);
        }
        self.progress.in_flight(running.under_way());
        Ok(())
    }

    /// The message, or everything parked of its key where keys are parked, in order.
    async fn parked_with(&self, id: EventId) -> Result<Vec<(Parked, NewEvent)>, ReadError> {
        let store = &*self.hub.store;
        let Some(found) = parked::find(store, id).await? else {
            return Ok(Vec::new());
        };
        let key = found.0.key.clone();
        if self.on_failure != OnFailure::ParkKey || key.is_none() {
            return Ok(vec![found]);
        }
        let mut same = Vec::new();
        for parked in parked::list(store)
            .await?
            .into_iter()
            .filter(|parked| parked.key == key)
        {
            same.extend(parked::find(store, parked.id).await?);
        }
        same.sort_by_key(|(parked, _)| parked.position);
        Ok(same)
    }

    /// Lets what is under way finish; what waits comes back after the next start.
    async fn drain(&self, mut running: Running) -> Result<(), String> {
        running.busy.values_mut().for_each(VecDeque::clear);
        while let Some(finished) = running.tasks.join_next().await {
            if let Err(trouble) = self.finished(&mut running, finished) {
                self.progress.trouble(Some(trouble));
            }
        }
        self.save(&mut running).await
    }
}

impl Running {
    fn under_way(&self) -> usize {
        self.window.open() + self.taken_up.len()
    }
}

async fn next(consumer: &mut dyn Consumer, max: usize) -> Result<Vec<Delivery>, String> {
    consumer.next(max).await.map_err(|error| error.to_string())
}

fn handled_key(id: EventId) -> MarkKey {
    MarkKey::new(HANDLED, id.to_string())
}

/// The work on one message: attempts, and in the end its effect or its parking.
struct Work {
    hub: Hub,
    taker: Option<Arc<dyn Taker>>,
    on_failure: OnFailure,
    key_is_parked: bool,
    progress: Progress,
    job: Job,
}

impl Work {
    async fn run(self) -> Finished {
        let ended = self.try_until_done().await;
        Finished {
            key: self.job.message.partition_tag().cloned(),
            position: self.job.position,
            id: self.job.message.id,
            ended,
        }
    }

    async fn try_until_done(&self) -> Result<Ended, String> {
        let Some(taker) = &self.taker else {
            return self
                .park("no command or handler of this service takes it", 0)
                .await;
        };
        if self.key_is_parked {
            return self.park("an earlier message of its key is parked", 0).await;
        }
        let mut attempt = self.attempts_before().await?;
        loop {
            attempt += 1;
            match self.take(&**taker, attempt).await {
                Handled::Done => return Ok(Ended::Done),
                Handled::Hopeless(reason) => return self.park(&reason, attempt).await,
                Handled::Failed(reason) => {
                    let exhausted = attempt >= taker.attempts_max();
                    if exhausted && self.on_failure != OnFailure::Block {
                        return self.park(&reason, attempt).await;
                    }
                    self.failed(attempt, &reason).await?;
                }
            }
            if self.hub.stop.is_stopped() {
                return Ok(Ended::Stopped);
            }
        }
    }

    /// One attempt. A panic is a failure of this message, and not of those beside it.
    async fn take(&self, taker: &dyn Taker, attempt: u32) -> Handled {
        let message = Arc::clone(&self.job.message);
        let handled = AssertUnwindSafe(taker.take(message, self.done(), attempt))
            .catch_unwind()
            .await;
        handled.unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
            Handled::Failed(format!("it panicked: {}", words.unwrap_or("without words")))
        })
    }

    async fn attempts_before(&self) -> Result<u32, String> {
        if self.job.parked.is_some() {
            return Ok(0);
        }
        let value = self
            .hub
            .store
            .mark(self.attempts_key())
            .await
            .map_err(|error| error.to_string())?;
        Ok(value
            .and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok())
            .unwrap_or(0))
    }

    /// Notes the attempt, so that a restart goes on counting, and waits.
    async fn failed(&self, attempt: u32, reason: &str) -> Result<(), String> {
        let message = &self.job.message;
        tracing::warn!(id = %message.id, event_type = %message.event_type, attempt, "a message failed: {reason}");
        metrics::counter!("annals_message_attempts_failed_total").increment(1);
        if self.on_failure == OnFailure::Block {
            self.progress.trouble(Some(format!(
                "{} {} fails: {reason}",
                message.event_type, message.id
            )));
        }
        let marks = vec![Mark::set(self.attempts_key(), attempt.to_string())];
        self.hub
            .append(Append {
                marks,
                ..Append::default()
            })
            .await
            .map_err(|error| error.to_string())?;
        self.hub.pause(attempt).await;
        Ok(())
    }

    fn attempts_key(&self) -> MarkKey {
        MarkKey::new(ATTEMPTS, self.job.message.id.to_string())
    }

    /// The note that becomes durable together with the effect.
    fn done(&self) -> MessageDone {
        let id = self.job.message.id;
        let tags = self.job.message.tags.clone();
        match &self.job.parked {
            None => MessageDone {
                tags,
                condition: Condition::MarkIs {
                    key: handled_key(id),
                    expected: None,
                },
                marks: vec![Mark::set(handled_key(id), "1"), Mark::remove(self.attempts_key())],
            },
            // Taken up again: the note is that it is parked no longer.
            Some(parked) => MessageDone {
                tags,
                condition: Condition::MarkIs {
                    key: parked::mark_key(id),
                    expected: parked.mark().value,
                },
                marks: vec![
                    Mark::remove(parked::mark_key(id)),
                    Mark::remove(self.attempts_key()),
                ],
            },
        }
    }

    async fn park(&self, reason: &str, attempts: u32) -> Result<Ended, String> {
        let message = &self.job.message;
        tracing::error!(id = %message.id, event_type = %message.event_type, attempts, "a message is parked: {reason}");
        metrics::counter!("annals_messages_parked_total").increment(1);
        let parked = Parked {
            id: message.id,
            message: smol_str::SmolStr::new(message.event_type.as_str()),
            topic: self.job.topic.clone(),
            key: message.partition_tag().cloned(),
            reason: reason.to_owned(),
            attempts,
            at: self.hub.recording.world.now(),
            position: self
                .job
                .position
                .or(self.job.parked.as_ref().and_then(|before| before.position)),
        };
        let MessageDone {
            condition, mut marks, ..
        } = self.done();
        // The last write of a mark wins: one that was parked before is parked again.
        marks.push(parked.mark());
        let conditions = vec![condition];
        let events = vec![parked::keep(&self.hub.recording, message, parked)];
        match self
            .hub
            .append(Append {
                events,
                conditions,
                marks,
            })
            .await
        {
            Ok(_) => Ok(Ended::Parked),
            // Somebody else has dealt with it meanwhile.
            Err(AppendError::Conflict(_)) => Ok(Ended::Done),
            Err(error) => Err(error.to_string()),
        }
    }
}
