//! React: events in, commands and timers out, recorded before they are sent.

pub(crate) mod timers;
#[doc(hidden)]
pub mod instance;
pub(crate) mod manager;
