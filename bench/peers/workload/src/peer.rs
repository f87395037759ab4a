//! What a driver of a store has to do.

use std::future::Future;
use std::path::Path;

use anyhow::{Result, bail};

use crate::fact::{Fact, Seen};

/// Is called with every event that is read.
pub type Visit<'a> = &'a mut (dyn FnMut(Seen<'_>) + Send);

/// What an append depends on: no event of this tag is newer than what was seen.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The tag.
    pub tag: String,
    /// What [`Peer::by_tag`] answered.
    pub seen: u64,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its events are durable: a data sync that covers them has returned.
    Durable,
    /// Its guard did not hold; nothing was written.
    Conflict,
}

/// A store under the workload. All of them acknowledge an append only after a data sync; each driver says which
/// settings make it so.
pub trait Peer: Send + Sync + Sized + 'static {
    /// Rows that this store cannot have, since it has nothing to do them with.
    const CANNOT: &'static [&'static str] = &[];
    /// Whether [`Peer::scan_borrowed`] is there.
    const LENDS: bool = false;
    /// Whether [`Peer::scan_pages`] is there.
    const PAGES: bool = false;

    /// Opens the store in a folder, or makes it.
    fn open(dir: &Path, variant: &str) -> impl Future<Output = Result<Self>> + Send;

    /// Appends all or nothing; answers when the bytes are durable.
    fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> impl Future<Output = Result<Outcome>> + Send;

    /// Reads all events in order, as values of their own where the store has such.
    fn scan(&self, visit: Visit<'_>) -> impl Future<Output = Result<()>> + Send;

    /// Reads all events in order without copying them out.
    fn scan_borrowed(&self, _visit: Visit<'_>) -> impl Future<Output = Result<()>> + Send {
        async { bail!("this store lends no events") }
    }

    /// Reads all events in order, page by page, taken apart into values of the language.
    fn scan_pages(&self, _visit: Visit<'_>) -> impl Future<Output = Result<()>> + Send {
        async { bail!("this store has no pages") }
    }

    /// Reads the events of a tag in order; answers what a guard has to know.
    fn by_tag(&self, tag: &str, visit: Visit<'_>) -> impl Future<Output = Result<u64>> + Send;

    /// Reads the events of a type in order.
    fn by_type(&self, kind: &str, visit: Visit<'_>) -> impl Future<Output = Result<()>> + Send;

    /// Does after the fill what the store would do by itself with more time; not counted.
    fn settle(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Ends what of the store is not in this process as a crash does.
    ///
    /// # Errors
    /// It cannot be ended.
    fn crash_elsewhere(&self) -> Result<()> {
        Ok(())
    }

    /// Memory of the store in KiB where it is not in this process.
    fn resident_elsewhere_kib(&self) -> Option<u64> {
        None
    }
}
