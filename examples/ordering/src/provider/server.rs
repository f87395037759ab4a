//! The provider at work: a listener on loopback, its connections, its ledger.
//!
//! In comes a [`Config`], out comes a [`Provider`] with the address it listens on. Invariants:
//!
//! 1. Connections are bounded: beyond the limit new ones wait to be accepted.
//! 2. A charge that is answered is on the disk; stopping writes what is queued.
//!
//! It does not know what the requests mean.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use super::behaviour::{Behaviour, BehaviourError};
use super::ledger::{Ledger, OpenError, Replayed};
use super::routes::{Desk, Silence, router};

/// How long a connection may be idle, or take to send its headers.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// What a provider needs to work.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The folder of its ledger; created if missing.
    pub data: PathBuf,
    /// The port on loopback; 0 lets the system choose.
    pub port: u16,
    /// How it misbehaves.
    pub behaviour: Behaviour,
    /// The most connections at once. Default: 1,024.
    pub connections_max: usize,
    /// The most charges held back at once, slow, late and silent together; more are answered promptly.
    /// Default: 256.
    pub held_max: usize,
    /// The most entries of the ledger, which is held in memory. Default: 5,000,000.
    pub entries_max: u64,
}

impl Config {
    /// A well-behaved provider with its ledger in `data`, on a port that the system chooses.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            port: 0,
            behaviour: Behaviour::default(),
            connections_max: 1_024,
            held_max: 256,
            entries_max: 5_000_000,
        }
    }
}

/// Why a provider cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The behaviour cannot be. Correct it.
    #[error(transparent)]
    Behaviour(#[from] BehaviourError),
    /// The ledger cannot be opened. The message says what to do.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The port cannot be listened on. Choose another.
    #[error("port {port} on loopback cannot be listened on ({source}); choose another port")]
    Listen {
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

/// A running provider. Dropping it ends it without waiting for what is queued.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    replayed: Replayed,
    stop: Option<oneshot::Sender<()>>,
    connections: tokio::task::JoinHandle<()>,
    keeper: JoinHandle<()>,
}

impl Provider {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it found in its ledger.
    #[must_use]
    pub fn replayed(&self) -> Replayed {
        self.replayed
    }

    /// Ends all connections, carries out what is queued and closes the ledger.
    ///
    /// # Cancel safety
    ///
    /// Cancelled, the provider still ends; only the waiting is given up.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // The other end is gone only if the connections have ended already.
            let _ = stop.send(());
        }
        // A panic of either was printed where it happened; there is nothing to add here.
        drop((&mut self.connections).await);
        drop(tokio::task::spawn_blocking(move || self.keeper.join()).await);
    }
}

/// Starts a provider within the running Tokio runtime.
///
/// # Errors
///
/// [`ServeError`] when the behaviour, the ledger or the port cannot be; nothing runs then.
///
/// # Cancel safety
///
/// Cancelled, nothing runs.
pub async fn serve(config: Config) -> Result<Provider, ServeError> {
    config.behaviour.validate()?;
    let port = config.port;
    let failed = |source| ServeError::Listen { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (ledger, replayed, keeper) = Ledger::open(&config.data, config.entries_max)?;
    let held = Arc::new(Semaphore::new(config.held_max));
    let routes = router(Desk {
        ledger,
        behaviour: config.behaviour,
        held,
    });
    let (stop, stopped) = oneshot::channel();
    let connections = tokio::spawn(async move {
        tokio::select! {
            () = accept(listener, routes, config.connections_max) => {}
            // Also when the provider is dropped.
            _ = stopped => {}
        }
    });
    Ok(Provider {
        address,
        replayed,
        stop: Some(stop),
        connections,
        keeper,
    })
}

async fn accept(listener: TcpListener, routes: Router, connections_max: usize) {
    let places = Arc::new(Semaphore::new(connections_max));
    // Dropping the set ends its connections.
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let routes = routes.clone();
                connections.spawn(async move {
                    converse(stream, routes).await;
                    drop(place);
                });
            }
            // Out of file handles, or the peer left before it was accepted: the next one may do better.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("this charge is never answered")]
struct Silenced;

async fn converse(stream: TcpStream, routes: Router) {
    // Without it small answers would wait for the peer's acknowledgements; slower, but not wrong.
    drop(stream.set_nodelay(true));
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |request: Request<Incoming>| {
        let response = routes.call(request);
        async move {
            let response = response.await.unwrap_or_else(|never| match never {});
            if response.extensions().get::<Silence>().is_some() {
                Err(Silenced)
            } else {
                Ok(response)
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_MAX)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that breaks is the peer's matter: it asks again under the same key.
    drop(connection.await);
}
