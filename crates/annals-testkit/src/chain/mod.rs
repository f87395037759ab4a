//! The whole chain on virtual time: services, their stores, a broker, timers, crashes; deterministic by seed.
//!
//! In: descriptions of services, and a story of what happens. Out: running services whose every move a test can look
//! at. The runtime has one thread and paused time, ids come from the seed, and stores and broker dawdle by the seed, so
//! that different seeds try different interleavings and **the same seed tries the same one again**.
//!
//! ```
//! # use annals::{Command, Event, Key, Model, Service, command};
//! # use annals_testkit::chain::Chain;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Key)] #[key("door")] struct DoorId(String);
//! # #[derive(Event, Serialize, Deserialize)] #[event("door.shut")] struct DoorShut { #[tag] door: DoorId }
//! # #[derive(Default, Serialize)] struct Door { shut: bool }
//! # impl Model for Door {
//! #     type Key = DoorId;
//! #     type Event = DoorShut;
//! #     fn apply(&mut self, _: &DoorShut) { self.shut = true; }
//! # }
//! # #[derive(Command, Clone, Serialize, Deserialize)] #[named("doors.shut")] struct Shut { #[key] door: DoorId }
//! # #[command] fn shut(command: Shut, _: &Door) -> Result<DoorShut, std::convert::Infallible> {
//! #     Ok(DoorShut { door: command.door })
//! # }
//! Chain::new(7).run(async |stage| {
//!     let doors = stage.service("doors", |service| service.command::<Shut>()).await;
//!     doors.execute(Shut { door: DoorId::from("front") }).await.unwrap();
//!     stage.pass(std::time::Duration::from_secs(3_600)).await;
//!     stage.power_cut().await;
//!     let door = stage.running("doors").load::<Door>(&DoorId::from("front")).await.unwrap();
//!     assert!(door.shut);
//!     println!("{}", stage.trace().await);
//! });
//! ```
//!
//! Virtual time moves only while everybody waits: a back-off of seconds and a timer of days cost nothing.
//!
//! Stores and broker are in memory, or the embedded engine on simulated disks ([`Chain::on_disk`]), which forget at a
//! power cut what was not flushed. What a chain does not show is the network.
//!
//! Modules are listed lowest first.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use annals::{Journal, Place, Recording, Service, ServiceBuilder, Status, World};
use annals_core::event::RecordedEvent;
use annals_core::port::store::{EventStore, Read};
use annals_core::port::transport::Transport;
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::time::{Clock, Timestamp};
use annals_transport::embedded::EmbeddedBroker;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::scenario::NOW;
use crate::seed::{Seed, SeededIds};

mod clock;
mod dice;
mod ground;
mod store;
mod wire;
mod trace;

pub use clock::VirtualClock;
pub use dice::Faults;
pub use trace::Trace;

use dice::Dice;
use ground::Ground;
use store::ChainStore;
use wire::Wire;

/// Settling takes no longer than this, in virtual time.
const SETTLE_MAX: Duration = Duration::from_secs(3_600);
/// Between two looks at whether all is settled: short at first, then in proportion to how long it takes.
const LOOK_MIN: Duration = Duration::from_millis(1);
const LOOK_MAX: Duration = Duration::from_secs(1);
/// A crash comes after this many turns of the scheduler at most.
const CRASH_TURNS_MAX: u64 = 64;
/// And, one time in four, after less than so many milliseconds, while what is slow is still on its way.
const CRASH_MS_MAX: u64 = 200;
const JOURNAL_ENTRIES_MAX: u64 = 1 << 20;

/// A runtime with paused time. Hand it a story with [`Chain::run`].
pub struct Chain {
    runtime: Runtime,
    stage: Stage,
}

/// What a story plays on.
pub struct Stage {
    seed: Seed,
    faults: Faults,
    world: World,
    broker: RefCell<Wire>,
    messages: ChainStore,
    on_disk: bool,
    members: RefCell<BTreeMap<String, Member>>,
    folder: TempDir,
}

