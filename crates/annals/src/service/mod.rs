//! A service: described by its builder, then running.

pub mod running;
pub mod builder;
