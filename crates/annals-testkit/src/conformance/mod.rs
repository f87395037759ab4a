//! One suite per port: whatever a port promises, its suite tests, and every implementation runs it.

pub mod store;
pub mod transport;
