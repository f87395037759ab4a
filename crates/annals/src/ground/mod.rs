//! What every runner stands on: the world, the pen, back-off, progress, and the hub that holds them.

pub mod world;
pub mod record;
pub mod backoff;
pub mod progress;
pub(crate) mod hub;
