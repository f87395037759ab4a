//! The node over real HTTP on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// A client, a node, and events to look at.
mod world;
/// Orders, billing and a recorder in one node.
mod shop;
/// Pages of events and single events.
mod events;
/// Events that were archived and taken away.
mod archived;
/// Services at work: commands, entities, requests, parked messages, status.
mod services;
/// Live streams: catching up, following, resuming, slow clients.
mod live;
/// Problem documents, traces, positions.
mod conventions;
/// Health, metrics, OpenAPI.
mod about;
/// Limits of connections, heads, bodies; stopping in order.
mod server;
/// Nodes that announce themselves.
mod presence;
