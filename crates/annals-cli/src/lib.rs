//! The command line of annals: the binary `annals`, and every verb for a program of your own.
//!
//! In: arguments. Out: data on stdout, everything else on stderr, and an exit code that says how it went. Verbs ask a
//! node over HTTP, or read the stores of a data folder where no node runs; they change nothing but through a node.
//!
//! A program with services of its own gets all verbs, and a `serve` that starts its node:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use annals_cli::{Program, Serving};
//!
//! async fn serve(serving: Serving) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     // Open stores under `serving.data`, start services, bind `serving.port`, announce the node.
//!     serving.stop.asked().await;
//!     Ok(())
//! }
//!
//! fn main() -> ExitCode {
//!     Program::new("library", env!("CARGO_PKG_VERSION")).serves(serve).run(std::env::args_os())
//! }
//! ```
//!
//! Modules are listed lowest first, and each imports only from those above it.

pub mod exit;
mod identity;
pub mod failure;
mod settings;
mod paint;
mod notes;
mod out;
mod session;
mod stop;
mod moment;
mod event;
mod lineage;
mod change;
mod sse;
mod client;
mod filter;
mod ask;
mod folder;
mod source;
mod status;
mod requests;
#[cfg(feature = "objects")]
mod objects;
mod verbs;
mod program;

pub use exit::Exit;
pub use failure::Failure;
pub use program::{Program, main};
pub use stop::{Serving, Stop};
