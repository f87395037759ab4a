//! The carrier: what takes messages from one service to the others, in this process or through a server.
//!
//! In: a broker address and the data folder. Out: a transport for each service. Over a server every service keeps a
//! durable copy of what it takes in, in a store beside its own. Every process makes known at its start which groups
//! there are in the whole system, so that nothing is published before somebody is there to get it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use annals::World;
use annals::core::port::store::EventStore;
use annals::core::port::transport::{Health, Topic, Transport};
use annals_transport::connect::connect;
use annals_transport::durable::DurableInbox;
use annals_transport::embedded::EmbeddedBroker;
use annals_transport::topology::Topology;
use annals_transport::url::BrokerUrl;
use tokio::task::JoinHandle;

use crate::folder::{SystemError, store};

/// Which service hears which topics; the recorder hears them all, also that of a service which is not in Rust
/// (`examples/notifications`).
const TOPOLOGY: [(&str, &[&str]); 5] = [
    ("orders", &["payments", "stock", "shipping", "orders.commands"]),
    ("payments", &["payments.commands"]),
    ("stock", &["stock.commands"]),
    ("shipping", &["shipping.commands"]),
    (
        "recorder",
        &[
            "orders",
            "payments",
            "stock",
            "shipping",
            "orders.commands",
            "payments.commands",
            "stock.commands",
            "shipping.commands",
            "notifications",
        ],
    ),
];
/// Between two tries to make the groups known.
const DECLARE_PAUSE: Duration = Duration::from_secs(1);
/// When nothing moves for so long, nothing is under way: in one process, and through a server.
const QUIET: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(3));

/// Carries messages.
pub struct Carrier {
    how: How,
    world: World,
}

enum How {
    Embedded(EmbeddedBroker),
    Server {
        remote: Arc<Topology>,
        data: PathBuf,
        declaring: JoinHandle<()>,
    },
}

impl Carrier {
    /// The embedded broker on this store, for services of this process.
    pub fn embedded(store: Arc<dyn EventStore>, world: &World) -> Self {
        Self {
            how: How::Embedded(EmbeddedBroker::new(store, Arc::clone(&world.clock))),
            world: world.clone(),
        }
    }

    /// What the address says: a server, or the embedded broker on the given store.
    ///
    /// # Errors
    /// [`SystemError::Broker`]: the address cannot be used. A server that is not there is waited for.
    pub fn open(
        url: &BrokerUrl,
        store: Arc<dyn EventStore>,
        data: &Path,
        world: &World,
    ) -> Result<Self, SystemError> {
        match url {
            BrokerUrl::Embedded => Ok(Self::embedded(store, world)),
            url => Self::server(url, data, world),
        }
    }

    /// A server.
    ///
    /// # Errors
    /// As [`Carrier::open`].
    pub fn server(url: &BrokerUrl, data: &Path, world: &World) -> Result<Self, SystemError> {
        let groups = TOPOLOGY.map(|(group, _)| (group.into(), Self::topics(group)));
        let remote = Arc::new(Topology::new(connect(url)?, groups));
        let declaring = tokio::spawn(declare(Arc::clone(&remote)));
        Ok(Self {
            how: How::Server {
                remote,
                data: data.to_owned(),
                declaring,
            },
            world: world.clone(),
        })
    }

    /// How this service talks to the others.
    ///
    /// # Errors
    /// [`SystemError::Store`]: its copy of what it takes in cannot be opened.
    pub fn transport(&self, service: &'static str) -> Result<Arc<dyn Transport>, SystemError> {
        match &self.how {
            How::Embedded(broker) => Ok(Arc::new(broker.clone())),
            // The recorder's store is such a copy itself.
            How::Server { remote, .. } if service == "recorder" => Ok(remote.clone()),
            How::Server { remote, data, .. } => {
                let kept = store(data, service, "inbox", &self.world)?;
                let copy = EmbeddedBroker::new(kept, Arc::clone(&self.world.clock));
                Ok(Arc::new(DurableInbox::new(remote.clone(), copy)))
            }
        }
    }

    /// How this service talks to the others if it settles after handling: with no copy between it and the broker.
    ///
    /// # Errors
    /// As [`Carrier::transport`].
    pub fn uncopied(&self, service: &'static str) -> Result<Arc<dyn Transport>, SystemError> {
        match &self.how {
            How::Server { remote, .. } => Ok(remote.clone()),
            How::Embedded(_) => self.transport(service),
        }
    }

    /// The topics that a service hears.
    pub fn topics(service: &str) -> Vec<Topic> {
        let heard = TOPOLOGY.iter().find(|(name, _)| *name == service);
        heard.map_or(Vec::new(), |(_, topics)| {
            topics.iter().copied().map(Topic::new_static).collect()
        })
    }

    /// Whether a subscription without topics hears every topic.
    pub fn hears_everything(&self) -> bool {
        match &self.how {
            How::Embedded(broker) => broker.capabilities().every_topic,
            How::Server { remote, .. } => remote.capabilities().every_topic,
        }
    }

    /// Connected, with every group made known.
    pub fn is_ready(&self) -> bool {
        match &self.how {
            How::Embedded(_) => true,
            How::Server { remote, .. } => remote.is_declared() && remote.health() == Health::Up,
        }
    }

    /// When nothing moves for so long, nothing is under way.
    pub fn quiet(&self) -> Duration {
        match &self.how {
            How::Embedded(_) => QUIET.0,
            How::Server { .. } => QUIET.1,
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if let How::Server { declaring, .. } = &self.how {
            declaring.abort();
        }
    }
}

/// Makes every group known, however long that takes, also where nothing is published yet.
async fn declare(remote: Arc<Topology>) {
    while let Err(error) = remote.declare_all().await {
        tracing::warn!("the groups cannot be made known yet: {error}");
        tokio::time::sleep(DECLARE_PAUSE).await;
    }
}
