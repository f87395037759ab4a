//! A node: a process that hosts services, answers over HTTP, can be found by its folder and announces itself.
//!
//! In: a data folder, then an API and the services behind it. Out: a running node that ends in order. A folder is
//! claimed before anything in it is opened, and given up when nothing works in it any more.

use std::net::SocketAddr;
use std::path::Path;

use annals::{Service, World};
use thiserror::Error;

use crate::api::Api;
use crate::check::Check;
use crate::metrics::{Metrics, MetricsError};
use crate::node_file::{NodeFile, NodeFileError, NodeInfo};
use crate::presence::Presence;
use crate::server::{BindError, RunningServer, Server, ServerOptions};

/// Why a node did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Another node works in this folder, or it cannot be written.
    #[error(transparent)]
    File(#[from] NodeFileError),
    /// Metrics could not be set up.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The address cannot be had; port 0 asks for a free one.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// A folder that belongs to this process; nothing answers yet.
#[derive(Debug)]
pub struct Claim {
    file: NodeFile,
    metrics: Metrics,
}

impl Claim {
    /// Takes a folder, creating it if it is not there, and counts from now on.
    ///
    /// # Errors
    /// [`NodeError::File`]: another node works there. [`NodeError::Metrics`].
    pub fn take(folder: impl AsRef<Path>) -> Result<Self, NodeError> {
        Ok(Self {
            file: NodeFile::claim(folder)?,
            metrics: Metrics::install()?,
        })
    }

    /// An API with the metrics of this process and these services, each of which is asked at every probe.
    pub fn api(&self, world: World, services: &[Service]) -> Api {
        let api = Api::new(world).metrics(self.metrics.clone());
        let checked = services.to_vec();
        services
            .iter()
            .fold(api, |api, service| api.serve(service.clone()))
            .check(move || checked.iter().map(check).collect())
    }

    /// Answers at an address, says in the folder where, and announces the services over their brokers. `version` is that of the program.
    ///
    /// # Errors
    /// [`NodeError::Bind`], [`NodeError::File`]: nothing answers then; the services go on and are the caller's to stop.
    pub async fn serve(
        self,
        api: Api,
        services: Vec<Service>,
        at: SocketAddr,
        version: &str,
    ) -> Result<Node, NodeError> {
        let (drain, directory) = (api.drain(), api.directory());
        let options = ServerOptions {
            drain: drain.clone(),
            ..ServerOptions::default()
        };
        let server = Server::bind(at, api.router(), options).await?;
        self.file.announce(&NodeInfo {
            address: server.address,
            pid: std::process::id(),
            version: version.to_owned(),
            services: services
                .iter()
                .map(|service| service.name().to_string())
                .collect(),
        })?;
        let presence = Presence::start(&services, server.address, version, drain, directory);
        Ok(Node {
            server,
            presence,
            services,
            _file: self.file,
        })
    }
}

/// A running node.
pub struct Node {
    server: RunningServer,
    presence: Presence,
    services: Vec<Service>,
    // Dropped last: the folder is given up when nothing works in it any more.
    _file: NodeFile,
}

impl Node {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Stops it: first what comes in over HTTP, then each service. What is under way finishes first.
    pub async fn stop(self) {
        self.server.shutdown().await;
        for service in &self.services {
            service.stop().await;
        }
        self.presence.leave().await;
    }
}

fn check(service: &Service) -> Check {
    match service.trouble() {
        None => Check::ok(service.name().to_string()),
        Some(trouble) => Check::failed(service.name().to_string(), trouble),
    }
}
