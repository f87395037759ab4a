//! The inbox: takes messages in, each with one effect.
//!
//! Commands go to the decision or handler that takes them; events of other services that a model or process folds are
//! copied into the own store, with their origin. The transport keeps a log that can be read again, so the checkpoint
//! in the own store is all that is needed: it is the lowest message that is not dealt with. What is done above it has
//! a note, in the same commit as its effect, until the checkpoint has passed. Messages of one partition tag are dealt
//! with one after the other; what fails is tried again with back-off and then parked, or blocks its key, as the
//! service chose.
//!
//! Where the service settles after handling, the broker keeps the checkpoint instead: nothing is copied, a delivery is
//! settled when its effect is durable, and the notes of what is dealt with stay for a time, because it may come again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use annals_core::bug::is_planted;
use annals_core::event::{EventType, NewEvent, Purpose};
use annals_core::id::EventId;
use annals_core::mark::Mark;
use annals_core::port::store::{Append, AppendError, ReadError};
use annals_core::port::transport::{Delivery, Settle, Start, Subscribe, Topic, Transport};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::bug::Bug;
use crate::ground::hub::{Hub, Stop, Tries};
use crate::ground::progress::Progress;
use crate::inbox::dispatch::Taker;
use crate::inbox::hands::Hands;
use crate::inbox::lead::Lead;
use crate::inbox::parked::{self, Parked};
use crate::inbox::window::Window;
use crate::inbox::work::{Ended, Finished, HANDLED, Job, OnFailure, Work, handled_key};

const NAME: &str = "inbox";
/// Messages under way at once.
const WINDOW_MAX: usize = 1_024;

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
    /// Settles after handling, and remembers for so long what is dealt with.
    pub(crate) remembered: Option<Duration>,
    pub(crate) progress: Progress,
    /// Messages to take up again.
    pub(crate) requeued: mpsc::Receiver<EventId>,
}

/// How a subscription ended.
enum Listened {
    /// It is time to stop.
    Stopped,
    /// It was lost, or there was none.
    Lost(String),
}

/// Everything that changes while an inbox runs.
struct Running {
    lead: Lead,
    window: Window,
    /// Keys with a message under way, and what waits behind it.
    busy: HashMap<Tag, VecDeque<Job>>,
    tasks: JoinSet<Finished>,
    /// Ends what waits for its next try: it comes again, to the next subscription or the next start.
    ending: watch::Sender<bool>,
    ended: Stop,
    /// Done before the last stop, above the checkpoint.
    handled: HashSet<EventId>,
    /// Keys that are parked with everything that follows.
    parked_keys: HashSet<Tag>,
    /// Parked messages that are under way again, or wait for it.
    taken_up: HashSet<EventId>,
    saved: Position,
    /// Where the broker keeps the checkpoint.
    hands: Option<Hands>,
}

impl Inbox {
    /// Takes messages in until it is time to stop.
    pub(crate) async fn run(mut self) {
        let mut tries = Tries::at_a_broker(&self.hub, &self.progress);
        while tries.again(self.take_in().await).await {}
    }

    /// Takes messages in until it is time to stop, over as many subscriptions as it takes: what is under way does not
    /// end with one.
    async fn take_in(&mut self) -> Result<(), String> {
        let mut running = self.resume().await?;
        let mut failures = 0;
        loop {
            let before = running.window.end();
            match self.listen(&mut running).await? {
                Listened::Stopped => return self.drain(running).await,
                // What was in hand comes again, so nothing goes on where it was.
                Listened::Lost(trouble) if running.hands.is_some() => {
                    self.drain(running).await?;
                    return Err(trouble);
                }
                Listened::Lost(trouble) => {
                    self.progress.trouble(Some(trouble));
                    failures = if running.window.end() > before {
                        1
                    } else {
                        failures + 1
                    };
                    self.hub.pause(failures).await;
                }
            }
        }
    }

    /// One subscription, from its beginning to its loss.
    async fn listen(&mut self, running: &mut Running) -> Result<Listened, String> {
        let subscribe = Subscribe {
            group: self.hub.recording.service.clone(),
            topics: self.topics.clone(),
            start: match running.hands {
                None => Start::At(running.window.end()),
                Some(_) => Start::Group,
            },
        };
        let mut consumer = match self.transport.subscribe(subscribe).await {
            Ok(consumer) => consumer,
            Err(error) => return Ok(Listened::Lost(error.to_string())),
        };
        self.progress.trouble(None);
        let mut stop = self.hub.stop.clone();
        loop {
            let room = WINDOW_MAX.saturating_sub(running.window.open());
            tokio::select! {
                biased;
                () = stop.wait() => return Ok(Listened::Stopped),
                Some(finished) = running.tasks.join_next(), if !running.tasks.is_empty() => {
                    self.finished(running, finished)?;
                    while let Some(finished) = running.tasks.try_join_next() {
                        self.finished(running, finished)?;
                    }
                    self.save(running).await?;
                }
                Some(id) = self.requeued.recv() => self.requeue(running, id).await?,
                deliveries = consumer.next(room), if room > 0 => match deliveries {
                    Ok(deliveries) => {
                        self.deliveries(running, deliveries).await?;
                        self.save(running).await?;
                    }
                    Err(error) => return Ok(Listened::Lost(error.to_string())),
                },
            }
        }
    }

