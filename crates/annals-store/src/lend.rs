//! Reading that lends: every event borrowed from the bytes it was read in, nothing allocated for each.
//!
//! In: a query and a stretch of positions. Out: one event after the other, as of the durable end when it began, on the
//! caller's thread. All events of a stretch are read commit group by commit group, straight from the log: each group is
//! checked as a whole and the index is asked only where to begin. Events that are picked are resolved some thousands at a
//! time, told to the kernel where they are cold, and read together where they are near each other.
//!
//! Memory is bounded by one piece of the log, 256 KiB or the longest commit group, and by the places of some thousand events.

use std::sync::Arc;

use annals_core::port::store::{Direction, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;

use crate::core::Core;
use crate::fetch::Fetch;
use crate::index::{Picked, Range};
use crate::record::EventView;
use crate::straight::Straight;

/// Events that are resolved at once.
const PICKED: usize = 4_096;

/// Lends events one after the other, see [`crate::EmbeddedStore::lend`].
#[derive(Debug)]
pub struct Lending {
    core: Arc<Core>,
    query: Query,
    /// What was not looked at yet.
    range: Range,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Unknown,
    /// Everything, group by group.
    Straight(Box<Straight>),
    /// What the index picks; whether it has picked the last.
    Picked(Box<Fetch>, bool),
    Ended,
}

impl Lending {
    pub(crate) fn new(core: Arc<Core>, query: Query, from: Position, end: u64) -> Self {
        let range = Range {
            from: from.get(),
            to: end,
            direction: Direction::Forward,
        };
        Self {
            core,
            query,
            range,
            way: Way::Unknown,
        }
    }

    /// Ends before this position. To be said before the first event is taken.
    #[must_use]
    pub fn to(mut self, to: Position) -> Self {
        self.range.to = self.range.to.min(to.get());
        self
    }

    /// From the highest position down. To be said before the first event is taken.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.range.direction = Direction::Backward;
        self
    }

    /// The position behind the last one that is looked at: the durable end when this began, or what [`Lending::to`] said
    /// if that is less. Every event before it that matches is lent.
    pub fn end(&self) -> Position {
        Position::new(self.range.to)
    }

    /// The next event, lent until the one after it is asked for; `None` at the end. Blocks while the disk is read.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] names file and byte where stored bytes are damaged; [`ReadError::Unavailable`] where the
    /// disk does not answer; [`ReadError::Gone`] where archived events may be needed: forward at once, backward behind
    /// the last one that is still here; [`ReadError::Closed`] once the store is closed. Stop there: whoever goes on may miss events.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<EventView<'_>>, ReadError> {
        let is_ready = match &mut self.way {
            Way::Straight(straight) => straight.step(),
            Way::Picked(fetch, _) => fetch.left() > 0,
            Way::Unknown | Way::Ended => false,
        };
        if !is_ready && !self.goes_on()? {
            return Ok(None);
        }
        match &mut self.way {
            Way::Straight(straight) => straight.view(&self.core.reader).map(Some),
            Way::Picked(fetch, _) => fetch.next_lent(),
            Way::Unknown | Way::Ended => Ok(None),
        }
    }

    /// Reads on until there is an event; not, if there is none.
    #[cold]
    fn goes_on(&mut self) -> Result<bool, ReadError> {
        let went = self.go_on();
        if !matches!(went, Ok(true)) {
            self.way = Way::Ended;
        }
        went
    }

    fn go_on(&mut self) -> Result<bool, ReadError> {
        self.core.check_open()?;
        loop {
            match &mut self.way {
                Way::Ended => return Ok(false),
                Way::Unknown => self.way = self.begin()?,
                Way::Straight(straight) => {
                    if straight.step() {
                        return Ok(true);
                    }
                    if straight.is_over() {
                        return Ok(false);
                    }
                    straight.next_frame(&self.core.reader)?;
                }
                Way::Picked(fetch, is_last) => {
                    if fetch.left() > 0 {
                        return Ok(true);
                    }
                    if *is_last {
                        let reaches_back = self.core.may_need_archived(self.range.from, &self.query)?;
                        return if reaches_back {
                            Err(self.core.gone())
                        } else {
                            Ok(false)
                        };
                    }
                    *is_last = pick(&self.core, &self.query, &mut self.range, fetch)?;
                }
            }
        }
    }

    fn begin(&self) -> Result<Way, ReadError> {
        let Range { from, to, direction } = self.range;
        if from >= to {
            return Ok(Way::Ended);
        }
        if direction == Direction::Forward && self.core.may_need_archived(from, &self.query)? {
            return Err(self.core.gone());
        }
        let is_straight = self.query.items().is_empty() && direction == Direction::Forward;
        if !is_straight {
            let fetch = Fetch::new(&self.core.reader, &self.core.weather);
            return Ok(Way::Picked(Box::new(fetch), false));
        }
        Ok(Way::Straight(Box::new(Straight::begin(&self.core, from, to)?)))
    }
}

/// Resolves the next events of a query; whether they are the last.
fn pick(core: &Core, query: &Query, range: &mut Range, fetch: &mut Fetch) -> Result<bool, ReadError> {
    let selection = core.ask(|core| core.select(query, *range, PICKED))?;
    fetch.lend(core.ask(|core| core.resolved(&selection.picked))?);
    if let Some(Picked { position: last, .. }) = selection.picked.last() {
        match range.direction {
            Direction::Forward => range.from = last + 1,
            Direction::Backward => range.to = *last,
        }
    }
    Ok(selection.finished)
}
