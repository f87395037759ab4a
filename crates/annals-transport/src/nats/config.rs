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

impl Config {
    /// User and password as they stand in the address, percent-encoded, if they do: those of the first server that has any.
    pub(super) fn login(&self) -> Option<(&str, &str)> {
        let logins = self
            .servers
            .iter()
            .map(|server| (server.username(), server.password()));
        logins
            .into_iter()
            .find_map(|(user, password)| Some((user?, password?)))
    }
}

/// The subject of a topic.
pub(super) fn subject(topic: &str) -> String {
    format!("{STREAM}.{topic}")
}

/// The durable consumer of a group; its name may hold no dot, and no two groups have the same.
pub(super) fn durable(group: &str) -> String {
    format!("annals-{}", group.replace('_', "__").replace('.', "_-"))
}

#[cfg(test)]
mod tests {
    use super::{Config, durable};

    #[test]
    fn an_address_says_who_we_are() {
        let config = Config::read("nats://a:1,ann:p%40ss@b:2").unwrap();
        assert_eq!(config.login(), Some(("ann", "p%40ss")));
        assert_eq!(Config::read("nats://a,b").unwrap().login(), None);
    }

    #[test]
    fn no_two_groups_have_one_consumer() {
        let names = ["a.b", "a_b", "a_-b", "a__b"].map(durable);
        assert_eq!(names[0], "annals-a_-b");
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }
}
