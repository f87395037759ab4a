//! A running service: execute, load, view, look, stop.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::port::sink::Sink;
use annals_core::port::store::{EventStore, ReadError};
use annals_core::port::transport::{Health, Topic, Transport};
use annals_core::position::{Position, Revision};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;
use serde::Serialize;
use smol_str::SmolStr;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::decide::decider::Decider;
use crate::decide::errand::How;
use crate::decide::outcome::{Done, ExecuteError};
use crate::decide::sweep::{SnapshotsKept, sweep};
use crate::define::boundary::Fold;
use crate::define::command::Decide;
use crate::define::context::Request;
use crate::define::model::Model;
use crate::define::projection::Projection;
use crate::ground::progress::{Progress, Standing};
use crate::ground::world::World;
use crate::inbox::dispatch::{CallError, Caller};
use crate::inbox::parked::{self, Parked};
use crate::past::{Load, LoadError, Moment, Shown, show};
use crate::projector::Served;
use crate::react::timers::Timers;

/// What a runner follows, and so what its position is measured against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Follows {
    /// The service's own store.
    Store,
    /// These topics of the transport; none: all of them.
    Topics(Vec<Topic>),
    /// As [`Follows::Topics`], with the checkpoint at the broker, in the group of the service.
    Group(Vec<Topic>),
    /// The clock, which has no end.
    Clock,
}

/// A running service. Cheap to clone; it runs until [`Service::stop`] is called or every clone is dropped.
#[derive(Clone)]
pub struct Service {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) name: SmolStr,
    pub(crate) decider: Arc<Decider>,
    pub(crate) callers: HashMap<EventType, Arc<dyn Caller>>,
    pub(crate) folds: Vec<Fold>,
    pub(crate) views: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    pub(crate) runners: Vec<(Progress, Follows)>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) timers: Timers,
    pub(crate) requeue: mpsc::Sender<EventId>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) tasks: tokio::sync::Mutex<JoinSet<()>>,
}

/// How a service stands at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The service.
    pub service: SmolStr,
    /// The end of its store.
    pub end: Position,
    /// Its runners.
    pub runners: Vec<Standing>,
    /// Timers that will run out some day.
    pub timers: usize,
    /// Messages that are parked just now.
    pub parked: usize,
    /// Commands that were carried out since it started.
    pub commands_done: u64,
    /// Commands that were refused since it started.
    pub commands_refused: u64,
    /// Races lost since it started.
    pub conflicts: u64,
    /// Decisions made again since it started.
    pub redecisions: u64,
}

impl Status {
    /// Nothing to do and nothing under way, timers aside.
    pub fn is_idle(&self) -> bool {
        self.runners.iter().all(Standing::is_idle)
    }

    /// What keeps a runner from going on, if anything does.
    pub fn trouble(&self) -> Option<String> {
        let mut troubles = self.runners.iter().filter_map(|runner| {
            runner
                .trouble
                .as_ref()
                .map(|trouble| format!("{}: {trouble}", runner.name))
        });
        troubles.next()
    }
}

impl Service {
    /// Its name.
    pub fn name(&self) -> &SmolStr {
        &self.inner.name
    }

    /// Its store.
    pub fn store(&self) -> &Arc<dyn EventStore> {
        &self.inner.decider.store
    }

    /// Its clock and source of ids.
    pub fn world(&self) -> &World {
        &self.inner.decider.recording.world
    }

    /// Carries a command out: load, decide, append, and again if somebody else was first.
    pub fn execute<C: Decide>(&self, command: C) -> Execute<C> {
        Execute {
            service: self.clone(),
            command,
            how: How::default(),
        }
    }

