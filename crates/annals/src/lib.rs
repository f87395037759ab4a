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
pub mod world;
pub mod record;
pub mod lanes;
pub mod cache;
pub mod fold;
pub mod stale;
pub mod journal;
pub mod outcome;
pub mod errand;
mod combine;
mod together;
pub mod decide;
pub mod backoff;
pub mod progress;
mod hub;
pub mod relay;
mod timers;
#[doc(hidden)]
pub mod instance;
mod manager;
mod projector;
mod dispatch;
pub mod parked;
mod window;
pub mod inbox;
mod recorder;
pub mod past;
pub mod service;
pub mod builder;

pub use annals_core as core;

pub use crate::boundary::{Boundary, Each, HasKey, HasKeys};
pub use crate::builder::{Place, ServiceBuilder, StartError};
pub use crate::command::{Command, Decide, Refusal};
pub use crate::context::Context;
pub use crate::context::Request;
pub use crate::dispatch::CallError;
pub use crate::errand::How;
pub use crate::event::{Event, EventSet, IntoEvents};
pub use crate::handler::{Dep, Handle};
pub use crate::inbox::OnFailure;
pub use crate::journal::Journal;
pub use crate::key::Key;
pub use crate::message::Message;
pub use crate::model::Model;
pub use crate::outcome::{AnyRefusal, Done, ExecuteError};
pub use crate::past::{At, LoadError, Moment, Shown};
pub use crate::process::Refused;
pub use crate::process::{Effects, On, Process};
pub use crate::projection::{Projection, Recorded};
pub use crate::record::Recording;
pub use crate::service::{Execute, NotYet, Service, Status, View};
pub use crate::world::World;
pub use annals_macros::{Boundary, Command, Event, Events, Key, Refusal, command, handler};

#[doc(hidden)]
pub mod __private;
