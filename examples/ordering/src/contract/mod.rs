//! What the services say to each other, and nothing else they share: keys, events and commands as messages.
//!
//! A service in another language, or one that must not depend on this crate, would write these shapes down for itself:
//! names, versions and JSON are the contract, the Rust types are a convenience.

pub mod keys;
pub mod orders;
pub mod payments;
pub mod stock;
pub mod shipping;
