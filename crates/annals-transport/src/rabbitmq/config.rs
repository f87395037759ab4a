//! The address, and the names on the broker.

use lapin::uri::AMQPUri;
use thiserror::Error;

/// The exchange on which everything travels.
pub(super) const EXCHANGE: &str = "annals";

/// An address that cannot be used. Its text is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is no address of AMQP 0.9.1.
    #[error("expected amqp://USER:PASSWORD@HOST:PORT/VHOST: {0}")]
    Address(String),
}

/// Where the broker is.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) uri: AMQPUri,
}

impl Config {
    pub(super) fn read(url: &str) -> Result<Self, ConfigError> {
        let mut uri: AMQPUri = url.parse().map_err(ConfigError::Address)?;
        // A peer that is gone without a word is noticed after two of these.
        uri.query.heartbeat.get_or_insert(10);
        uri.query.connection_timeout.get_or_insert(5_000);
        Ok(Self { uri })
    }
}

/// The queue of a group.
pub(super) fn queue(group: &str) -> String {
    format!("annals.{group}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_a_bad_one_is_not_repeated() {
        assert!(Config::read("amqp://ann:secret@host:5673/shop").is_ok());
        let error = Config::read("amqp://ann:secret@host:port").err().unwrap();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
