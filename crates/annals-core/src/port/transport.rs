//! The port of a message transport: publish with an outcome per message, subscribe, settle once.
//!
//! Brokers are not alike and this port does not pretend so: what differs is data, in [`Capabilities`].

use bytes::Bytes;
use smol_str::SmolStr;
use thiserror::Error;

use super::store::BoxFuture;
use crate::event::{EventType, NewEvent};
use crate::kind::ErrorKind;
use crate::position::Position;
use crate::time::Timestamp;

/// The name of a place where messages go: `orders`, `payments.commands`.
pub type Topic = SmolStr;

/// What travels. `event.metadata.origin` says where the original is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub topic: Topic,
    /// The record itself; its id is the message id, its partition tag keeps its order.
    pub event: NewEvent,
}

/// What became of one message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The broker has it, as safely as [`Capabilities::stored_means`] says.
    Stored,
    /// The broker will not take it; sending it again unchanged is useless.
    Refused(String),
    /// Not known. Send it again with the same id, and nothing of the same partition before it.
    Unknown(String),
}

/// The outcomes of a batch that was handed over: one per message, in the order given. They come only to who waits for
/// them; dropped, what became of the batch is not known.
pub type Outcomes = BoxFuture<'static, Vec<Published>>;

/// What a transport can do. A service that needs what is missing fails at start, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// A subscription can start at a position that the subscriber kept.
    pub replay: bool,
    /// A message id published twice is delivered once, for as long as the message is kept.
    pub exact_dedupe: bool,
    /// Messages of one partition tag arrive in the order they were published.
    pub partition_order: bool,
    /// A subscription without topics hears every topic, also those to come.
    pub every_topic: bool,
    /// A group that comes later still gets what was published before; where not, a group gets what is published after
    /// it was declared.
    pub late_groups: bool,
    /// The broker puts messages aside itself ([`Settlement::Park`]); where not, settling so is refused and the message
    /// comes back.
    pub parks: bool,
    /// Something can be said to everybody who listens just now ([`Transport::broadcast`]).
    pub broadcast: bool,
    /// Messages on their way without an outcome, at most; whoever publishes much divides it into batches.
    pub window: usize,
    /// What [`Published::Stored`] means on this broker, in plain words.
    pub stored_means: &'static str,
}

/// The type under which bytes travel on that are no message: kept verbatim as the content, parked at once by whoever
/// takes messages in.
pub const UNDECODABLE: EventType = EventType::from_static("message.undecodable");

/// How a transport is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Connected, or in no need of a connection.
    Up,
    /// The broker is there and takes nothing just now.
    Blocked(String),
    /// Not connected, or not as it should be; it keeps trying.
    Degraded(String),
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// After what this group has settled; a new group begins with the oldest message kept. The broker keeps the
    /// checkpoint.
    Group,
    /// At this position of the transport's log; the subscriber keeps the checkpoint. Needs `replay`.
    At(Position),
}

/// What to subscribe to.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// Consumers of one group share the messages; each group gets every message.
    pub group: SmolStr,
    /// Messages of any of these; empty: of every topic, those included that come later.
    pub topics: Vec<Topic>,
    /// Where to begin.
    pub start: Start,
}

/// Why there is no subscription.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The transport cannot do this.
    #[error("this transport cannot {0}")]
    Unsupported(String),
    /// The transport is not there; retry with back-off.
    #[error("the transport is not available: {0}")]
    Unavailable(String),
    /// The broker is there and does not let us in. Correct user, password or rights; trying again unchanged is useless.
    #[error("the broker does not let us in: {0}")]
    Denied(String),
}

/// Why a subscription has nothing more to give.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Subscribe again, with back-off; what was not settled comes back.
    #[error("the subscription was lost: {0}")]
    Lost(String),
    /// The transport was closed.
    #[error("the transport is closed")]
    Closed,
}

impl ReceiveError {
    /// What this means in one word.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Lost(_) => ErrorKind::Unavailable,
            Self::Closed => ErrorKind::Closed,
        }
    }
}

/// How often this message was handed out before, as far as the broker knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Exactly this many times, this one included.
    Exact(u32),
    /// At least this many times.
    AtLeast(u32),
    /// The broker does not say.
    Unknown,
}

/// What is to become of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Its effect is durable; do not deliver it again.
    Done,
    /// Deliver it again, not before this time has passed.
    Retry {
        /// How long to wait.
        after: std::time::Duration,
    },
    /// Put it aside with this reason.
    Park {
        /// Why, for the person who will look at it.
        reason: String,
    },
}

/// Settles one delivery; made by the transport.
pub trait Settle: Send {
    /// Carries the settlement out. Whoever does not say [`Settlement::Done`] gives the message back with it: some
    /// transports hand it out again themselves. An error means the message will come back.
    fn settle(
        self: Box<Self>,
        settlement: Settlement,
        message: Option<Message>,
    ) -> BoxFuture<'static, Result<(), ReceiveError>>;
}

