//! Following a store: one loop for what is there and what will come.
//!
//! Invariant: every event that matches is returned exactly once, in order of position, because the loop reads up to
//! the durable end and then waits for that very end to move.

use std::sync::Arc;

use tokio::sync::watch;

use super::store::{EventStore, Page, Read, ReadError};
use crate::bug::{Bug, is_planted};
use crate::position::Position;
use crate::query::Query;

/// A reader that follows a store from a position on.
pub struct Follow {
    store: Arc<dyn EventStore>,
    end: watch::Receiver<Position>,
    query: Query,
    from: Position,
    limit: usize,
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
            limit,
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
        let mut from = self.from;
        while self.is_caught_up() {
            self.end.changed().await.map_err(|_| ReadError::Closed)?;
            if is_planted(Bug::RepeatAtSeam) {
                from = Position::new(self.from.get().saturating_sub(1));
            }
        }
        let read = Read::new(self.query.clone(), from).limit(self.limit);
        let page = self.store.read(read).await?;
        self.from = page.next;
        if page.finished && is_planted(Bug::LoseAtSeam) {
            self.from = self.store.end();
        }
        Ok(page)
    }
}
