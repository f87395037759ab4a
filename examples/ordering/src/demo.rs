//! The demonstration: the whole system and its HTTP API in one process, the payment provider in another.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use annals::{LoadError, World};
use annals_server::{Claim, Node, NodeError};
use annals_transport::url::BrokerUrl;
use thiserror::Error;

use crate::carrier::Carrier;
use crate::feed::{FeedError, FeedProgress, Supply, feed};
use crate::http;
use crate::intake::Intake;
use crate::payments::charge::Payer;
use crate::provider::{BadAddress, Client};
use crate::provider_child::{Child, ChildError, ChildOptions};
use crate::report::{Report, report};
use crate::shop::Shop;
use crate::system::{Stores, System, SystemError};

/// Connections to the payment provider.
pub(crate) const PROVIDER_CONNECTIONS: usize = 64;

/// How the demonstration is to run.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Where everything is kept.
    pub data: PathBuf,
    /// The broker between the services.
    pub broker: BrokerUrl,
    /// Of the HTTP API, on loopback; 0 takes a free one.
    pub port: u16,
    /// Every article begins with this many pieces and no more are brought; `None`: what the orders need is brought.
    pub stock: Option<u32>,
    /// The share of payments that is declined, 0 to 1; for a provider that is started here.
    pub decline: f64,
    /// The share of payments that is answered late, 0 to 1; for a provider that is started here.
    pub late: f64,
    /// The address of a payment provider that runs already; `None`: one is started as a process of its own.
    pub provider: Option<String>,
    /// Of the shop that plays and of the provider's moods.
    pub seed: u64,
}

/// Why the demonstration did not start or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The folder belongs to another node, or the port is taken: try `--port 0`.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A store, a read model or a service did not start.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The payment provider did not start.
    #[error(transparent)]
    Provider(#[from] ChildError),
    /// The address of the payment provider is none.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// A file could not be fed; feed it again.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The report could not be made.
    #[error("the report could not be made: {0}")]
    Report(#[from] LoadError),
}

/// A running demonstration.
pub struct Demo {
    options: DemoOptions,
    system: Arc<System>,
    provider: Option<Child>,
    // Dropped last: the folder is given up when nothing works in it any more.
    node: Node,
}

impl Demo {
    /// Starts everything.
    ///
    /// # Errors
    /// [`DemoError`]: says what did not start; nothing goes on running then.
    pub async fn start(options: DemoOptions) -> Result<Self, DemoError> {
        let claim = Claim::take(&options.data)?;
        let world = World::default();
        let stores = Stores::open(&options.data, &world)?;
        let carrier = Carrier::open(&options.broker, Arc::clone(&stores.broker), &options.data, &world)?;
        let (provider, address) = provider(&options).await?;
        let client = Client::new(&address, PROVIDER_CONNECTIONS)?;
        let payer = Arc::new(Payer(Box::new(client)));
        let system = Arc::new(System::start_over(carrier, stores, &options.data, payer, world).await?);
        let node = serve(claim, &system, options.port).await?;
        Ok(Self {
            options,
            system,
            provider,
            node,
        })
    }

    /// Where the HTTP API is.
    pub fn address(&self) -> SocketAddr {
        self.node.address()
    }

    /// Where everything is kept.
    pub fn data(&self) -> &Path {
        &self.options.data
    }

    /// The services.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Each service with the number of events in its store.
    pub fn services(&self) -> Vec<(String, u64)> {
        let services = self.system.services();
        services
            .iter()
            .map(|service| (service.name().to_string(), service.store().end().get()))
            .collect()
    }

    /// Feeds a checked file, waits until everything has settled, and reports. `began` is when its first line was read.
    ///
    /// # Errors
    /// [`DemoError::Feed`], [`DemoError::Report`].
    pub async fn feed(
        &self,
        intake: &Intake,
        began: Instant,
        progress: impl Fn(FeedProgress) + Send + Sync,
    ) -> Result<Report, DemoError> {
        let supply = self.options.stock.map_or(Supply::AsNeeded, Supply::Once);
        let refused = feed(&self.system, intake, supply, &progress).await?;
        self.system.settled().await;
        let seconds = began.elapsed().as_secs_f64();
        Ok(report(&self.system, intake, &refused, seconds).await?)
    }

    /// Plays a small shop, about this many orders a second, until the future is dropped.
    pub async fn play(&self, orders_per_second: f64) {
        Shop::new(&self.system, self.options.seed)
            .play(orders_per_second)
            .await;
    }

    /// Stops everything; what is under way finishes first.
    pub async fn stop(self) {
        self.node.stop().await;
        if let Some(provider) = self.provider {
            provider.stop().await;
        }
    }
}

async fn provider(options: &DemoOptions) -> Result<(Option<Child>, String), DemoError> {
    if let Some(address) = &options.provider {
        return Ok((None, address.clone()));
    }
    let child = Child::start(ChildOptions {
        data: options.data.join("provider"),
        seed: options.seed,
        decline: options.decline,
        late: options.late,
    })
    .await?;
    let address = child.address().to_owned();
    Ok((Some(child), address))
}

async fn serve(claim: Claim, system: &Arc<System>, port: u16) -> Result<Node, DemoError> {
    let services: Vec<_> = system.services().into_iter().cloned().collect();
    let (routes, document) = http::routes(Arc::clone(system));
    let api = claim
        .api(system.orders.world().clone(), &services)
        .merge(routes, document)
        .show("broker", Arc::clone(&system.broker_store))
        .show("journal", Arc::clone(&system.journal_store));
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    Ok(claim.serve(api, services, at, env!("CARGO_PKG_VERSION")).await?)
}