    /// Takes the lead, and looks where the last run stopped.
    async fn resume(&self) -> Result<Running, String> {
        let store = &self.hub.store;
        let lead = Lead::take(&self.hub).await?;
        let saved = self
            .hub
            .checkpoint(NAME)
            .await
            .map_err(|error| error.to_string())?;
        let handled = store
            .marks(HANDLED, "")
            .await
            .map_err(|error| error.to_string())?;
        let notes: Vec<(Timestamp, EventId)> = handled
            .into_iter()
            .filter_map(|(key, value)| Some((noted_at(&value), key.name.parse().ok()?)))
            .collect();
        let handled = notes.iter().map(|(_, id)| *id).collect();
        let parked = parked::list(&**store).await.map_err(|error| error.to_string())?;
        let parked_keys = match self.on_failure {
            OnFailure::ParkKey => parked.into_iter().filter_map(|parked| parked.key).collect(),
            OnFailure::Park | OnFailure::Block => HashSet::new(),
        };
        self.progress.reached(saved);
        self.progress.begins();
        let (ending, ended) = Stop::new();
        Ok(Running {
            lead,
            ending,
            ended,
            window: Window::starting_at(saved),
            busy: HashMap::new(),
            tasks: JoinSet::new(),
            handled,
            parked_keys,
            taken_up: HashSet::new(),
            saved,
            hands: self.remembered.map(|remembered| Hands::new(remembered, notes)),
        })
    }

    async fn deliveries(&self, running: &mut Running, deliveries: Vec<Delivery>) -> Result<(), String> {
        let mut copies = Vec::new();
        for delivery in deliveries {
            let Some(position) = running.place(delivery.position)? else {
                continue;
            };
            let message = Arc::new(delivery.message.event);
            let taken = running.handled.contains(&message.id);
            let copied = message.purpose == Purpose::Event && self.copied.contains(&message.event_type);
            if copied {
                copies.push(NewEvent::clone(&message));
            }
            let wanted = self.takers.contains_key(&message.event_type) || message.purpose == Purpose::Command;
            if !running.takes(position, message.id, !taken && wanted, taken, delivery.settle) {
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
            // Some are there already, or together they are more than a store takes at once.
            Err(AppendError::IdTaken { .. } | AppendError::Invalid(_)) => {
                self.copy_one_by_one(copies).await?;
            }
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
        let stop = running.ended.clone();
        let work = Work {
            hub: Hub {
                stop,
                ..self.hub.clone()
            },
            taker: self.takers.get(&job.message.event_type).cloned(),
            on_failure: self.on_failure,
            key_is_parked,
            progress: self.progress.clone(),
            lead: running.lead.clone(),
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
            Some(position) => running.finish(position, finished.id, self.hub.recording.world.now()),
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
        if checkpoint != running.saved {
            self.save_checkpoint(running, checkpoint).await?;
        }
        if let Some(hands) = &mut running.hands {
            hands.settle().await;
        }
        Ok(())
    }

    async fn save_checkpoint(&self, running: &mut Running, checkpoint: Position) -> Result<(), String> {
        let now = self.hub.recording.world.now();
        let superfluous = match &mut running.hands {
            None => running.window.superfluous(checkpoint),
            Some(hands) => hands.forgotten(now),
        };
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
                conditions: vec![running.lead.condition()],
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
        running.ending.send_replace(true);
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

    /// Where a delivery is: in the transport's log, or next in the order in which they come. None for one that was
    /// begun already.
    fn place(&self, position: Option<Position>) -> Result<Option<Position>, String> {
        let next = self.window.end();
        match (&self.hands, position) {
            (Some(_), _) => Ok(Some(next)),
            (None, Some(position)) => Ok((position >= next).then_some(position)),
            (None, None) => {
                Err("this transport gives no positions; the inbox needs a log it can read again".into())
            }
        }
    }

    /// Takes a delivery into the window; answers whether there is something to do for it.
    fn takes(
        &mut self,
        position: Position,
        id: EventId,
        is_work: bool,
        is_noted: bool,
        mut settle: Option<Box<dyn Settle>>,
    ) -> bool {
        if let Some(hands) = &mut self.hands {
            if !is_work {
                hands.known(settle);
                return false;
            }
            if is_planted(Bug::SettleBeforeCommit) {
                hands.known(settle.take());
            }
            if !hands.take(id, settle) {
                return false;
            }
        }
        self.window.begin(position);
        if !is_work {
            self.window.finish(position, is_noted.then_some(id));
        }
        is_work
    }

    /// What was at this position is dealt with.
    fn finish(&mut self, position: Position, id: EventId, now: Timestamp) {
        match &mut self.hands {
            None => self.window.finish(position, Some(id)),
            Some(hands) => {
                self.window.finish(position, None);
                self.handled.insert(id);
                hands.done(id, now);
            }
        }
    }
}

/// When a note was made. Notes of earlier builds do not say; they count as old.
fn noted_at(value: &[u8]) -> Timestamp {
    let micros = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    Timestamp::from_micros(micros.unwrap_or(0))
}