/// One message handed to one consumer. Settled once, by value; dropped unsettled it comes back.
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// When the transport took it.
    pub taken: Timestamp,
    /// Its place in the transport's log, where there is one.
    pub position: Option<Position>,
    /// How often it was tried.
    pub attempt: Attempt,
    /// How to settle it; `None` when the subscriber keeps the checkpoint ([`Start::At`]).
    pub settle: Option<Box<dyn Settle>>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("position", &self.position)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// Settles this delivery. Nothing to do where the subscriber keeps the checkpoint.
    ///
    /// # Errors
    /// The transport lost the subscription meanwhile: the message will come back.
    pub async fn settle(self, settlement: Settlement) -> Result<(), ReceiveError> {
        match self.settle {
            Some(settle) => settle.settle(settlement, Some(self.message)).await,
            None => Ok(()),
        }
    }
}

/// Messages that are settled together, all as done.
pub struct Bundle {
    /// In order per partition tag.
    pub messages: Vec<Message>,
    /// How to settle them.
    pub settle: SettleBundle,
}

/// How a bundle is settled; dropped unsettled, its messages come back.
pub enum SettleBundle {
    /// One by one.
    OneByOne(Vec<Box<dyn Settle>>),
    /// At once.
    Whole(Box<dyn SettleWhole>),
}

/// Settles a whole bundle as done; made by a transport that can do that for less than one by one.
pub trait SettleWhole: Send {
    /// Carries it out. An error means that some of the messages will come back, perhaps all.
    fn done(self: Box<Self>) -> BoxFuture<'static, Result<(), ReceiveError>>;
}

impl From<Vec<Delivery>> for Bundle {
    fn from(deliveries: Vec<Delivery>) -> Self {
        let mut messages = Vec::with_capacity(deliveries.len());
        let mut each = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            each.extend(delivery.settle);
            messages.push(delivery.message);
        }
        Self {
            messages,
            settle: SettleBundle::OneByOne(each),
        }
    }
}

/// An open subscription.
pub trait Consumer: Send {
    /// Waits for at least one delivery and returns up to `max` that are there, in order per partition tag.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: what it would have returned is returned by the next call.
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>>;

    /// As [`Consumer::next`], for who settles everything as done and needs nothing but the messages.
    ///
    /// # Cancel safety
    /// As [`Consumer::next`].
    fn next_bundle(&mut self, max: usize) -> BoxFuture<'_, Result<Bundle, ReceiveError>> {
        Box::pin(async move { Ok(self.next(max).await?.into()) })
    }
}

/// Hears what is said on a channel from now on.
pub trait Listener: Send {
    /// Waits for the next thing that is said.
    ///
    /// # Errors
    /// [`ReceiveError::Lost`]: listen again; what was said meanwhile was not heard.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, ReceiveError>>;
}

/// A message transport.
pub trait Transport: Send + Sync + 'static {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Publishes a batch; the answer has one outcome per message, in the order given.
    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>>;

    /// Hands a batch over and returns when the next may follow, which leaves behind it; the outcomes come later. A
    /// transport that cannot have two batches on their way returns when this one has its outcomes.
    ///
    /// After an outcome that is [`Published::Unknown`], send that message again and then everything of the batches that
    /// were handed over behind it, whatever their outcomes: some of it may have gone before.
    ///
    /// # Cancel safety
    /// Dropped before it returns, what became of the batch is not known.
    fn hand_over(&self, batch: Vec<Message>) -> BoxFuture<'_, Outcomes> {
        #[allow(
            clippy::async_yields_async,
            reason = "the outcomes are waited for later, by whoever hands over"
        )]
        Box::pin(async move {
            let outcomes = self.publish(batch).await;
            Box::pin(std::future::ready(outcomes)) as Outcomes
        })
    }

    /// How many messages of these topics (none: of all) wait at or after a position of the transport's log; `None`
    /// where the transport has no such log or cannot say.
    fn lag(&self, _topics: Vec<Topic>, _from: Position) -> BoxFuture<'_, Option<u64>> {
        Box::pin(std::future::ready(None))
    }

    /// How many messages wait at the broker for this group, as the broker counts: those that nobody has yet, and perhaps
    /// those in hand. `None` where it cannot be asked.
    fn backlog(&self, _group: SmolStr, _topics: Vec<Topic>) -> BoxFuture<'_, Option<u64>> {
        Box::pin(std::future::ready(None))
    }

    /// How it is just now. Does not wait.
    fn health(&self) -> Health {
        Health::Up
    }

    /// Makes a group known to the broker, so that it gets what is published from now on, also while nobody of it is
    /// there. Declaring again changes nothing. Where `late_groups` holds there is no need for it.
    fn declare(&self, _group: SmolStr, _topics: Vec<Topic>) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Says something to everybody who listens to a channel just now. It is no message: nobody keeps it, it may be lost,
    /// and whoever comes later does not hear it. Channels are no topics. At most 64 KiB.
    ///
    /// # Errors
    /// [`SubscribeError::Unsupported`] where the transport has no `broadcast`.
    fn broadcast(&self, _channel: Topic, _said: Bytes) -> BoxFuture<'_, Result<(), SubscribeError>> {
        Box::pin(std::future::ready(Err(no_broadcast())))
    }

    /// Listens to a channel from when this returns.
    ///
    /// # Errors
    /// As [`Transport::broadcast`].
    fn listen(&self, _channel: Topic) -> BoxFuture<'_, Result<Box<dyn Listener>, SubscribeError>> {
        Box::pin(std::future::ready(Err(no_broadcast())))
    }

    /// Opens a subscription.
    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>>;
}

fn no_broadcast() -> SubscribeError {
    SubscribeError::Unsupported("say something to everybody".into())
}
