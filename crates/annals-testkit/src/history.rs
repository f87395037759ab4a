//! Concurrent histories: many clients of one store, and an exact judge of what they were told.
//!
//! In: operations as their clients saw them, with the moments of call and return, and the log as it is in the end. Out: counts,
//! or the first thing that no order of these operations explains. Replies carry positions, so the order is given and
//! nothing is searched: the judge sorts by position and sweeps, in n log n. [`load`] is a workload for any
//! [`EventStore`](annals_core::port::store::EventStore).

pub mod operation;
mod index;
mod order;
pub mod judge;
pub mod load;
