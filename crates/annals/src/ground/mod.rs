//! What every runner stands on: the world, a hash, the pen, back-off, progress, and the hub that holds them.

pub mod world;
pub(crate) mod hash;
pub mod record;
pub mod backoff;
pub mod progress;
pub(crate) mod hub;
