//! Presence: nodes announce their services to each other over the broker, and know who else is there.
//!
//! In: the services of a node, with the transports they talk through. Out: announcements, and a table of all services
//! that announced themselves. Nothing here goes through an inbox or is kept: an announcement from yesterday would raise
//! the dead. It balances nothing and breaks nothing off.
//!
//! Modules are listed lowest first.

mod announcement;
mod directory;
mod announcer;

pub use announcement::{Announcement, BadAnnouncement, CHANNEL, LEASE, Said, State};
pub(crate) use announcer::locked;
pub use announcer::{ANSWERED_WITHIN, Presence, Shared, listen_for};
pub use directory::{Directory, Present};
