//! The bare clients: the least a program without annals does to publish and to consume with the same settings.
//!
//! In: messages. Out: when they are confirmed; what came. One module per client. Durability, queue types, confirmations,
//! the window of what is unconfirmed and the number of messages in hand are those of the transports of annals; where a
//! client can confirm or settle several at once, it does.

pub(crate) mod rabbitmq;
pub(crate) mod kafka;
pub(crate) mod amqp;
pub(crate) mod nats;

use annals::core::port::transport::Topic;
use anyhow::Result;
use bytes::Bytes;

use crate::message;

/// Messages that a consumer takes at once, at most; as the durable inbox does.
pub(crate) const BATCH_MAX: usize = 512;

/// A broker, spoken to by its own client. A lane is one topic with one group.
pub(crate) trait Bare: Sync {
    /// Messages on their way without a confirmation; as many as annals has on its way.
    const WINDOW: usize;
    /// Publishes to a lane.
    type Publisher: Publish + Send;
    /// Consumes from a lane.
    type Consumer: Consume + Send + 'static;

    /// Makes a lane.
    fn make(&self, lane: &str) -> impl Future<Output = Result<()>> + Send;

    /// Connects to publish.
    fn publisher(&self, lane: &str) -> impl Future<Output = Result<Self::Publisher>> + Send;

    /// Connects to consume.
    fn consumer(&self, lane: &str) -> impl Future<Output = Result<Self::Consumer>> + Send;

    /// Removes a lane, as far as the client can.
    fn remove(&self, lane: &str) -> impl Future<Output = Result<()>> + Send;

    /// Removes what annals made for this namespace, as far as the client can.
    fn remove_ours(
        &self,
        namespace: &str,
        group: &str,
        topic: &Topic,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// Publishes with confirmations.
pub(crate) trait Publish {
    /// Sends; waits for the oldest confirmation where the window is full.
    fn send(&mut self, message: &message::Bare) -> impl Future<Output = Result<()>> + Send;

    /// Waits until all is confirmed.
    fn finish(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Consumes and settles.
pub(crate) trait Consume {
    /// Waits for one and takes what else is there, up to [`BATCH_MAX`].
    fn take(&mut self, taken: &mut Vec<Bytes>) -> impl Future<Output = Result<()>> + Send;

    /// Settles all that was taken.
    fn settle(&mut self) -> impl Future<Output = Result<()>> + Send;
}
