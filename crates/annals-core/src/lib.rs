//! The words and ports of annals.
//!
//! Everything here is plain data or a trait: ids, positions, tags, events, queries, conditions, marks, and the
//! two ports behind which the engines live, [`port::store::EventStore`] and [`port::transport::Transport`].
//! No file, socket, thread, clock or random number is touched in this crate; the world comes in through
//! [`time::Clock`] and [`id::IdSource`].
//!
//! Modules are listed lowest first, and each imports only from those above it.

pub mod bug;
pub mod kind;
pub mod time;
pub mod id;
pub mod position;
pub mod tag;
pub mod event;
pub mod query;
pub mod mark;
pub mod condition;
pub mod port;
