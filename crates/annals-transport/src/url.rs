//! Which broker a configuration asks for.
//!
//! In: the text of a broker address. Out: a [`BrokerUrl`], or an error that says what to write instead. A broker that
//! is known but not part of this build is refused by name, never taken for a typing mistake. Addresses may hold
//! passwords, so no error repeats more of one than its scheme. Knows no socket and opens nothing.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The broker to use. Written `embedded:`, which is also the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BrokerUrl {
    /// Durable topics on an annals store inside this process: no server, one process.
    #[default]
    Embedded,
}

/// A text that names no broker of this build.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BrokerUrlError {
    /// There is no scheme. Write one of those listed.
    #[error("expected a broker address that begins with a scheme, one of {known}; found none", known = known())]
    NoScheme,
    /// The scheme is one annals knows of, but this build has no transport for it.
    #[error(
        "{broker} ({scheme}:) is not built yet: the feature `{feature}` of annals-transport will bring it, and this \
         build does not have it; use embedded: until then"
    )]
    NotBuilt {
        /// The scheme that was asked for.
        scheme: &'static str,
        /// The product behind it.
        broker: &'static str,
        /// The feature that brings it.
        feature: &'static str,
    },
    /// No broker has this scheme. Write one of those listed.
    #[error("no broker has the scheme {scheme:?}; known are {known}", known = known())]
    UnknownScheme {
        /// The scheme that was found.
        scheme: String,
    },
    /// The embedded broker lives in this process and has no address.
    #[error("expected embedded: alone, found more behind the colon; the embedded broker has no address")]
    EmbeddedHasNoAddress,
}

struct Scheme {
    name: &'static str,
    broker: &'static str,
    feature: &'static str,
}

const SCHEMES: [Scheme; 6] = [
    scheme("embedded", "the embedded broker", "embedded"),
    scheme("amqp", "RabbitMQ", "rabbitmq"),
    scheme("kafka", "Apache Kafka", "kafka"),
    scheme("activemq", "ActiveMQ Classic", "activemq"),
    scheme("artemis", "ActiveMQ Artemis", "activemq"),
    scheme("nats", "NATS JetStream", "nats"),
];

const fn scheme(name: &'static str, broker: &'static str, feature: &'static str) -> Scheme {
    Scheme {
        name,
        broker,
        feature,
    }
}

fn known() -> String {
    let names: Vec<_> = SCHEMES.iter().map(|scheme| format!("{}:", scheme.name)).collect();
    names.join(", ")
}

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (found, rest) = text.trim().split_once(':').ok_or(BrokerUrlError::NoScheme)?;
        if found.is_empty() {
            return Err(BrokerUrlError::NoScheme);
        }
        let found = found.to_ascii_lowercase();
        let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.name == found) else {
            return Err(BrokerUrlError::UnknownScheme { scheme: found });
        };
        if scheme.name != "embedded" || !cfg!(feature = "embedded") {
            return Err(BrokerUrlError::NotBuilt {
                scheme: scheme.name,
                broker: scheme.broker,
                feature: scheme.feature,
            });
        }
        if !matches!(rest, "" | "//") {
            return Err(BrokerUrlError::EmbeddedHasNoAddress);
        }
        Ok(Self::Embedded)
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded:"),
        }
    }
}

#[cfg(test)]
mod tests;
