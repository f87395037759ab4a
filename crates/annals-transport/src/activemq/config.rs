//! The address, which of the two brokers it is, and how each names topics and groups.

use fe2o3_amqp::types::primitives::Symbol;
use thiserror::Error;

/// An address that cannot be used. Its text is not repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is none.
    #[error("expected activemq://USER:PASSWORD@HOST:PORT or artemis://USER:PASSWORD@HOST:PORT")]
    Address,
}

/// Which of the two brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    Classic,
    Artemis,
}

/// Where the broker is, and what it is.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) flavour: Flavour,
    /// Host and port.
    pub(super) host: String,
    /// User and password, if any.
    pub(super) login: Option<(String, String)>,
}

impl Config {
    pub(super) fn read(url: &str) -> Result<Self, ConfigError> {
        let (flavour, rest) = match url.split_once("://") {
            Some(("activemq", rest)) => (Flavour::Classic, rest),
            Some(("artemis", rest)) => (Flavour::Artemis, rest),
            _ => return Err(ConfigError::Address),
        };
        let (login, host) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((login, host)) => {
                let (user, password) = login.split_once(':').ok_or(ConfigError::Address)?;
                (Some((user.to_owned(), password.to_owned())), host)
            }
        };
        let host = host.trim_end_matches('/');
        if host.is_empty() || host.contains(['/', '?']) {
            return Err(ConfigError::Address);
        }
        let port = if host.contains(':') { "" } else { ":5672" };
        Ok(Self {
            flavour,
            host: format!("{host}{port}"),
            login,
        })
    }
}

impl Flavour {
    /// Where messages of a topic are sent.
    pub(super) fn target(self, topic: &str) -> String {
        match self {
            // The prefixes are needed: with capabilities alone everything is accepted and nobody gets it.
            Self::Classic => format!("topic://VirtualTopic.annals.{topic}"),
            Self::Artemis => format!("annals.{topic}"),
        }
    }

    /// Where a group gets the messages of a topic.
    pub(super) fn source(self, topic: &str, group: &str) -> String {
        match self {
            // A dot would make the group look like part of the topic.
            Self::Classic => {
                let group = group.replace('_', "__").replace('.', "_-");
                format!("queue://Consumer.{group}.VirtualTopic.annals.{topic}")
            }
            Self::Artemis => format!("annals.{topic}::annals.{topic}.{group}"),
        }
    }

    /// Where everybody hears what is said on a channel. No queue hangs on it, so nothing is kept.
    pub(super) fn channel(self, channel: &str) -> String {
        match self {
            Self::Classic => format!("topic://annals.broadcast.{channel}"),
            Self::Artemis => format!("annals.broadcast.{channel}"),
        }
    }

    /// What the other end is told about the address.
    pub(super) fn capability(self) -> Option<Symbol> {
        match self {
            Self::Classic => None,
            // Without it a sender makes an address that drops what it accepts.
            Self::Artemis => Some(Symbol::from("topic")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_which_broker_and_who() {
        let config = Config::read("artemis://ann:pass@host:61616/").unwrap();
        assert_eq!(
            (config.flavour, config.host.as_str()),
            (Flavour::Artemis, "host:61616")
        );
        assert_eq!(config.login, Some(("ann".into(), "pass".into())));
        assert_eq!(Config::read("activemq://host").unwrap().host, "host:5672");
        assert!(Config::read("amqp://host").is_err());
        let sources = ["a.b", "a_b", "a_-b"].map(|group| Flavour::Classic.source("t", group));
        assert_eq!(sources[0], "queue://Consumer.a_-b.VirtualTopic.annals.t");
        assert!(sources[0] != sources[1] && sources[0] != sources[2]);
    }
}
