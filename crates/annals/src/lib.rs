//! annals: message-driven, event-sourced services.
//!
//! A service decides by looking at its past, writes what happened as events, and tells the others. Derive for data,
//! trait for folds, plain functions for decisions:
//!
//! ```
//! use annals::{Command, Event, Key, Model, Refusal, Service, command};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Key)]
//! #[key("seat")]
//! struct Seat(String);
//!
//! #[derive(Event, Serialize, Deserialize)]
//! #[event("seat.taken")]
//! struct SeatTaken { #[tag] seat: Seat, by: String }
//!
//! #[derive(Default, Serialize)]
//! struct Seating { by: Option<String> }
//!
//! impl Model for Seating {
//!     type Key = Seat;
//!     type Event = SeatTaken;
//!     fn apply(&mut self, event: &SeatTaken) { self.by = Some(event.by.clone()); }
//! }
//!
//! #[derive(Command, Clone, Serialize, Deserialize)]
//! #[named("theatre.take")]
//! struct Take { #[key] seat: Seat, by: String }
//!
//! #[derive(Debug, thiserror::Error, Refusal)]
//! enum No { #[error("it is taken")] Taken }
//!
//! #[command]
//! fn take(command: Take, seating: &Seating) -> Result<SeatTaken, No> {
//!     match seating.by {
//!         Some(_) => Err(No::Taken),
//!         None => Ok(SeatTaken { seat: command.seat, by: command.by }),
//!     }
//! }
//!
//! // The decision is an ordinary function, and nothing stands in the way of calling it.
//! let wish = Take { seat: "A1".into(), by: "Ada".into() };
//! assert!(take(wish.clone(), &Seating::default()).is_ok());
//! assert!(take(wish, &Seating { by: Some("Bob".into()) }).is_err());
//!
//! // A service takes the command; `start` gives it a store and a transport.
//! let theatre = Service::builder("theatre").command::<Take>();
//! # let _ = theatre;
//! ```
//!
//! Started, a [`Service`] carries commands out (`service.execute(Take { .. }).await`), shows any state of any moment
//! (`service.load::<Seating>(&seat).at(yesterday).await`) and its read models (`service.view::<P>().after(&done)`).
//!
//! The rooms: [`define`] is what a user writes; [`decide`] answers commands; [`relay`] publishes; [`inbox`] takes
//! messages in; [`react`] runs processes; [`past`] looks back; [`service`] puts it together. `docs/tutorial.md` builds a
//! service from nothing.

pub mod bug;
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
pub use crate::decide::sweep::SnapshotsKept;
pub use crate::define::boundary::{Boundary, Each, HasKey, HasKeys};
pub use crate::define::command::{Command, Decide, Refusal};
pub use crate::define::context::{Context, Request};
pub use crate::define::event::{Event, EventSet, IntoEvents};
pub use crate::define::handler::{Dep, Handle};
pub use crate::define::key::Key;
pub use crate::define::message::Message;
pub use crate::define::model::{Model, Snapshot};
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
