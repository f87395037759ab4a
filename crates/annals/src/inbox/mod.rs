//! Take in: a delivery in, its one effect out, or the message put aside with the reason.

pub(crate) mod dispatch;
pub mod parked;
mod window;
pub(crate) mod hands;
mod lead;
pub mod work;
pub(crate) mod taking;
