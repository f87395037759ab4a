//! From an address to the transport that speaks to what is there.
//!
//! In: a [`BrokerUrl`] of a server. Out: a transport that connects when it is first used and again whenever it has to.

use std::sync::Arc;

use annals_core::port::transport::Transport;
use thiserror::Error;

use crate::url::{BrokerUrl, Product};

/// The address of a server that cannot be used. Correct it; trying again is useless.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The client cannot read the address, and says why.
    #[error("the broker address {url} cannot be used: {reason}")]
    Address {
        /// The address, without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// The embedded broker is no server: give it a store.
    #[error("the embedded broker has no connection; it needs a store")]
    Embedded,
}

/// The transport for a server. Must be called within a tokio runtime; nothing is connected yet.
///
/// # Errors
/// [`ConnectError`].
pub fn connect(url: &BrokerUrl) -> Result<Arc<dyn Transport>, ConnectError> {
    let BrokerUrl::Server {
        product,
        address,
        namespace,
    } = url
    else {
        return Err(ConnectError::Embedded);
    };
    let opened = opened(*product, address.secret()).map_err(|reason| ConnectError::Address {
        url: url.to_string(),
        reason,
    })?;
    Ok(inside(opened, namespace.as_deref()))
}

#[cfg(feature = "wire")]
fn inside(transport: Arc<dyn Transport>, namespace: Option<&str>) -> Arc<dyn Transport> {
    match namespace {
        None => transport,
        Some(name) => Arc::new(crate::namespace::Namespace::new(transport, name)),
    }
}

#[cfg(not(feature = "wire"))]
fn inside(transport: Arc<dyn Transport>, _: Option<&str>) -> Arc<dyn Transport> {
    transport
}

fn opened(product: Product, address: &str) -> Result<Arc<dyn Transport>, String> {
    match product {
        #[cfg(feature = "rabbitmq")]
        Product::RabbitMq => shared(crate::rabbitmq::RabbitMq::open(address)),
        #[cfg(feature = "kafka")]
        Product::Kafka => shared(crate::kafka::Kafka::open(address)),
        #[cfg(feature = "activemq")]
        Product::ActiveMq => shared(crate::activemq::ActiveMq::open(address)),
        #[cfg(feature = "nats")]
        Product::Nats => shared(crate::nats::Nats::open(address)),
        #[allow(unreachable_patterns, reason = "depends on the features")]
        _ => Err(format!("this build has no transport for {address}")),
    }
}

#[cfg(any(
    feature = "rabbitmq",
    feature = "kafka",
    feature = "activemq",
    feature = "nats"
))]
fn shared<T: Transport>(opened: Result<T, impl std::fmt::Display>) -> Result<Arc<dyn Transport>, String> {
    match opened {
        Ok(transport) => Ok(Arc::new(transport)),
        Err(error) => Err(error.to_string()),
    }
}
