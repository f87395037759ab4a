//! Message transports: what carries messages between services, one folder and one feature per broker.
//!
//! In: messages to publish and subscriptions to open, as [`annals_core::port::transport`] words them. Out: one
//! outcome per message, and deliveries that are settled once. A transport knows brokers and nothing else: no
//! handler, no model, no service. Siblings never import each other.
//!
//! Modules are listed lowest first, and each imports only from those above it.

pub mod bug;
pub mod url;
#[cfg(feature = "wire")]
pub mod wire;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(all(feature = "wire", feature = "embedded"))]
pub mod durable;
#[cfg(any(
    feature = "rabbitmq",
    feature = "kafka",
    feature = "activemq",
    feature = "nats"
))]
#[allow(dead_code, reason = "no broker needs all of it, and each can be built alone")]
mod link;
#[cfg(any(
    feature = "rabbitmq",
    feature = "kafka",
    feature = "activemq",
    feature = "nats"
))]
mod way;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "activemq")]
pub mod activemq;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "wire")]
pub mod namespace;
#[cfg(feature = "wire")]
pub mod topology;
pub mod connect;
