//! A question for events, and a page of the answer: the same for a node and for a folder.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::filter::Filter;
use crate::moment::Moment;

/// The most events of one page.
pub(crate) const PAGE_MAX: usize = 1_000;

/// Which events, from where, how many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) filter: Filter,
    /// The lowest position, or the earliest recorded time.
    pub(crate) from: Option<Moment>,
    /// The first position that is left out.
    pub(crate) to: Option<u64>,
    /// The history as it was then.
    pub(crate) at: Option<Moment>,
    /// At most this many.
    pub(crate) limit: usize,
    /// From the newest down.
    pub(crate) backward: bool,
}

/// A page of events.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    /// Forward: ask on from here; backward: ask on to here.
    pub(crate) next: u64,
    /// Nothing more matches.
    pub(crate) finished: bool,
    /// The end of the store, or as it was at the moment.
    pub(crate) end: u64,
}
