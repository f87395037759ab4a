//! The verbs: one module each, none knows another.

pub(crate) mod event;
pub(crate) mod tail;
pub(crate) mod entity;
pub(crate) mod request;
pub(crate) mod send;
pub(crate) mod status;
pub(crate) mod verify;
pub(crate) mod backup;
pub(crate) mod snapshot;
pub(crate) mod truncate;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod parked;
pub(crate) mod service;
pub(crate) mod new;
#[cfg(feature = "brokers")]
pub(crate) mod record;
#[cfg(feature = "demo")]
pub(crate) mod provider;
#[cfg(feature = "demo")]
pub(crate) mod demo;
