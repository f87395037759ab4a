//! Consumer groups: the store, the backlog and the window of each, brought together.
//!
//! In: subscriptions, settlements, requeues. Out: deliveries, and marks in the broker's store. The pure parts are
//! the window and the backlog; here they meet the store. Nothing runs by itself: messages are read when a consumer
//! asks for some, and settlements are written by whoever settles.
//!
//! Locks, in this order and never the other way round: `reading` or `flushing` (held over calls of the store, one
//! holder at a time), then `state` (held for moments, never over an await).
//!
//! Modules are listed lowest first.

mod state;
mod fill;
mod flush;
mod requeue;
mod consumer;

pub(super) use consumer::GroupConsumer;
pub(super) use requeue::Which;
pub(super) use state::{Group, LoadError, Setting};
