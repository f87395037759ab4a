//! annals: message-driven, event-sourced services.

pub mod define;
pub mod ground;
pub mod decide;
pub mod past;
pub mod relay;
pub mod react;
mod projector;
pub mod inbox;
mod recorder;
pub mod service;

pub use annals_core as core;

pub use crate::decide::errand::How;
pub use crate::decide::journal::Journal;
pub use crate::decide::outcome::{AnyRefusal, Done, ExecuteError};
pub use crate::define::boundary::{Boundary, Each, HasKey, HasKeys};
pub use crate::define::command::{Command, Decide, Refusal};
pub use crate::define::context::{Context, Request};
pub use crate::define::event::{Event, EventSet, IntoEvents};
pub use crate::define::handler::{Dep, Handle};
pub use crate::define::key::Key;
pub use crate::define::message::Message;
pub use crate::define::model::Model;
pub use crate::define::process::{Effects, On, Process, Refused};
pub use crate::define::projection::{Projection, Recorded};
pub use crate::define::{boundary, command, context, event, handler, key, message, process};
pub use crate::ground::record::Recording;
pub use crate::ground::world::World;
pub use crate::inbox::dispatch::CallError;
pub use crate::inbox::work::OnFailure;
pub use crate::past::{At, LoadError, Moment, Shown};
pub use crate::service::builder::{Place, ServiceBuilder, StartError};
pub use crate::service::running::{Execute, NotYet, Service, Status, View};

pub use annals_macros::{Boundary, Command, Event, Events, Key, Refusal, command, handler};

#[doc(hidden)]
pub mod __private;
