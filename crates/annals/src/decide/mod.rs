//! Decide: command and models in, events out, under the condition that nothing has moved.
//!
//! Commands that share a key wait for each other ([`lanes`]); those that wait are decided together and become one
//! append. States come from a bounded cache ([`cache`]) and are folded on ([`fold`]) from there, or from a snapshot ([`snapshots`])
//! where there is none in it.

pub mod lanes;
pub mod cache;
pub mod fold;
mod snapshot;
pub mod stale;
pub mod snapshots;
pub mod sweep;
pub mod journal;
pub mod outcome;
pub mod errand;
mod combine;
mod together;
pub mod decider;
