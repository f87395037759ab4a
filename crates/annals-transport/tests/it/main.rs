//! The embedded broker as its users see it.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is")]

// What the tests share: messages, a broker, short ways to take and settle.
mod bench;
// A store that fails on demand.
mod faulty;
// What every transport keeps, on the stores there are.
mod conformance;
// Publishing: outcomes, one append per batch, ids that are taken.
mod publish;
// Groups: order, watermark, retries, restart, two brokers on one store, bounds.
mod groups;
// Parked messages and asking for them again.
mod parked;
// Stores that fail, futures that are dropped.
mod faults;
// The bugs that the suite must find.
mod bugs;
// Topics, groups and lag as status pages show them.
mod inspect;
// Every broker on its real server.
#[cfg(all(
    feature = "rabbitmq",
    feature = "kafka",
    feature = "activemq",
    feature = "nats"
))]
mod servers;
// The table of what each can do.
#[cfg(all(
    feature = "rabbitmq",
    feature = "kafka",
    feature = "activemq",
    feature = "nats"
))]
mod table;
// The durable inbox before a broker that misbehaves.
#[cfg(feature = "wire")]
mod durable;
