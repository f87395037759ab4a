//! What the derives and attributes write, and what they say when something is missing.

/// The small world that the other modules use: transfers, orders and stock.
mod world;
/// `#[derive(Key)]`: texts, tags, JSON, order.
mod key;
/// `#[derive(Event)]`: names, versions, upcasting, tags.
mod event;
/// `#[derive(Events)]`: which types are in a set and which decide.
mod events;
/// `#[derive(Command)]`: names, keys, tags, when it happened.
mod command;
/// `#[derive(Refusal)]`: codes.
mod refusal;
/// `#[command]` and `#[derive(Boundary)]`: what a decision wants and is lent.
mod decide;
/// `#[handler]`: what a handler needs and is given.
mod handle;
/// What is said when something is missing: each file in `tests/ui` with the message beside it.
mod ui;