type Describe = Rc<dyn Fn(ServiceBuilder) -> ServiceBuilder>;

/// One service: what survives its crashes, and the service itself while it runs.
#[derive(Clone)]
struct Member {
    describe: Describe,
    store: ChainStore,
    journal: Ground,
    running: Option<Service>,
}

impl Chain {
    /// A chain of this seed on which nothing goes wrong.
    ///
    /// # Panics
    /// If the operating system gives no runtime or no temporary folder.
    pub fn new(seed: u64) -> Self {
        Self::with_faults(seed, Faults::default())
    }

    /// A chain of this seed on which things go wrong this often.
    ///
    /// # Panics
    /// As [`Chain::new`].
    pub fn with_faults(seed: u64, faults: Faults) -> Self {
        Self::build(seed, faults, false)
    }

    /// A chain of this seed on simulated disks: whatever crashes finds what its disk has kept.
    ///
    /// # Panics
    /// As [`Chain::new`].
    pub fn on_disk(seed: u64, faults: Faults) -> Self {
        Self::build(seed, faults, true)
    }

    fn build(seed: u64, faults: Faults, on_disk: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime of one thread can be built");
        let seed = Seed::new(seed);
        let clock: Arc<dyn Clock> = {
            let _inside = runtime.enter();
            Arc::new(VirtualClock::starting_at(NOW))
        };
        let ids = Arc::new(SeededIds::new(seed.draw()));
        let world = World { clock, ids };
        let messages = ChainStore::new(
            ground(&world, &seed, on_disk),
            Dice::new(seed.split(), Faults::default()),
        );
        let broker = EmbeddedBroker::new(Arc::new(messages.clone()), Arc::clone(&world.clock));
        let broker = Wire::new(broker, Arc::new(Dice::new(seed.split(), faults)));
        let folder = TempDir::new().expect("a temporary folder can be made");
        let stage = Stage {
            seed,
            faults,
            world,
            broker: RefCell::new(broker),
            messages,
            on_disk,
            members: RefCell::default(),
            folder,
        };
        Self { runtime, stage }
    }

    /// Plays a story to its end. A second story goes on where the first one stopped.
    pub fn run<T>(&self, story: impl AsyncFnOnce(&Stage) -> T) -> T {
        self.runtime.block_on(story(&self.stage))
    }
}

