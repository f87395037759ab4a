//! The ports: traits whose implementations live in other crates.

pub mod store;
pub mod follow;
pub mod transport;
pub mod sink;
