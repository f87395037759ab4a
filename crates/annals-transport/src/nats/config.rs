//! The address, and the names on the server.

use async_nats::ServerAddr;
use thiserror::Error;

/// The stream that keeps everything, and the first word of its subjects.
pub(super) const STREAM: &str = "annals";

/// An address that cannot be used. Its text is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is no address of a NATS server.
    #[error("expected nats://USER:PASSWORD@HOST:PORT, several with commas: {0}")]
    Address(String),
}

/// Where the servers are.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) servers: Vec<ServerAddr>,
}

impl Config {
    pub(super) fn read(url: &str) -> Result<Self, ConfigError> {
        let rest = url.strip_prefix("nats://").unwrap_or(url);
        let servers = rest.split(',').map(|server| format!("nats://{server}").parse());
        let servers: Result<Vec<ServerAddr>, std::io::Error> = servers.collect();
        Ok(Self {
            servers: servers.map_err(|error| ConfigError::Address(error.to_string()))?,
        })
    }
}

/// The subject of a topic.
pub(super) fn subject(topic: &str) -> String {
    format!("{STREAM}.{topic}")
}

/// The durable consumer of a group; its name may hold no dot.
pub(super) fn durable(group: &str) -> String {
    format!("annals-{}", group.replace('.', "_"))
}
