//! What proves that annals keeps its word, and what services test themselves with.
//!
//! A development dependency only. Modules are listed lowest first.

pub mod conformance;
