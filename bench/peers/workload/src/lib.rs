//! What annals and its peers are asked to do, alike for all.
//!
//! In: a [`Peer`], a driver of one store. Out: lines of figures on standard output, one JSON object each, that
//! `cargo xtask bench peers` gathers. Everything that was read is compared with what was written, by count and by a hash
//! over type, tags and content; a difference ends the step with an error.
//! It knows no store.
//!
//! Modules are listed lowest first, and each imports only from those above it.

mod fact;
mod digest;
mod figures;
mod peer;
mod record;
mod group;
mod settings;
mod append;
mod read;
mod run;

pub use digest::Digest;
pub use fact::{Fact, KINDS, Seen, Shape, customer_tag, order_tag};
pub use figures::{
    Spent, Watch, print, print_latencies, print_rate, print_settled, resident_kib_of, settled_rate,
};
pub use group::{Group, Table};
pub use peer::{Guard, Outcome, Peer, Visit};
pub use record::{decode, encode, index_key, index_names, index_position};
pub use run::{end_as_killed, main, new_folder};
pub use settings::{Settings, Step};
