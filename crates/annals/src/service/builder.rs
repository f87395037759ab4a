//! Building a service: what it takes, what it keeps, what it hears, and where it lives.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::port::store::{EventStore, ReadError};
use annals_core::port::transport::{Topic, Transport};
use smol_str::{SmolStr, format_smolstr};
use thiserror::Error;
use tokio::runtime::RuntimeFlavor;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::decide::cache::StateCache;
use crate::decide::decider::{Counters, Decider};
use crate::decide::journal::Journal;
use crate::decide::lanes::Lanes;
use crate::decide::snapshots::Snapshots;
use crate::decide::stale::KnownTypes;
use crate::define::boundary::{Boundary, Fold};
use crate::define::command::Decide;
use crate::define::event::{EventSet, IntoEvents};
use crate::define::handler::{Dependencies, Handle, MissingDependency, Needs};
use crate::define::model::Model;
use crate::define::process::Process;
use crate::define::projection::Projection;
use crate::ground::backoff::Backoff;
use crate::ground::hub::{Hub, Stop};
use crate::ground::progress::Progress;
use crate::ground::record::{COMMAND_REFUSED, FRAMEWORK_TYPES, Recording};
use crate::ground::world::World;
use crate::inbox::dispatch::{Caller, Decision, Handling, Taker};
use crate::inbox::taking::Inbox;
use crate::inbox::work::OnFailure;
use crate::projector::Projector;
use crate::react::manager::Manager;
use crate::react::timers::Timers;
use crate::recorder;
use crate::relay;
use crate::service::running::{Follows, Inner, Service, View};

/// States kept for decisions unless [`ServiceBuilder::states_max`] says otherwise.
const STATES_MAX: usize = 65_536;
/// Events after which a state is kept again unless [`ServiceBuilder::snapshots_every`] says otherwise.
const SNAPSHOTS_EVERY: u64 = 1_000;
/// Requeue requests that may wait.
const REQUEUES_MAX: usize = 1_024;

/// Where a service lives.
#[derive(Clone)]
pub struct Place {
    /// Its history.
    pub store: Arc<dyn EventStore>,
    /// How it talks to others.
    pub transport: Arc<dyn Transport>,
    /// Its clock and source of ids.
    pub world: World,
    /// Where refusals and lost races are noted, if anywhere.
    pub journal: Option<Journal>,
}

