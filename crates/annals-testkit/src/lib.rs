//! What proves that annals keeps its word, and what services test themselves with.
//!
//! A development dependency only. [`conformance`] holds one suite per port, [`pass_on!`] makes stores that fail or lie,
//! [`history`] is a judge of what many clients of one store were told, [`hunt`] shows that a harness finds planted bugs. The
//! feature `services` adds the tools for tests of services: [`scenario`] for one decision, [`probe`] for one process,
//! [`chain`] for whole services on a virtual clock; and [`proxy`], which fails as networks do. Modules are listed lowest first.

pub mod conformance;
pub mod pass_on;
pub mod hunt;
pub mod seed;
pub mod history;
#[cfg(feature = "services")]
pub mod proxy;
#[cfg(feature = "services")]
mod drafts;
#[cfg(feature = "services")]
pub mod scenario;
#[cfg(feature = "services")]
pub mod probe;
#[cfg(feature = "services")]
pub mod replay;
#[cfg(feature = "services")]
pub mod chain;
