//! One service alone in a process: its stores, its way to the others, and its HTTP API.
//!
//! In: which part of the system, the broker's address, a data folder. Out: a running node that ends in order. It shares
//! nothing with the other parts but messages; start, stop and kill it as you like.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use annals::{Place, Service, World};
use annals_server::{Claim, Node};
use annals_transport::url::BrokerUrl;
use clap::ValueEnum;

use crate::carrier::Carrier;
use crate::demo::{DemoError, PROVIDER_CONNECTIONS};
use crate::folder::{store, views};
use crate::payments::charge::Payer;
use crate::provider::Client;
use crate::system::recorder;
use crate::wrong_clock::WrongClock;
use crate::{orders, payments, shipping, stock};

/// What was handled is known again for so long, where the broker keeps no copy here. A broker that did not hear a
/// settlement hands a message out again within minutes; a day is for those that were away.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// A part of the system that can run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Takes orders and sees them through.
    Orders,
    /// Takes money; needs the address of the payment provider.
    Payments,
    /// Sets goods aside.
    Stock,
    /// Sends parcels.
    Shipping,
    /// Keeps every message.
    Recorder,
}

impl Part {
    /// The name of its service.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Payments => "payments",
            Self::Stock => "stock",
            Self::Shipping => "shipping",
            Self::Recorder => "recorder",
        }
    }
}

/// How it is to run.
#[derive(Debug, Clone)]
pub struct AloneOptions {
    /// Which part.
    pub part: Part,
    /// The broker between it and the others.
    pub broker: BrokerUrl,
    /// Where it keeps everything; its own folder, not shared with another process.
    pub data: PathBuf,
    /// Of the HTTP API, on loopback; 0 takes a free one.
    pub port: u16,
    /// The address of the payment provider, for [`Part::Payments`].
    pub provider: String,
    /// Messages are settled with the broker when they have been handled; no copy is kept before.
    pub settle_after_handling: bool,
    /// A file that says by how many seconds its clock is wrong, for tests.
    pub clock_error: Option<PathBuf>,
}

/// A running node with one service.
pub struct Alone {
    _carrier: Carrier,
    // Dropped last: the folder is given up when nothing works in it any more.
    node: Node,
}

impl Alone {
    /// Starts it. A broker that is not there is waited for; meanwhile the node answers and says so in `/readyz`.
    ///
    /// # Errors
    /// [`DemoError`] says what did not start; nothing goes on running then.
    pub async fn start(options: AloneOptions) -> Result<Self, DemoError> {
        let claim = Claim::take(&options.data)?;
        let mut world = World::default();
        if let Some(file) = options.clock_error.clone() {
            world.clock = Arc::new(WrongClock::follow(file));
        }
        let carrier = Carrier::server(&options.broker, &options.data, &world)?;
        let services = vec![service(&options, &carrier, world.clone()).await?];
        let api = claim.api(world, &services);
        let at = SocketAddr::from(([127, 0, 0, 1], options.port));
        Ok(Self {
            _carrier: carrier,
            node: claim.serve(api, services, at, env!("CARGO_PKG_VERSION")).await?,
        })
    }

    /// Where the HTTP API is.
    pub fn address(&self) -> SocketAddr {
        self.node.address()
    }

    /// Stops it; what is under way finishes first.
    pub async fn stop(self) {
        self.node.stop().await;
    }
}

async fn service(options: &AloneOptions, carrier: &Carrier, world: World) -> Result<Service, DemoError> {
    let (data, name) = (&options.data, options.part.name());
    let builder = match options.part {
        Part::Orders => orders::service(views(data, name)?),
        Part::Payments => {
            let client = Client::new(&options.provider, PROVIDER_CONNECTIONS)?;
            payments::service(Arc::new(Payer(Box::new(client))))
        }
        Part::Stock => stock::service(views(data, name)?),
        Part::Shipping => shipping::service(),
        Part::Recorder => recorder(carrier),
    };
    let (builder, transport) = match options.settle_after_handling {
        false => (builder, carrier.transport(name)?),
        true => (builder.settle_after_handling(REMEMBERED), carrier.uncopied(name)?),
    };
    let place = Place {
        store: store(data, name, "log", &world)?,
        transport,
        world,
        journal: None,
    };
    Ok(builder
        .start(place)
        .await
        .map_err(crate::folder::SystemError::from)?)
}