/// Why a service did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A handler needs something it was not given.
    #[error(transparent)]
    Missing(#[from] MissingDependency),
    /// The store did not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The transport cannot do what the service needs.
    #[error("the service {service} needs a transport that can {needs}")]
    Transport {
        /// The service.
        service: SmolStr,
        /// What is missing.
        needs: &'static str,
    },
    /// A name that cannot be used.
    #[error("{0:?} is no name for a service or process: letters, digits, `_`, `-` and `.`, at least one")]
    Name(String),
    /// Two models keep their snapshots under one name. Give them different ones.
    #[error("{0} and {1} keep their snapshots under one name, {2:?}")]
    Snapshots(&'static str, &'static str, &'static str),
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Spawn = Box<dyn FnOnce(&Hub, &Timers) -> (Progress, Task) + Send>;
type MakeTaker = Box<dyn FnOnce(&Arc<Decider>, &Hub, &Dependencies) -> Arc<dyn Taker> + Send>;
type MakeCaller = Box<dyn FnOnce(&Arc<Decider>) -> Arc<dyn Caller> + Send>;

/// Describes a service. Nothing runs before [`ServiceBuilder::start`].
pub struct ServiceBuilder {
    name: SmolStr,
    takers: Vec<(EventType, MakeTaker)>,
    callers: Vec<(EventType, MakeCaller)>,
    processes: Vec<Spawn>,
    projections: Vec<Spawn>,
    views: HashMap<TypeId, Box<dyn Any + Send + Sync>>,
    folds: Vec<Fold>,
    known: HashSet<EventType>,
    copied: HashSet<EventType>,
    topics: Vec<Topic>,
    needs: Vec<Needs>,
    dependencies: Dependencies,
    on_failure: OnFailure,
    remembered: Option<Duration>,
    backoff: Backoff,
    states_max: usize,
    snapshots_every: u64,
    records: Option<Vec<Topic>>,
    names: Vec<String>,
}

impl Service {
    /// Begins to describe a service. Its name is the topic of its events; its commands are called `name.something`.
    pub fn builder(name: impl Into<SmolStr>) -> ServiceBuilder {
        let name = name.into();
        ServiceBuilder {
            names: vec![name.to_string()],
            name,
            takers: Vec::new(),
            callers: Vec::new(),
            processes: Vec::new(),
            projections: Vec::new(),
            views: HashMap::new(),
            folds: Vec::new(),
            known: FRAMEWORK_TYPES.into_iter().collect(),
            copied: HashSet::new(),
            topics: Vec::new(),
            needs: Vec::new(),
            dependencies: Dependencies::default(),
            on_failure: OnFailure::default(),
            remembered: None,
            backoff: Backoff::default(),
            states_max: STATES_MAX,
            snapshots_every: SNAPSHOTS_EVERY,
            records: None,
        }
    }
}

impl ServiceBuilder {
    /// Takes a command, from here, from outside, and as a message.
    #[must_use]
    pub fn command<C: Decide>(mut self) -> Self {
        for fold in C::Boundary::folds() {
            self.folds_with(fold);
        }
        self.writes::<C::Output>();
        let decision = |decider: &Arc<Decider>| {
            Arc::new(Decision::<C> {
                decider: Arc::clone(decider),
                command: PhantomData,
            })
        };
        self.takers
            .push((C::TYPE, Box::new(move |decider, _, _| decision(decider))));
        self.callers
            .push((C::TYPE, Box::new(move |decider| decision(decider))));
        self
    }

    /// Handles a message, a command sent to this service or an event of a topic it listens to.
    #[must_use]
    pub fn handler<H: Handle>(mut self) -> Self {
        self.writes::<H::Output>();
        self.needs.extend(H::needs());
        let taker: MakeTaker = Box::new(|_, hub, dependencies| {
            let dependencies = dependencies.clone();
            Arc::new(Handling::<H> {
                hub: hub.clone(),
                dependencies,
                message: PhantomData,
            })
        });
        self.takers.push((H::TYPE, taker));
        self
    }

    /// Runs a process manager. Events of its set that come from other services are copied into the own store.
    #[must_use]
    pub fn process<P: Process>(mut self) -> Self {
        self.names.push(P::NAME.to_owned());
        self.folds_with(Fold::of::<P>());
        self.copied.insert(COMMAND_REFUSED);
        self.processes.push(Box::new(|hub, timers| {
            let progress = Progress::new(format_smolstr!("process.{}", P::NAME));
            let manager = Manager::<P>::new(hub.clone(), timers.clone(), progress.clone());
            (progress, Box::pin(manager.run()))
        }));
        self
    }

    /// Keeps a read model in a sink.
    #[must_use]
    pub fn projection<P: Projection>(mut self, projection: P, sink: Arc<P::Sink>) -> Self {
        self.names.push(P::NAME.to_owned());
        self.knows::<P::Event>();
        let progress = Progress::new(format_smolstr!("projection.{}", P::NAME));
        let served = Arc::new(Mutex::new(None));
        let view = View::<P> {
            served: Arc::clone(&served),
            progress: progress.clone(),
        };
        self.views.insert(TypeId::of::<P>(), Box::new(view));
        self.projections.push(Box::new(move |hub, _| {
            let projector = Projector {
                hub: hub.clone(),
                projection,
                sink,
                served,
                progress: progress.clone(),
            };
            (progress, Box::pin(projector.run()))
        }));
        self
    }

    /// Shows a model that no decision reads, and copies the events it folds from other services.
    #[must_use]
    pub fn model<M: Model>(mut self) -> Self {
        self.folds_with(Fold::of::<M>());
        self
    }

    /// Listens to the events of another service.
    #[must_use]
    pub fn listens_to(mut self, service: impl Into<SmolStr>) -> Self {
        self.topics.push(service.into());
        self
    }

    /// Records every message of every topic, as a recorder does.
    #[must_use]
    pub fn records_everything(mut self) -> Self {
        self.records = Some(Vec::new());
        self
    }

    /// Records every message of these topics: for brokers that cannot say which topics there are.
    #[must_use]
    pub fn records(mut self, topics: impl IntoIterator<Item = Topic>) -> Self {
        self.records = Some(topics.into_iter().collect());
        self
    }

    /// Provides something outside to the handlers that ask for it by type.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.dependencies.provide(value);
        self
    }

    /// What to do with messages that fail too often; [`OnFailure::Park`] unless said.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Settles a message with the broker when it has been handled, not when a copy of it is durable here: for those who
    /// cannot accept that losing this disk loses what was not yet handled. Give the service the broker's own transport
    /// then, without a durable inbox before it.
    ///
    /// What is dealt with is remembered for so long, in memory and in the store, about 100 bytes each: choose more than
    /// the broker may hold on to a message that it did not hear settled. A message that comes again later has a second
    /// effect. At most 1,024 messages are in hand; retries and order per key are those of this process, and a message
    /// that is tried for longer than the broker waits comes again meanwhile and is passed over.
    #[must_use]
    pub fn settle_after_handling(mut self, remembered: Duration) -> Self {
        self.remembered = Some(remembered);
        self
    }

    /// How long to wait between tries.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How many folded states are kept for decisions; at least 2.
    #[must_use]
    pub fn states_max(mut self, states: usize) -> Self {
        self.states_max = states;
        self
    }

    /// How many events may be folded behind a snapshot, or the beginning, before another one is written; at least 1, and
    /// 1,000 unless said. Only models that have a [`Model::SNAPSHOT`] keep any. `u64::MAX`: none but those that
    /// [`Service::keep_snapshots`] writes.
    #[must_use]
    pub fn snapshots_every(mut self, events: u64) -> Self {
        self.snapshots_every = events;
        self
    }

    fn folds_with(&mut self, fold: Fold) {
        self.known.extend(fold.types.iter().cloned());
        self.copied.extend(fold.types.iter().cloned());
        if !self.folds.iter().any(|known| known.model == fold.model) {
            self.folds.push(fold);
        }
    }

    fn knows<E: EventSet>(&mut self) {
        self.known.extend(E::TYPES.iter().cloned());
        self.copied.extend(E::TYPES.iter().cloned());
    }

    fn writes<O: IntoEvents>(&mut self) {
        let mut types = Vec::new();
        O::types(&mut types);
        self.known.extend(types);
    }

    /// Starts the service: loads its timers, then relay, inbox, processes and projections begin where they stopped.
    ///
    /// Must be called within a tokio runtime. Projections run on threads of their own where the runtime has several.
    ///
    /// # Errors
    /// [`StartError`]: something is missing, or the store does not answer.
    pub async fn start(mut self, place: Place) -> Result<Service, StartError> {
        self.check(&place)?;
        let (stop, stopped) = Stop::new();
        let recording = Recording {
            service: self.name.clone(),
            world: place.world.clone(),
        };
        let store = Arc::clone(&place.store);
        let hub = Hub {
            store: Arc::clone(&store),
            recording: recording.clone(),
            stop: stopped,
            backoff: self.backoff,
        };
        let timers = Timers::load(&hub).await?;
        let known = Arc::new(KnownTypes::new(self.known.iter().cloned()));
        let (snapshots, to_write) = Snapshots::new(
            self.name.clone(),
            Arc::clone(&store),
            Arc::clone(&known),
            self.snapshots_every,
        );
        let decider = Arc::new(Decider {
            store,
            recording,
            known,
            cache: StateCache::new(self.states_max),
            snapshots: Arc::clone(&snapshots),
            lanes: Lanes::default(),
            journal: place.journal.clone(),
            counters: Counters::default(),
            workers: Mutex::default(),
            combiners: Mutex::default(),
        });
        let (requeue, requeued) = mpsc::channel(REQUEUES_MAX);
        let (runners, mut tasks) = match self.records.take() {
            Some(topics) => record(&hub, &place.transport, topics),
            None => self.run(&hub, &place.transport, &decider, &timers, requeued),
        };
        if self.folds.iter().any(|fold| fold.snapshot.is_some()) {
            tasks.spawn(snapshots.run(to_write, hub.stop.clone()));
        }
        let callers = self
            .callers
            .into_iter()
            .map(|(name, make)| (name, make(&decider)))
            .collect();
        Ok(Service {
            inner: Arc::new(Inner {
                name: self.name,
                decider,
                callers,
                folds: self.folds,
                views: self.views,
                runners,
                transport: place.transport,
                timers,
                requeue,
                stop,
                tasks: tokio::sync::Mutex::new(tasks),
            }),
        })
    }

    fn check(&self, place: &Place) -> Result<(), StartError> {
        self.dependencies.check(&self.needs)?;
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        };
        if let Some(bad) = self.names.iter().find(|name| !is_name(name)) {
            return Err(StartError::Name(bad.clone()));
        }
        let named = |fold: &Fold| fold.snapshot.map(|snapshot| snapshot.name);
        for (at, fold) in self.folds.iter().enumerate() {
            let earlier = self.folds[..at]
                .iter()
                .find(|earlier| named(earlier) == named(fold));
            if let (Some(name), Some(earlier)) = (named(fold), earlier) {
                return Err(StartError::Snapshots(earlier.name, fold.name, name));
            }
        }
        let can = place.transport.capabilities();
        let needs = match &self.records {
            None if !can.replay && self.remembered.is_none() => {
                "be read again from a position; put a durable inbox before it"
            }
            Some(topics) if topics.is_empty() && !can.every_topic => {
                "hear every topic; say which topics to record"
            }
            _ => return Ok(()),
        };
        Err(StartError::Transport {
            service: self.name.clone(),
            needs,
        })
    }

    /// Sets every runner of an ordinary service going.
    fn run(
        &mut self,
        hub: &Hub,
        transport: &Arc<dyn Transport>,
        decider: &Arc<Decider>,
        timers: &Timers,
        requeued: mpsc::Receiver<EventId>,
    ) -> (Vec<(Progress, Follows)>, JoinSet<()>) {
        let mut runners = Vec::new();
        let mut tasks = JoinSet::new();
        let relay = Progress::new("relay");
        tasks.spawn(relay::run(hub.clone(), Arc::clone(transport), relay.clone()));
        runners.push((relay, Follows::Store));
        let inbox = self.inbox(hub, transport, decider, requeued);
        let topics = inbox.topics.clone();
        let follows = match self.remembered {
            None => Follows::Topics(topics),
            Some(_) => Follows::Group(topics),
        };
        runners.push((inbox.progress.clone(), follows));
        tasks.spawn(inbox.run());
        let fired = Progress::new("timers");
        runners.push((fired.clone(), Follows::Clock));
        tasks.spawn(timers.clone().run(hub.clone(), fired));
        for spawn in self.processes.drain(..) {
            let (progress, task) = spawn(hub, timers);
            runners.push((progress, Follows::Store));
            tasks.spawn(task);
        }
        for spawn in self.projections.drain(..) {
            let (progress, task) = spawn(hub, timers);
            runners.push((progress, Follows::Store));
            spawn_heavy(&mut tasks, task);
        }
        (runners, tasks)
    }

    fn inbox(
        &mut self,
        hub: &Hub,
        transport: &Arc<dyn Transport>,
        decider: &Arc<Decider>,
        requeued: mpsc::Receiver<EventId>,
    ) -> Inbox {
        let make = |(name, make): (EventType, MakeTaker)| (name, make(decider, hub, &self.dependencies));
        let takers = self.takers.drain(..).map(make).collect();
        let mut topics = std::mem::take(&mut self.topics);
        topics.push(relay::command_topic(&self.name));
        Inbox {
            hub: hub.clone(),
            transport: Arc::clone(transport),
            topics,
            takers: Arc::new(takers),
            copied: std::mem::take(&mut self.copied),
            on_failure: self.on_failure,
            remembered: self.remembered,
            progress: Progress::new("inbox"),
            requeued,
        }
    }
}

/// Sets the one runner of a recorder going.
fn record(
    hub: &Hub,
    transport: &Arc<dyn Transport>,
    topics: Vec<Topic>,
) -> (Vec<(Progress, Follows)>, JoinSet<()>) {
    let progress = Progress::new("recorder");
    let mut tasks = JoinSet::new();
    tasks.spawn(recorder::run(
        hub.clone(),
        Arc::clone(transport),
        topics.clone(),
        progress.clone(),
    ));
    (vec![(progress, Follows::Topics(topics))], tasks)
}

/// A sink may block for milliseconds: where the runtime has several threads, the task gets one that nobody waits for.
fn spawn_heavy(tasks: &mut JoinSet<()>, task: Task) {
    let handle = tokio::runtime::Handle::current();
    match handle.runtime_flavor() {
        RuntimeFlavor::CurrentThread => tasks.spawn(task),
        _ => tasks.spawn_blocking(move || handle.block_on(task)),
    };
}
