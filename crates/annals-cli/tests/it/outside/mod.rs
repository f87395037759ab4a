//! The system seen from outside: over HTTP, through the files it leaves, and through its payment provider's ledger.
//!
//! Nothing here knows how the system works inside; what it claims is compared with what was asked of it.

/// A small HTTP client, without a runtime.
pub(crate) mod http;
/// Amounts of money as whole thousandths.
pub(crate) mod money;
/// The payment provider as a process of its own.
pub(crate) mod provider;
/// Whether a node has come to rest.
pub(crate) mod rest;
/// Whether the books of orders, provider, warehouse and parcels agree.
pub(crate) mod books;
/// What is in the logs of a folder that nobody works in.
pub(crate) mod logs;
/// A file of invoices of the shape of half a year of a real shop.
pub(crate) mod invoices;
