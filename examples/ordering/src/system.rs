//! The whole system in one process: four services, the recorder, and the broker between them.
//!
//! Each service has a store of its own and shares nothing with the others but messages. Run one per process and they
//! would not notice.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use annals::core::port::sink::SinkError;
use annals::core::port::store::EventStore;
use annals::{Journal, Place, Recording, Service, ServiceBuilder, StartError, Status, World};
use annals_sqlite::Sqlite;
use annals_store::{EmbeddedStore, MemoryStore, OpenError, Options};
use annals_transport::embedded::EmbeddedBroker;
use thiserror::Error;

use crate::payments::charge::Payer;
use crate::{orders, payments, shipping, stock};

/// Entries of the journal before it takes no more.
const JOURNAL_ENTRIES_MAX: u64 = 1_000_000;

/// Why the system did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SystemError {
    /// A store could not be opened.
    #[error("the store of {service} cannot be opened: {source}")]
    Store {
        /// Whose store.
        service: &'static str,
        /// Why.
        source: OpenError,
    },
    /// A folder of read models could not be used.
    #[error("the read models of {service} cannot be kept: {source}")]
    Views {
        /// Whose read models.
        service: &'static str,
        /// Why.
        source: SinkError,
    },
    /// A service did not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

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
        let open = |service: &'static str| -> Result<Arc<dyn EventStore>, SystemError> {
            let options = Options {
                clock: Arc::clone(&world.clock),
                ..Options::default()
            };
            let opened = EmbeddedStore::open(data.join(service).join("log"), options);
            Ok(Arc::new(
                opened.map_err(|source| SystemError::Store { service, source })?,
            ))
        };
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
    pub broker: EmbeddedBroker,
    /// The broker's store.
    pub broker_store: Arc<dyn EventStore>,
    /// The journal's store.
    pub journal_store: Arc<dyn EventStore>,
}

impl System {
    /// Starts every service on its store; read models are kept under the data folder.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn start(
        stores: Stores,
        data: &Path,
        payer: Arc<Payer>,
        world: World,
    ) -> Result<Self, SystemError> {
        let views = |service: &'static str| -> Result<Arc<Sqlite>, SystemError> {
            let sink = Sqlite::folder(data.join(service).join("views"));
            Ok(Arc::new(
                sink.map_err(|source| SystemError::Views { service, source })?,
            ))
        };
        let broker = EmbeddedBroker::new(Arc::clone(&stores.broker), Arc::clone(&world.clock));
        let recording = Recording {
            service: "journal".into(),
            world: world.clone(),
        };
        let journal = Journal::start(Arc::clone(&stores.journal), recording, JOURNAL_ENTRIES_MAX);
        let start = |builder: ServiceBuilder, store: Arc<dyn EventStore>| {
            let transport = Arc::new(broker.clone());
            builder.start(Place {
                store,
                transport,
                world: world.clone(),
                journal: Some(journal.clone()),
            })
        };
        let recorder = Service::builder("recorder").records_everything();
        Ok(Self {
            recorder: start(recorder, stores.recorder).await?,
            shipping: start(shipping::service(), stores.shipping).await?,
            stock: start(stock::service(views("stock")?), stores.stock).await?,
            payments: start(payments::service(payer), stores.payments).await?,
            orders: start(orders::service(views("orders")?), stores.orders).await?,
            broker,
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
        self.status()
            .await
            .iter()
            .all(|status| status.is_idle() && status.timers == 0)
    }

    /// Waits until everything that was asked for is done. It was idle twice in a row, with all ends where they were: a
    /// message on its way from one service to the next is then nowhere left out.
    pub async fn settled(&self) {
        let mut before = None;
        loop {
            let ends = self.is_settled().await.then(|| self.ends());
            if ends.is_some() && ends == before {
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
