//! The server: an accept loop of our own, because a limit that nobody arms does not hold.
//!
//! In: a router and limits. Out: a running server that can be stopped in order. HTTP/1.1 only.
//!
//! Invariants:
//! 1. At most `connections_max` connections; more wait in the kernel's queue.
//! 2. Every head of a request, and every pause between two requests, has a deadline; so has a write that stalls. A
//!    body has the deadline of its request.
//! 3. There is no authentication yet. An address that is not loopback is refused unless an option with "insecure" in
//!    its name says otherwise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};

use crate::drain::Drain;
use crate::guard::{Guard, check};
use crate::metrics::HTTP_CONNECTIONS;
use crate::patience::Patience;

/// A pause after an accept that failed for want of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits and habits of a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The signal of [`crate::Api::drain`]: given at the beginning of a stop.
    pub drain: Drain,
    /// Connections at a time. Default 1,024.
    pub connections_max: usize,
    /// The head of a request must be there after this long; a connection without a request is closed after it.
    /// Default 10 s.
    pub header_deadline: Duration,
    /// The largest head of a request, in bytes, at least 8,192. Default 16 KiB.
    pub header_bytes_max: usize,
    /// The largest body that handlers take in, in bytes. Default 1 MiB.
    pub body_bytes_max: usize,
    /// A client must take something of its answer within this time. Default 30 s.
    pub write_deadline: Duration,
    /// When stopping: goes on taking connections for this long while `/readyz` says no, so that whoever balances
    /// load can notice. Default zero.
    pub drain_for: Duration,
    /// When stopping: connections that are not done after this long are cut. Default 25 s.
    pub stop_deadline: Duration,
    /// Host names to answer for besides loopback ones.
    pub host_names: Vec<String>,
    /// Takes an address that others can reach although nobody is asked who he is: whoever reaches it can do
    /// everything. Default no.
    pub insecure_allow_remote_without_authentication: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            drain: Drain::default(),
            connections_max: 1_024,
            header_deadline: Duration::from_secs(10),
            header_bytes_max: 16 << 10,
            body_bytes_max: 1 << 20,
            write_deadline: Duration::from_secs(30),
            drain_for: Duration::ZERO,
            stop_deadline: Duration::from_secs(25),
            host_names: Vec::new(),
            insecure_allow_remote_without_authentication: false,
        }
    }
}

/// Why a server did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// Others could reach this address, and there is no authentication yet.
    #[error(
        "{address} can be reached from other machines, and annals has no authentication yet; bind a loopback address, \
         or set insecure_allow_remote_without_authentication"
    )]
    Remote {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be had; port 0 asks for any free one.
    #[error("{address} cannot be bound: {source}")]
    Unavailable {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Starts servers.
pub struct Server;

/// A server at work. Dropped without [`RunningServer::shutdown`] it stops at once and cuts its connections.
pub struct RunningServer {
    /// Where it listens; with the port that was found if port 0 was asked for.
    pub address: SocketAddr,
    drain: Drain,
    accepting: JoinHandle<Stopped>,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were not done in time and were cut.
    pub cut: usize,
}

impl Server {
    /// Binds an address and serves a router there, within a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`]; nothing runs.
    ///
    /// # Cancel safety
    /// Dropping the future starts nothing.
    pub async fn bind(
        address: SocketAddr,
        router: Router,
        options: ServerOptions,
    ) -> Result<RunningServer, BindError> {
        let is_loopback = address.ip().is_loopback();
        if !is_loopback && !options.insecure_allow_remote_without_authentication {
            return Err(BindError::Remote { address });
        }
        let unavailable = |source| BindError::Unavailable { address, source };
        let listener = TcpListener::bind(address).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        let guard = Guard {
            names: is_loopback.then(|| options.host_names.clone()),
        };
        let router = router
            .layer(DefaultBodyLimit::max(options.body_bytes_max))
            .layer(from_fn_with_state(Arc::new(guard), check));
        let drain = options.drain.clone();
        let accepting = tokio::spawn(Accepting::new(listener, router, options).run());
        Ok(RunningServer {
            address,
            drain,
            accepting,
        })
    }
}

impl RunningServer {
    /// Stops in order: not ready, no new connections, live streams end, requests under way are answered, and what is
    /// not done by the deadline is cut.
    ///
    /// # Cancel safety
    /// Dropping the future cuts what is still open.
    pub async fn shutdown(mut self) -> Stopped {
        self.drain.begin();
        (&mut self.accepting).await.unwrap_or(Stopped { cut: 0 })
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The accept loop and its connections.
struct Accepting {
    listener: TcpListener,
    service: TowerToHyperService<Router>,
    http: http1::Builder,
    options: Arc<ServerOptions>,
    places: Arc<Semaphore>,
    connections: JoinSet<()>,
}

impl Accepting {
    fn new(listener: TcpListener, router: Router, options: ServerOptions) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(options.header_deadline)
            .max_buf_size(options.header_bytes_max.max(8_192));
        Self {
            listener,
            service: TowerToHyperService::new(router),
            http,
            places: Arc::new(Semaphore::new(options.connections_max)),
            options: Arc::new(options),
            connections: JoinSet::new(),
        }
    }

    async fn run(mut self) -> Stopped {
        let drain = self.options.drain.clone();
        let draining = async {
            drain.begun().await;
            tokio::time::sleep(self.options.drain_for).await;
        };
        tokio::pin!(draining);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut draining => break,
                Some(_) = self.connections.join_next() => continue,
                accepted = accept(&self.listener, &self.places) => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            self.connections.spawn(serve(
                self.http.clone(),
                self.service.clone(),
                stream,
                place,
                Arc::clone(&self.options),
            ));
        }
        drop(self.listener);
        stop(self.connections, self.options.stop_deadline).await
    }
}

/// A connection and its place; `None` after a pause, when there is none to be had.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn serve(
    http: http1::Builder,
    service: TowerToHyperService<Router>,
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    options: Arc<ServerOptions>,
) {
    metrics::gauge!(HTTP_CONNECTIONS).increment(1.0);
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let connection = http.serve_connection(
        TokioIo::new(Patience::new(stream, options.write_deadline)),
        service,
    );
    tokio::pin!(connection);
    let time_to_leave = async {
        options.drain.begun().await;
        tokio::time::sleep(options.drain_for).await;
    };
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = time_to_leave => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
    metrics::gauge!(HTTP_CONNECTIONS).decrement(1.0);
    drop(place);
}

async fn stop(mut connections: JoinSet<()>, deadline: Duration) -> Stopped {
    let all_done = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(deadline, all_done).await.is_ok() {
        return Stopped { cut: 0 };
    }
    let cut = connections.len();
    connections.shutdown().await;
    tracing::warn!(cut, "connections were not done in time");
    Stopped { cut }
}
