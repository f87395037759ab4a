//! What a user writes: data by derive, folds by trait, decisions as plain functions.
//!
//! In: the shapes of a domain. Out: what the runners need to know about them, whatever their type. Nothing here runs.

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