    /// Carries out a command that came as JSON, by its name.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&self, command: &str, data: Bytes, how: How) -> Result<Done, CallError> {
        match self.inner.callers.get(command) {
            Some(caller) => caller.call(data, how).await,
            None => Err(CallError::NoSuchCommand {
                service: self.inner.name.to_string(),
                command: command.to_owned(),
                takes: self.commands().join(", "),
            }),
        }
    }

    /// The names of the commands it takes, sorted.
    pub fn commands(&self) -> Vec<String> {
        let mut names: Vec<String> = self.inner.callers.keys().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }

    /// The topics it hears, sorted; none where it hears no messages, or every topic.
    pub fn topics(&self) -> Vec<Topic> {
        let mut topics: Vec<Topic> = Vec::new();
        for (_, follows) in &self.inner.runners {
            if let Follows::Topics(heard) | Follows::Group(heard) = follows {
                topics.extend(heard.iter().cloned());
            }
        }
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// The state of a key, now or at any moment: `service.load::<Order>(&id).at(yesterday).await?`.
    pub fn load<M: Model>(&self, key: &M::Key) -> Load<M> {
        let snapshots = Arc::clone(&self.inner.decider.snapshots);
        Load::new(Arc::clone(self.store()), snapshots, key.clone())
    }

    /// The states of a tag as JSON, one for each model of this service with keys of that kind.
    ///
    /// # Errors
    /// [`LoadError`]: the store did not answer, or an event cannot be read.
    pub async fn show(&self, tag: &Tag, moment: Moment) -> Result<Vec<Shown>, LoadError> {
        let mut shown = Vec::new();
        for fold in self.inner.folds.iter().filter(|fold| fold.kind == tag.kind()) {
            let snapshots = &*self.inner.decider.snapshots;
            shown.push(show(&**self.store(), snapshots, fold, tag, moment).await?);
        }
        Ok(shown)
    }

    /// Keeps a snapshot of every state that has events before a position, of each model that has a
    /// [`Model::SNAPSHOT`]: to be called before the store is truncated there, so that what is still in use works on
    /// without the archive. Reads the history once, and writes a mark for each key whose snapshot is older than that.
    /// Decisions go on meanwhile.
    ///
    /// # Errors
    /// The store did not answer. What could not be kept for another reason is counted in the answer.
    ///
    /// # Cancel safety
    /// What was written stays. Call it again.
    pub async fn keep_snapshots(&self, before: Position) -> Result<SnapshotsKept, ReadError> {
        let (mut done, mut from) = (SnapshotsKept::default(), Some(Position::ZERO));
        while let Some(at) = from {
            let (kept, next) = self.keep_snapshots_from(at, before).await?;
            (done, from) = (done.and(kept), next);
        }
        Ok(done)
    }

    /// As [`Service::keep_snapshots`], of one page of events from a position on, with where to go on if there is more: for
    /// those who have only so much time.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn keep_snapshots_from(
        &self,
        from: Position,
        before: Position,
    ) -> Result<(SnapshotsKept, Option<Position>), ReadError> {
        let snapshots = &self.inner.decider.snapshots;
        sweep(&**self.store(), snapshots, &self.inner.folds, (from, before)).await
    }

    /// The kinds of keys of which this service has models, sorted.
    pub fn kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<&'static str> = self.inner.folds.iter().map(|fold| fold.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The rows of a projection. Say `.after(&done)` to read your own write.
    ///
    /// # Panics
    /// If the service was built without this projection.
    pub fn view<P: Projection>(&self) -> View<P> {
        let view = self
            .inner
            .views
            .get(&TypeId::of::<P>())
            .and_then(|view| view.downcast_ref::<View<P>>());
        view.expect("the service was built with this projection").clone()
    }

    /// What is parked just now.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn parked(&self) -> Result<Vec<Parked>, ReadError> {
        parked::list(&**self.store()).await
    }

    /// Takes a parked message up again, after what is under way of its key. No effect if it is not parked. Where
    /// [`OnFailure::ParkKey`] was chosen, everything parked of its key is taken up, in order.
    ///
    /// The wish itself is not durable: after a crash before its effect the message is parked as before.
    ///
    /// [`OnFailure::ParkKey`]: crate::OnFailure::ParkKey
    pub async fn requeue(&self, id: EventId) {
        // An error means that the inbox has stopped: the message stays parked.
        let _stopped = self.inner.requeue.send(id).await;
    }

    /// How an inbox stands that is so far behind, as far as is known.
    fn taking_in(&self, progress: &Progress, lag: Option<u64>) -> Standing {
        let mut standing = progress.standing(progress.position().plus(lag.unwrap_or(0)));
        standing.in_flight += self.inner.requeue.max_capacity() - self.inner.requeue.capacity();
        standing
    }

    /// How it stands.
    pub async fn status(&self) -> Status {
        let counters = &self.inner.decider.counters;
        let end = self.store().end();
        let mut runners = Vec::with_capacity(self.inner.runners.len());
        for (progress, follows) in &self.inner.runners {
            runners.push(match follows {
                Follows::Store => progress.standing(end),
                Follows::Topics(topics) => {
                    let lag = self
                        .inner
                        .transport
                        .lag(topics.clone(), progress.position())
                        .await;
                    self.taking_in(progress, lag)
                }
                Follows::Group(topics) => {
                    let group = self.inner.name.clone();
                    let lag = self.inner.transport.backlog(group, topics.clone()).await;
                    self.taking_in(progress, lag)
                }
                Follows::Clock => progress.standing(progress.position()),
            });
        }
        Status {
            service: self.inner.name.clone(),
            end,
            runners,
            timers: self.inner.timers.len(),
            parked: self.parked().await.map_or(0, |parked| parked.len()),
            commands_done: counters.done.load(Ordering::Relaxed),
            commands_refused: counters.refused.load(Ordering::Relaxed),
            conflicts: counters.conflicts.load(Ordering::Relaxed),
            redecisions: counters.redecisions.load(Ordering::Relaxed),
        }
    }

    /// What keeps a runner from going on, if anything does. Does not wait.
    pub fn trouble(&self) -> Option<String> {
        let standings = self
            .inner
            .runners
            .iter()
            .map(|(progress, _)| progress.standing(progress.position()));
        let mut troubles = standings.filter_map(|at| Some(format!("{}: {}", at.name, at.trouble?)));
        troubles.next().or_else(|| match self.inner.transport.health() {
            Health::Up => None,
            Health::Blocked(why) => Some(format!("broker: blocked: {why}")),
            Health::Degraded(why) => Some(format!("broker: degraded: {why}")),
        })
    }

    /// The transport it talks through.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.inner.transport
    }

    /// The states that decisions would start from, as model, tag, end and JSON, sorted: for tests that compare them with
    /// a fold from the beginning.
    #[doc(hidden)]
    pub fn held_states(&self) -> Vec<(Fold, Tag, Position, serde_json::Value)> {
        let fold_of = |model| self.inner.folds.iter().find(|fold| fold.model == model).copied();
        let held = self.inner.decider.cache.look(|model, tag, folded| {
            fold_of(model).map(|fold| (fold, tag.clone(), folded.end, (fold.show)(&folded.state)))
        });
        let mut held: Vec<_> = held.into_iter().flatten().collect();
        held.sort_by(|left, right| (left.0.name, &left.1).cmp(&(right.0.name, &right.1)));
        held
    }

    /// Ends every runner where it stands, as a crash would: for tests of what survives one.
    #[doc(hidden)]
    pub async fn kill(&self) {
        self.inner.tasks.lock().await.shutdown().await;
        self.inner.decider.kill().await;
    }

    /// Stops: lets what is under way finish, and waits for it. A second call returns at once.
    pub async fn stop(&self) {
        self.inner.stop.send_replace(true);
        let mut tasks = self.inner.tasks.lock().await;
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(service = %self.inner.name, "a runner ended badly: {error}");
            }
        }
        self.inner.decider.finish().await;
    }
}

