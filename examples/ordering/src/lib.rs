//! The running example: orders and payments, with stock and shipping.
//!
//! What comes in is a file of invoices ([`intake`]); what stands outside is a payment provider ([`provider`]), a
//! program of its own. Modules are listed lowest first; a module imports only from those above it.

pub mod money;
pub mod intake;
pub mod provider;
pub mod contract;
pub mod shipping;
pub mod stock;
pub mod payments;
pub mod orders;
pub mod folder;
pub mod carrier;
pub mod system;
pub mod feed;
pub mod report;
pub mod http;
pub mod shop;
pub mod provider_child;
pub mod demo;
mod wrong_clock;
pub mod alone;

pub use annals_transport::url::BrokerUrl;
