//! What this program is called and how its node is started: for hints that can be copied.
//!
//! Set once, before anything is said; unset it is `annals` and `annals demo`.

use std::sync::OnceLock;

/// The words of a program.
#[derive(Debug)]
struct Identity {
    name: String,
    start: String,
}

static IDENTITY: OnceLock<Identity> = OnceLock::new();

/// Says what the program is called and which verb starts a node. Only the first call counts.
pub(crate) fn set(name: &str, verb: &str) {
    let identity = Identity {
        name: name.to_owned(),
        start: format!("{name} {verb}"),
    };
    // A second program in one process keeps the first one's name in its hints.
    let _kept = IDENTITY.set(identity);
}

/// What the program is called.
pub(crate) fn name() -> &'static str {
    IDENTITY.get().map_or("annals", |identity| &identity.name)
}

/// The command that starts a node.
pub(crate) fn start() -> &'static str {
    IDENTITY.get().map_or("annals demo", |identity| &identity.start)
}
