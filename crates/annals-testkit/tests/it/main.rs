//! The tools against a small school, and the framework against the tools.

#![allow(clippy::unwrap_used, reason = "a test may stop where it is")]

/// The school: courses and students, desks, fees, and the admission that holds them together.
mod school;
/// How a test that is to fail is looked at.
mod said;
/// given, when, then: what holds passes, what does not says why.
mod scenario;
/// A process without a service: what it sends, when it wakes, what it takes back.
mod probe;
/// The chain itself: the same seed twice is the same trace.
mod chain;
/// A store in which somebody else is always a little faster.
mod rival;
/// Decisions in a running service: keys that make a command one, old builds, the past.
mod decide;
/// Decisions at the same time: waiting in line, taken together, lost races, who is told what.
mod races;
/// Messages: tried again, parked, taken up, in order, once.
mod messages;
/// Processes: timers, refusals, compensation, effects recorded once; and the recorder that sees it all.
mod processes;
/// Crashes at points the seed chooses, lost answers, repetitions: one effect each, nothing stuck.
mod crash;
/// Read models: rows and checkpoint in one, versions beside each other, reading one's own write.
mod projections;
/// Following a store in small pages.
mod follow;
/// The relay against a broker that answers as it was told.
mod relay;
/// A pantry: one model that keeps snapshots, on a store that counts what is read.
mod pantry;
/// Snapshots: the same state with them and without, whatever is wrong with them.
mod snapshots;
/// A service whose oldest events were archived: what works on with snapshots, and what is told that it is gone.
mod truncated;
/// The bugs that these must find.
mod bugs;
/// The school on stores in a folder, with the machine's clock and several threads.
mod on_disk;