/// A command to be carried out, once awaited.
#[must_use = "a command is carried out when this is awaited"]
pub struct Execute<C: Decide> {
    service: Service,
    command: C,
    how: How,
}

impl<C: Decide> Execute<C> {
    /// Have a second command with the same key answered as the first was: at most 255 bytes, no control characters.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.how.idempotency_key = Some(key.into());
        self
    }

    /// Who asks, and as a part of what.
    pub fn request(mut self, request: Request) -> Self {
        self.how.request = request;
        self
    }

    /// Only if this tag is at this revision; `None`: only if it has no event yet.
    pub fn expecting(mut self, tag: Tag, revision: Option<Revision>) -> Self {
        self.how.expects = Some((tag, revision));
        self
    }

    /// When it happened in the world, unless the command says so itself.
    pub fn occurred(mut self, moment: Timestamp) -> Self {
        self.how.occurred = Some(moment);
        self
    }
}

impl<C: Decide> IntoFuture for Execute<C> {
    type Output = Result<Done, ExecuteError<C::Refusal>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.service.inner.decider.execute(self.command, self.how).await })
    }
}

/// A read model did not get there in time. Ask again, or answer 503.
#[derive(Debug, Error)]
#[error("{view} is at position {at}, not yet at {wanted}")]
pub struct NotYet {
    /// Which projection.
    pub view: &'static str,
    /// Where it is.
    pub at: Position,
    /// Where it should be.
    pub wanted: Position,
}

/// The rows of one projection.
pub struct View<P: Projection> {
    pub(crate) served: Served<P>,
    pub(crate) progress: Progress,
}

impl<P: Projection> Clone for View<P> {
    fn clone(&self) -> Self {
        Self {
            served: Arc::clone(&self.served),
            progress: self.progress.clone(),
        }
    }
}

impl<P: Projection> View<P> {
    /// Waits until what this command did is in the rows, for at most ten seconds.
    ///
    /// # Errors
    /// [`NotYet`].
    pub async fn after(&self, done: &Done) -> Result<<P::Sink as Sink>::View, NotYet> {
        self.at_least(done.end, Duration::from_secs(10)).await
    }

    /// Waits until everything before a position of the service's store is in the rows.
    ///
    /// # Errors
    /// [`NotYet`] when that takes too long.
    pub async fn at_least(
        &self,
        wanted: Position,
        patience: Duration,
    ) -> Result<<P::Sink as Sink>::View, NotYet> {
        let mut position = self.progress.watch();
        let reached = tokio::time::timeout(patience, position.wait_for(|at| *at >= wanted)).await;
        match (reached, self.now()) {
            (Ok(Ok(_)), Some(view)) => Ok(view),
            _ => Err(NotYet {
                view: P::NAME,
                at: self.progress.position(),
                wanted,
            }),
        }
    }

    /// The rows as they are; `None` until the projection has started.
    pub fn now(&self) -> Option<<P::Sink as Sink>::View> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything before this position is in the rows.
    pub fn position(&self) -> Position {
        self.progress.position()
    }
}
