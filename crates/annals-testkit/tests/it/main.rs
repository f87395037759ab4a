//! The tools against a small school, and the framework against the tools.

/// The school: courses and students, desks, fees, and the admission that holds them together.
mod school;
/// given, when, then: what holds passes, what does not says why.
mod scenario;
/// The chain itself: the same seed twice is the same trace.
mod chain;
