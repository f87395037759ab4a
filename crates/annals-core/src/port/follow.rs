//! Following a store: one loop for what is there and what will come.
//!
//! Invariant: every event that matches is returned exactly once, in order of position, because the loop reads up to
//! the durable end and then waits for that very end to move.
//!
//! A store reads and checks a commit group as a whole, so small pages are cut from a larger one: whoever asked the store for
//! every 128 events of a group of 2,048 had it read sixteen times.

use std::sync::Arc;
use std::vec::IntoIter;

use tokio::sync::watch;

use super::store::{EventStore, Page, Read, ReadError};
use crate::bug::{Bug, is_planted};
use crate::event::RecordedEvent;
use crate::position::Position;
use crate::query::Query;

/// Events that are read from the store at once, at least.
const READ_MIN: usize = 2_048;

/// A reader that follows a store from a position on.
pub struct Follow {
    store: Arc<dyn EventStore>,
    end: watch::Receiver<Position>,
    query: Query,
    from: Position,
    limit: usize,
    /// What was read and not returned yet; it begins at `from`.
    ahead: Option<Ahead>,
}

/// The rest of a page.
struct Ahead {
    events: IntoIter<RecordedEvent>,
    next: Position,
    finished: bool,
}

impl Follow {
    /// Follows the events that match, beginning at a position, in pages of at most `limit` events.
    pub fn new(store: Arc<dyn EventStore>, query: Query, from: Position, limit: usize) -> Self {
        let end = store.watch_end();
        Self {
            store,
            end,
            query,
            from,
            limit: limit.max(1),
            ahead: None,
        }
    }

    /// Everything that matches before this position has been returned.
    pub fn position(&self) -> Position {
        self.from
    }

    /// Whether nothing durable is left to look at just now.
    pub fn is_caught_up(&self) -> bool {
        self.from >= self.store.end()
    }

    /// Waits until there is something to look at and returns the next page, which may hold no events when nothing
    /// in that stretch matched: [`Page::next`] is progress all the same.
    ///
    /// # Errors
    /// [`ReadError::Closed`] once the store is gone; others as [`EventStore::read`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the position moves only when a page is returned.
    pub async fn next(&mut self) -> Result<Page, ReadError> {
        let ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.read().await?,
        };
        let page = self.cut(ahead);
        self.from = page.next;
        if page.finished && is_planted(Bug::LoseAtSeam) {
            self.from = self.store.end();
        }
        Ok(page)
    }

    async fn read(&mut self) -> Result<Ahead, ReadError> {
        let mut from = self.from;
        while self.is_caught_up() {
            self.end.changed().await.map_err(|_| ReadError::Closed)?;
            if is_planted(Bug::RepeatAtSeam) {
                from = Position::new(self.from.get().saturating_sub(1));
            }
        }
        let read = Read::new(self.query.clone(), from).limit(self.limit.max(READ_MIN));
        let page = self.store.read(read).await?;
        Ok(Ahead {
            events: page.events.into_iter(),
            next: page.next,
            finished: page.finished,
        })
    }

    /// As much as is wanted at once; the rest is for the next call.
    fn cut(&mut self, mut ahead: Ahead) -> Page {
        let events = ahead.events.by_ref().take(self.limit).collect();
        let rest = ahead.events.as_slice().first().map(|event| event.position);
        let page = Page {
            events,
            next: rest.unwrap_or(ahead.next),
            finished: rest.is_none() && ahead.finished,
        };
        self.ahead = rest.is_some().then_some(ahead);
        page
    }
}
