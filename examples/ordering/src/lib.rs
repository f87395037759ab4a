//! The running example: orders and payments, with stock and shipping.
//!
//! What comes in is a file of invoices ([`intake`]). Modules are listed lowest first; a module imports only
//! from those above it.

pub mod money;
pub mod intake;
