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
    /// A server, and where it is.
    Server {
        /// Which product it is.
        product: Product,
        /// The whole address, credentials included, without `namespace`.
        address: Address,
        /// What `?namespace=NAME` says: several systems on one broker that do not hear each other.
        namespace: Option<String>,
    },
}

/// A broker that runs as a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Product {
    /// RabbitMQ, by AMQP 0.9.1.
    RabbitMq,
    /// Apache Kafka.
    Kafka,
    /// ActiveMQ Classic or Artemis, by AMQP 1.0; the scheme of the address says which.
    ActiveMq,
    /// NATS with JetStream.
    Nats,
}

/// The address of a server. Shown without credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// As it was written, credentials included: for the client, not for people.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let host = host.split_once('?').map_or(host, |(host, _)| host);
        write!(f, "{scheme}://{host}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
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
        "{broker} ({scheme}:) is not part of this build; switch on the feature `{feature}` of annals-transport, or \
         use embedded:"
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
    /// The address has no host.
    #[error("expected {scheme}://HOST, found no host behind the scheme")]
    NoHost {
        /// The scheme that was asked for.
        scheme: &'static str,
    },
    /// The namespace is no name.
    #[error("expected a namespace of 1 to 64 letters, digits, `_` and `-`, found {found:?}")]
    Namespace {
        /// What was found.
        found: String,
    },
    /// The embedded broker lives in this process and has no address.
    #[error("expected embedded: alone, found more behind the colon; the embedded broker has no address")]
    EmbeddedHasNoAddress,
}

struct Scheme {
    name: &'static str,
    broker: &'static str,
    feature: &'static str,
    built: bool,
    /// None: it is no server.
    product: Option<Product>,
}

const SCHEMES: [Scheme; 6] = [
    Scheme {
        name: "embedded",
        broker: "the embedded broker",
        feature: "embedded",
        built: cfg!(feature = "embedded"),
        product: None,
    },
    Scheme {
        name: "amqp",
        broker: "RabbitMQ",
        feature: "rabbitmq",
        built: cfg!(feature = "rabbitmq"),
        product: Some(Product::RabbitMq),
    },
    Scheme {
        name: "kafka",
        broker: "Apache Kafka",
        feature: "kafka",
        built: cfg!(feature = "kafka"),
        product: Some(Product::Kafka),
    },
    Scheme {
        name: "activemq",
        broker: "ActiveMQ Classic",
        feature: "activemq",
        built: cfg!(feature = "activemq"),
        product: Some(Product::ActiveMq),
    },
    Scheme {
        name: "artemis",
        broker: "ActiveMQ Artemis",
        feature: "activemq",
        built: cfg!(feature = "activemq"),
        product: Some(Product::ActiveMq),
    },
    Scheme {
        name: "nats",
        broker: "NATS JetStream",
        feature: "nats",
        built: cfg!(feature = "nats"),
        product: Some(Product::Nats),
    },
];

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
        if !scheme.built {
            return Err(BrokerUrlError::NotBuilt {
                scheme: scheme.name,
                broker: scheme.broker,
                feature: scheme.feature,
            });
        }
        match scheme.product {
            None if matches!(rest, "" | "//") => Ok(Self::Embedded),
            None => Err(BrokerUrlError::EmbeddedHasNoAddress),
            Some(product) => match rest.strip_prefix("//") {
                Some(host) if !host.is_empty() => {
                    let (host, namespace) = namespace(host)?;
                    Ok(Self::Server {
                        product,
                        address: Address(format!("{}://{host}", scheme.name)),
                        namespace,
                    })
                }
                _ => Err(BrokerUrlError::NoHost { scheme: scheme.name }),
            },
        }
    }
}

/// Takes `namespace=NAME` out of the options behind the question mark.
fn namespace(address: &str) -> Result<(String, Option<String>), BrokerUrlError> {
    let Some((host, options)) = address.split_once('?') else {
        return Ok((address.to_owned(), None));
    };
    let (ours, others): (Vec<&str>, Vec<&str>) = options
        .split('&')
        .partition(|option| option.starts_with("namespace="));
    let name = ours.last().and_then(|option| option.strip_prefix("namespace="));
    let is_name = |name: &str| {
        let one = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        (1..=64).contains(&name.len()) && name.bytes().all(one)
    };
    if let Some(bad) = name.filter(|name| !is_name(name)) {
        return Err(BrokerUrlError::Namespace {
            found: bad.to_owned(),
        });
    }
    let rest = match others.is_empty() {
        true => host.to_owned(),
        false => format!("{host}?{}", others.join("&")),
    };
    Ok((rest, name.map(str::to_owned)))
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded:"),
            Self::Server { address, .. } => fmt::Display::fmt(address, f),
        }
    }
}

#[cfg(test)]
mod tests;
