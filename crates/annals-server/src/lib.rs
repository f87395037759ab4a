//! HTTP for any annals node.
//!
//! In: running services. Out: their commands, the states of their entities at any moment, what followed from a request
//! across all of them, their events as pages and live streams, parked messages, health, metrics, an OpenAPI document;
//! and a server whose every connection, head, body, stream and pause has a limit.
//!
//! ```no_run
//! # async fn start(orders: annals::Service) -> Result<(), Box<dyn std::error::Error>> {
//! use annals_server::{Api, Server, ServerOptions};
//!
//! let api = Api::new(orders.world().clone()).serve(orders);
//! let options = ServerOptions { drain: api.drain(), ..ServerOptions::default() };
//! let server = Server::bind("127.0.0.1:4000".parse()?, api.router(), options).await?;
//! println!("http://{}/services", server.address);
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! **There is no authentication yet**: whoever reaches the address can do everything. For that reason only loopback
//! addresses are bound, and requests that other sites make a browser send are refused. TLS, HTTP/2 and limits per
//! caller do not exist yet either.
//!
//! Modules are listed lowest first, and each imports only from those above it.

pub mod problem;
pub mod params;
pub mod etag;
pub mod idempotency;
pub mod min_position;
pub mod trace;
pub mod moment;
pub mod record;
mod choice;
pub mod drain;
pub mod presence;
mod hosted;
pub mod metrics;
pub mod check;
pub mod live;
mod state;
mod health;
mod events;
mod commands;
mod entities;
mod snapshots;
mod parked;
mod causation;
mod requests;
mod status;
mod nodes;
mod about;
pub mod openapi;
mod observe;
pub mod api;
mod guard;
mod patience;
pub mod server;
pub mod node_file;
pub mod node;

pub use api::Api;
pub use drain::Drain;
pub use node::{Claim, Node, NodeError};
pub use problem::{Answer, Problem};
pub use server::{RunningServer, Server, ServerOptions};
pub use trace::Asked;
