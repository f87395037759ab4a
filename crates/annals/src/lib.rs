//! annals: message-driven, event-sourced services.

pub mod key;
pub mod message;
pub mod event;
pub mod model;
pub mod context;
pub mod boundary;
pub mod command;
pub mod handler;
pub mod process;
pub mod projection;

pub use annals_core as core;