impl Stage {
    /// Starts a service on a store of its own. The description is asked again at every restart.
    ///
    /// # Panics
    /// If there is a service of this name already, or it does not start.
    #[allow(
        clippy::await_holding_refcell_ref,
        reason = "the borrow ends before anything is awaited"
    )]
    pub async fn service(
        &self,
        name: &str,
        describe: impl Fn(ServiceBuilder) -> ServiceBuilder + 'static,
    ) -> Service {
        let member = Member {
            describe: Rc::new(describe),
            store: ChainStore::new(
                ground(&self.world, &self.seed, self.on_disk),
                Dice::new(self.seed.split(), self.faults),
            ),
            journal: Ground::memory(Arc::clone(&self.world.clock)),
            running: None,
        };
        let before = self.members.borrow_mut().insert(name.to_owned(), member);
        assert!(
            before.is_none(),
            "there is a service {name} already; restart it instead"
        );
        self.restart(name).await
    }

    /// Stops a service in an orderly way.
    ///
    /// # Panics
    /// If there is no such service or it does not run.
    pub async fn stop(&self, name: &str) {
        self.take(name).stop().await;
    }

    /// Ends a service where it stands. Its store keeps what was appended.
    ///
    /// # Panics
    /// If there is no such service or it does not run.
    pub async fn crash(&self, name: &str) {
        self.take(name).kill().await;
        self.member(name).store.crash(self.seed.draw()).await;
    }

    /// Cuts the power of everything at once, broker included, and starts again what ran. On disk, each store finds what
    /// its disk has kept; in memory, everything.
    ///
    /// # Panics
    /// If a store does not open again, or a service does not start.
    pub async fn power_cut(&self) {
        let names = self.names_of_running();
        for name in &names {
            self.take(name).kill().await;
        }
        for name in &names {
            self.member(name).store.crash(self.seed.draw()).await;
        }
        self.messages.crash(self.seed.draw()).await;
        self.broker.borrow_mut().reopen(&self.messages, &self.world);
        for name in &names {
            self.restart(name).await;
        }
    }

    /// Lets everybody go on for a while, by the seed, and then ends a service where it stands and starts it again.
    ///
    /// # Panics
    /// If there is no such service or it does not run, or does not start again.
    pub async fn crash_somewhere(&self, name: &str) -> Service {
        if self.seed.per_mille(250) {
            tokio::time::sleep(Duration::from_millis(self.seed.below(CRASH_MS_MAX))).await;
        }
        for _ in 0..self.seed.below(CRASH_TURNS_MAX) {
            tokio::task::yield_now().await;
        }
        self.crash(name).await;
        self.restart(name).await
    }

    /// Starts a service that was stopped or has crashed, on the store it had.
    ///
    /// # Panics
    /// If there is no such service, it still runs, or it does not start.
    pub async fn restart(&self, name: &str) -> Service {
        let member = self.member(name);
        assert!(member.running.is_none(), "the service {name} still runs");
        let service = self.start(name, &member).await;
        self.change(name, |member| member.running = Some(service.clone()));
        service
    }

    /// Starts a service that was stopped or has crashed with another description, as a new build would.
    ///
    /// # Panics
    /// As [`Stage::restart`].
    pub async fn restart_as(
        &self,
        name: &str,
        describe: impl Fn(ServiceBuilder) -> ServiceBuilder + 'static,
    ) -> Service {
        self.change(name, |member| member.describe = Rc::new(describe));
        self.restart(name).await
    }

    /// A second instance on the store of a service, described in its own way; the chain does not look after it.
    ///
    /// # Panics
    /// If there is no such service, or the instance does not start.
    pub async fn twin(
        &self,
        name: &str,
        describe: impl Fn(ServiceBuilder) -> ServiceBuilder + 'static,
    ) -> Service {
        let member = Member {
            describe: Rc::new(describe),
            ..self.member(name)
        };
        self.start(name, &member).await
    }

    fn names_of_running(&self) -> Vec<String> {
        let members = self.members.borrow();
        let running = members.iter().filter(|(_, member)| member.running.is_some());
        running.map(|(name, _)| name.clone()).collect()
    }

    async fn start(&self, name: &str, member: &Member) -> Service {
        let recording = Recording {
            service: name.into(),
            world: self.world.clone(),
        };
        let journal = Journal::start(member.journal.store(), recording, JOURNAL_ENTRIES_MAX);
        let place = Place {
            store: Arc::new(member.store.clone()),
            transport: Arc::new(self.broker.borrow().clone()),
            world: self.world.clone(),
            journal: Some(journal),
        };
        for _ in 0..STARTS_MAX {
            match (member.describe)(Service::builder(name))
                .start(place.clone())
                .await
            {
                Ok(service) => return service,
                Err(annals::StartError::Read(_)) => {}
                Err(error) => panic!("the service {name} does not start: {error}"),
            }
        }
        panic!("the store of the service {name} does not answer")
    }

    /// A running service.
    ///
    /// # Panics
    /// If there is no such service or it does not run.
    pub fn running(&self, name: &str) -> Service {
        let running = self.member(name).running;
        running.unwrap_or_else(|| panic!("the service {name} does not run"))
    }

    fn take(&self, name: &str) -> Service {
        let running = self.change(name, |member| member.running.take());
        running.unwrap_or_else(|| panic!("the service {name} does not run"))
    }

    fn member(&self, name: &str) -> Member {
        self.change(name, |member| member.clone())
    }

    fn change<T>(&self, name: &str, change: impl FnOnce(&mut Member) -> T) -> T {
        let mut members = self.members.borrow_mut();
        let member = members.get_mut(name);
        change(member.unwrap_or_else(|| panic!("there is no service {name} on this stage")))
    }

    /// Waits until no service has anything to do or under way. Timers that are not due do not count.
    ///
    /// # Panics
    /// If that takes more than an hour of virtual time; the message shows how every service stands.
    pub async fn settle(&self) {
        let began = tokio::time::Instant::now();
        let mut idle = 0;
        while idle < 2 {
            tokio::time::sleep((began.elapsed() / 16).clamp(LOOK_MIN, LOOK_MAX)).await;
            let statuses = self.statuses().await;
            idle = if statuses.iter().all(Status::is_idle) {
                idle + 1
            } else {
                0
            };
            assert!(
                began.elapsed() < SETTLE_MAX,
                "the chain does not settle: {:#?}",
                statuses
                    .iter()
                    .filter(|status| !status.is_idle())
                    .collect::<Vec<_>>()
            );
        }
    }

    /// How every running service stands.
    pub async fn statuses(&self) -> Vec<Status> {
        let running: Vec<Service> = self
            .members
            .borrow()
            .values()
            .filter_map(|member| member.running.clone())
            .collect();
        let mut statuses = Vec::with_capacity(running.len());
        for service in running {
            statuses.push(service.status().await);
        }
        statuses
    }

    /// Lets time pass, and settles. Timers fire at their moments, in their order.
    ///
    /// # Panics
    /// As [`Stage::settle`].
    pub async fn pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        self.settle().await;
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// The clock and the source of ids of every service.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Numbers for the story itself.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The broker.
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.broker.borrow().clone())
    }

    /// A folder for this chain, removed with it: for read models in files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store of a service, without dawdling and faults. What is appended to it directly wakes nobody.
    ///
    /// # Panics
    /// If there is no such service.
    pub fn store(&self, name: &str) -> Arc<dyn EventStore> {
        self.member(name).store.ground.store()
    }

    /// Everything a service recorded, copies included.
    ///
    /// # Panics
    /// If there is no such service.
    pub async fn history(&self, name: &str) -> Vec<RecordedEvent> {
        all(&*self.store(name)).await
    }

    /// Everything in the journal of a service.
    ///
    /// # Panics
    /// If there is no such service.
    pub async fn journal(&self, name: &str) -> Vec<RecordedEvent> {
        all(&*self.member(name).journal.store()).await
    }

    /// Everything the broker took, in its order; the last tag of each names its topic.
    pub async fn messages(&self) -> Vec<RecordedEvent> {
        all(&*self.messages.ground.store()).await
    }

    /// Everything that was recorded, by service and by the broker.
    pub async fn trace(&self) -> Trace {
        let names: Vec<String> = self.members.borrow().keys().cloned().collect();
        let mut histories = Vec::with_capacity(names.len() + 1);
        for name in &names {
            histories.push((name.as_str(), self.history(name).await));
        }
        histories.push(("broker", self.messages().await));
        Trace::new(histories)
    }
}

fn ground(world: &World, seed: &Seed, on_disk: bool) -> Ground {
    let clock = Arc::clone(&world.clock);
    if on_disk {
        Ground::disk(clock, seed.draw())
    } else {
        Ground::memory(clock)
    }
}

/// A store that fails by the dice gets so many chances at a start.
const STARTS_MAX: usize = 100;

async fn all(store: &dyn EventStore) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    let mut from = Position::ZERO;
    loop {
        let page = store.read(Read::new(Query::all(), from)).await;
        let page = page.expect("a store without faults answers");
        events.extend(page.events);
        if page.finished {
            return events;
        }
        from = page.next;
    }
}
