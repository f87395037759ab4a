//! Reading messages from the store into the backlog, as far as there is room.
//!
//! In: the group's state. Out: more messages in its backlog. Invariant: a page is taken in whole, and the window moves
//! only with it, so nothing is skipped and a dropped future loses nothing.

use annals_core::event::RecordedEvent;
use annals_core::port::store::{Page, Read, ReadError};
use annals_core::port::transport::ReceiveError;
use annals_core::position::Position;
use annals_core::query::Query;
use tokio::time::Instant;

use super::state::{Group, State};
use crate::embedded::backlog::Held;
use crate::embedded::convert::to_message;

/// Messages read in one go.
const PAGE_MAX: usize = 1_024;
/// Parked messages read again in one go; each is a read of its own.
const REQUEUED_MAX: usize = 64;

/// What to read next.
struct Wanted {
    from: Position,
    limit: usize,
    bytes: usize,
}

impl Group {
    /// Whether a call of [`Group::fill`] would read something.
    pub(super) fn can_fill(&self, state: &State) -> bool {
        self.next_requeued(state).is_some() || self.wanted(state).is_some()
    }

    /// Reads the next messages, if there are some and there is room.
    pub(super) async fn fill(&self) -> Result<(), ReceiveError> {
        let _turn = self.reading.lock().await;
        self.fill_requeued().await?;
        let Some(wanted) = self.wanted(&self.state()) else {
            return Ok(());
        };
        let mut read = Read::new(self.query.clone(), wanted.from).limit(wanted.limit);
        read.bytes = read.bytes.min(wanted.bytes);
        let page = self.setting.store.read(read).await.map_err(lost)?;
        self.take_in(page);
        self.announce();
        Ok(())
    }

    async fn fill_requeued(&self) -> Result<(), ReceiveError> {
        for _ in 0..REQUEUED_MAX {
            let Some(position) = self.next_requeued(&self.state()) else {
                return Ok(());
            };
            let mut read = Read::new(Query::all(), position).limit(1);
            read.to = position.next();
            let page = self.setting.store.read(read).await.map_err(lost)?;
            let mut state = self.state();
            let exact = state.requeued.remove(&position).unwrap_or_default();
            for recorded in page.events {
                self.hold(&mut state, recorded, Some(exact));
            }
        }
        Ok(())
    }

    fn wanted(&self, state: &State) -> Option<Wanted> {
        let limits = &self.setting.limits;
        let from = state.window.read_to();
        let limit = state.window.room(limits.window_max).min(PAGE_MAX);
        let bytes = limits.held_bytes_max.saturating_sub(state.backlog.bytes());
        let room = limit > 0 && (bytes > 0 || state.backlog.len() == 0);
        (room && from < self.setting.store.end()).then_some(Wanted { from, limit, bytes })
    }

    fn next_requeued(&self, state: &State) -> Option<Position> {
        let limits = &self.setting.limits;
        let (held, bytes) = (state.backlog.len(), state.backlog.bytes());
        let room = held == 0 || (held < limits.window_max && bytes < limits.held_bytes_max);
        let first = state.requeued.first_key_value();
        first.filter(|_| room).map(|(position, _)| *position)
    }

    fn take_in(&self, page: Page) {
        let mut state = self.state();
        for recorded in page.events {
            self.hold(&mut state, recorded, None);
        }
        state.window.read_on(page.next);
    }

    /// Holds one message, unless it is none of this group's concern. `requeued` says of a message that was parked whether
    /// all its tries since then are known.
    fn hold(&self, state: &mut State, recorded: RecordedEvent, requeued: Option<bool>) {
        let (position, taken) = (recorded.position, recorded.recorded);
        let Some(message) = to_message(recorded.event) else {
            return;
        };
        if requeued.is_none() {
            let ours = self.topics.is_empty() || self.topics.contains(&message.topic);
            let settled = position < state.checkpoint.of(&message.topic);
            if !ours || settled || !state.window.open(position) {
                return;
            }
        }
        let tried = state.tried.remove(&position);
        let wait = tried.map(|tried| tried.left(self.setting.clock.now()));
        state.backlog.hold(Held {
            position,
            message,
            taken,
            tries: tried.map_or(0, |tried| tried.tries),
            tries_exact: requeued.unwrap_or(position >= state.exact_from),
            tries_marked: tried.is_some(),
            requeued: requeued.is_some(),
            not_before: wait
                .filter(|wait| !wait.is_zero())
                .map(|wait| Instant::now() + wait),
            unsure: false,
        });
    }
}

fn lost(error: ReadError) -> ReceiveError {
    match error {
        ReadError::Closed => ReceiveError::Closed,
        other => ReceiveError::Lost(other.to_string()),
    }
}
