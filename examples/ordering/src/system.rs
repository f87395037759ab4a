//! The whole system in one process: four services, the recorder, and the broker between them.
//!
//! Each service has a store of its own and shares nothing with the others but messages. Run one per process, as
//! [`crate::alone`] does, and they do not notice.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::core::port::store::EventStore;
use annals::core::port::transport::Health;
use annals::{Journal, Place, Recording, Service, ServiceBuilder, Status, World};
use annals_store::MemoryStore;

use crate::carrier::Carrier;
pub use crate::folder::SystemError;
use crate::folder::{store, views};
use crate::payments::charge::Payer;
use crate::{orders, payments, shipping, stock};

/// Entries of the journal before it takes no more.
const JOURNAL_ENTRIES_MAX: u64 = 1_000_000;

/// A store for every part of the system.
pub struct Stores {
    /// Of the orders service.
    pub orders: Arc<dyn EventStore>,
    /// Of the payments service.
    pub payments: Arc<dyn EventStore>,
    /// Of the stock service.
    pub stock: Arc<dyn EventStore>,
    /// Of the shipping service.
    pub shipping: Arc<dyn EventStore>,
    /// Of the recorder.
    pub recorder: Arc<dyn EventStore>,
    /// Of the embedded broker.
    pub broker: Arc<dyn EventStore>,
    /// Of the node's journal.
    pub journal: Arc<dyn EventStore>,
}

impl Stores {
    /// Opens or creates a store folder for each under a data folder.
    ///
    /// # Errors
    /// [`SystemError::Store`] names the store that cannot be opened and why.
    pub fn open(data: &Path, world: &World) -> Result<Self, SystemError> {
        let open = |service| store(data, service, "log", world);
        Ok(Self {
            orders: open("orders")?,
            payments: open("payments")?,
            stock: open("stock")?,
            shipping: open("shipping")?,
            recorder: open("recorder")?,
            broker: open("broker")?,
            journal: open("journal")?,
        })
    }

    /// Stores in memory, for tests.
    pub fn memory(world: &World) -> Self {
        let memory =
            || -> Arc<dyn EventStore> { Arc::new(MemoryStore::with_clock(Arc::clone(&world.clock))) };
        Self {
            orders: memory(),
            payments: memory(),
            stock: memory(),
            shipping: memory(),
            recorder: memory(),
            broker: memory(),
            journal: memory(),
        }
    }
}

/// The running system.
pub struct System {
    /// Takes orders.
    pub orders: Service,
    /// Takes money.
    pub payments: Service,
    /// Sets goods aside.
    pub stock: Service,
    /// Sends parcels.
    pub shipping: Service,
    /// Keeps every message.
    pub recorder: Service,
    /// Carries them.
    pub carrier: Carrier,
    /// The embedded broker's store; without events where another broker is used.
    pub broker_store: Arc<dyn EventStore>,
    /// The journal's store.
    pub journal_store: Arc<dyn EventStore>,
}

impl System {
    /// Starts every service on its store, with the embedded broker between them; read models are kept under the data
    /// folder.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn start(
        stores: Stores,
        data: &Path,
        payer: Arc<Payer>,
        world: World,
    ) -> Result<Self, SystemError> {
        let carrier = Carrier::embedded(Arc::clone(&stores.broker), &world);
        Self::start_over(carrier, stores, data, payer, world).await
    }

    /// Starts every service on its store, over this carrier.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn start_over(
        carrier: Carrier,
        stores: Stores,
        data: &Path,
        payer: Arc<Payer>,
        world: World,
    ) -> Result<Self, SystemError> {
        let recording = Recording {
            service: "journal".into(),
            world: world.clone(),
        };
        let journal = Journal::start(Arc::clone(&stores.journal), recording, JOURNAL_ENTRIES_MAX);
        let start = async |builder: ServiceBuilder, service: &'static str, store: Arc<dyn EventStore>| {
            let place = Place {
                store,
                transport: carrier.transport(service)?,
                world: world.clone(),
                journal: Some(journal.clone()),
            };
            Ok::<_, SystemError>(builder.start(place).await?)
        };
        let of_stock = stock::service(views(data, "stock")?);
        let of_orders = orders::service(views(data, "orders")?);
        Ok(Self {
            recorder: start(recorder(&carrier), "recorder", stores.recorder).await?,
            shipping: start(shipping::service(), "shipping", stores.shipping).await?,
            stock: start(of_stock, "stock", stores.stock).await?,
            payments: start(payments::service(payer), "payments", stores.payments).await?,
            orders: start(of_orders, "orders", stores.orders).await?,
            carrier,
            broker_store: stores.broker,
            journal_store: stores.journal,
        })
    }

    /// Its services, the one that people talk to first.
    pub fn services(&self) -> [&Service; 5] {
        [
            &self.orders,
            &self.payments,
            &self.stock,
            &self.shipping,
            &self.recorder,
        ]
    }

    /// How every service stands.
    pub async fn status(&self) -> Vec<Status> {
        let mut status = Vec::new();
        for service in self.services() {
            status.push(service.status().await);
        }
        status
    }

    /// Nothing to do and nothing under way anywhere, no timer pending.
    pub async fn is_settled(&self) -> bool {
        let connected = |service: &Service| service.transport().health() == Health::Up;
        if !self.carrier.is_ready() || !self.services().into_iter().all(connected) {
            return false;
        }
        self.status()
            .await
            .iter()
            .all(|status| status.is_idle() && status.timers == 0)
    }

    /// Waits until everything that was asked for is done: it was idle for a while, with all ends where they were. A
    /// message on its way from one service to the next is then nowhere left out; a server that keeps one back for longer
    /// than [`Carrier::quiet`] is not seen.
    pub async fn settled(&self) {
        let mut before = None;
        let mut since = Instant::now();
        loop {
            let ends = self.is_settled().await.then(|| self.ends());
            if ends.is_none() || ends != before {
                since = Instant::now();
            } else if since.elapsed() >= self.carrier.quiet() {
                return;
            }
            before = ends;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn ends(&self) -> Vec<annals::core::position::Position> {
        let stores = self.services().map(|service| service.store().end());
        stores.into_iter().chain([self.broker_store.end()]).collect()
    }

    /// Stops every service; what is under way finishes first.
    pub async fn stop(&self) {
        for service in self.services() {
            service.stop().await;
        }
    }
}

/// The recorder: of everything where the broker can say what there is, else of the topics of this system.
pub(crate) fn recorder(carrier: &Carrier) -> ServiceBuilder {
    let recorder = Service::builder("recorder");
    if carrier.hears_everything() {
        recorder.records_everything()
    } else {
        recorder.records(Carrier::topics("recorder"))
    }
}
