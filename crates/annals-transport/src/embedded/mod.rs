//! The embedded broker: durable topics and consumer groups on an annals store, with no server.
//!
//! In: a store, a clock, messages and subscriptions. Out: outcomes and deliveries, as the transport port words them,
//! and plain numbers for status pages.
//!
//! A message is one event of the broker's store, unchanged but for one more tag, its last, `topic:<name>`. What a
//! consumer group has settled is kept as marks in that store, so a broker opened again on it goes on where it was.
//!
//! 1. Stored means what the store's acknowledgement means; with the embedded store, flushed.
//! 2. Of one partition tag, a group has at most one message handed out at a time, in order of position. Only a
//!    message that was parked and asked for again comes out of turn.
//! 3. What was settled as done or parked does not come back; everything else does, at least once.
//! 4. What is held in memory is bounded, whatever waits in the store: see [`Limits`].
//! 5. Two brokers that were given one store do not both lead a group: the later one does, and a settlement of the
//!    earlier one is refused and changes nothing.
//!
//! What it costs: publishing a batch is one append. So is a write of settlements; those that are settled at the same time
//! share one, those settled one after the other have one each, and on disk that is a flush each. A subscriber that keeps
//! its own checkpoint ([`Start::At`]) costs the broker no write at all.
//!
//! [`Start::At`]: annals_core::port::transport::Start::At
//!
//! The broker starts no task: work is done inside the calls of publishers and consumers. It works inside one process;
//! that a second one keeps out is the store's matter.
//!
//! Modules are listed lowest first.

mod name;
mod limits;
mod convert;
mod lane;
mod window;
mod backlog;
mod record;
mod group;
mod publish;
mod replay;
mod inspect;
mod channels;
mod broker;

pub use broker::EmbeddedBroker;
pub use inspect::{GroupStatus, InspectError, TopicStatus};
pub use limits::Limits;
pub use name::NameError;
pub use record::{Parked, RequeueError};
