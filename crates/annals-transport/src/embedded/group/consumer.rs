//! One consumer of a group, and the ticket that settles one of its deliveries.
//!
//! In: calls of [`Consumer::next`] and settlements. Out: deliveries. A ticket is used up by settling; dropped unused it
//! gives its message back. A consumer that is dropped leaves its lanes to the others.

use std::sync::Arc;

use annals_core::bug::is_planted;
use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{Attempt, Consumer, Delivery, Message, ReceiveError, Settle, Settlement};
use annals_core::position::Position;
use tokio::sync::watch;
use tokio::time::Instant;

use super::state::Group;
use crate::bug::Bug;
use crate::embedded::backlog::HandedOut;
use crate::embedded::lane::ConsumerId;

/// One consumer of a group.
pub(in crate::embedded) struct GroupConsumer {
    group: Arc<Group>,
    id: ConsumerId,
    changed: watch::Receiver<u64>,
    end: watch::Receiver<Position>,
}

/// What a look at the backlog brought.
enum Look {
    Deliveries(Vec<Delivery>),
    /// There is more in the store.
    Again,
    /// Nothing now; not before this moment, if nothing changes.
    Wait(Option<Instant>),
}

impl GroupConsumer {
    /// Joins a group.
    pub(in crate::embedded) fn join(group: Arc<Group>) -> Self {
        Self {
            id: group.join(),
            changed: group.watch(),
            end: group.setting.store.watch_end(),
            group,
        }
    }

    async fn receive(&mut self, max: usize) -> Result<Vec<Delivery>, ReceiveError> {
        loop {
            // First what wakes us, then the look: a change in between is not missed.
            self.changed.borrow_and_update();
            self.end.borrow_and_update();
            self.group.flush_left_over().await;
            if self.is_short(max) {
                self.group.fill().await?;
            }
            match self.look(max)? {
                Look::Deliveries(deliveries) => return Ok(deliveries),
                Look::Again => {}
                Look::Wait(until) => self.wait(until).await?,
            }
        }
    }

    /// How many more this consumer may have in hand, up to `max`.
    fn free(&self, in_hand: usize, max: usize) -> usize {
        let limit = self.group.setting.limits.in_flight_max;
        limit.saturating_sub(in_hand).min(max)
    }

    /// Whether fewer are ready than could be handed out, and the store has more.
    fn is_short(&self, max: usize) -> bool {
        let state = self.group.state();
        let free = self.free(state.backlog.in_hand(self.id), max);
        state.backlog.ready_for(self.id, free) < free && self.group.can_fill(&state)
    }

    fn look(&self, max: usize) -> Result<Look, ReceiveError> {
        let mut state = self.group.state();
        if let Some(reason) = &state.lost {
            return Err(ReceiveError::Lost(reason.clone()));
        }
        state.backlog.wake(Instant::now());
        let free = self.free(state.backlog.in_hand(self.id), max);
        if free == 0 && is_planted(Bug::SkipSlowReader) {
            state.window.read_on(self.group.setting.store.end());
        }
        let handed = state.backlog.hand_out(self.id, free);
        if !handed.is_empty() {
            let deliveries = handed.into_iter().map(|handed| self.delivery(handed));
            return Ok(Look::Deliveries(deliveries.collect()));
        }
        if free > 0 && self.group.can_fill(&state) {
            return Ok(Look::Again);
        }
        Ok(Look::Wait(state.backlog.next_due()))
    }

    fn delivery(&self, handed: HandedOut) -> Delivery {
        let HandedOut { held, generation } = handed;
        let attempt = if held.tries_exact {
            Attempt::Exact(held.tries)
        } else {
            Attempt::AtLeast(held.tries)
        };
        let ticket = Ticket {
            group: Arc::clone(&self.group),
            position: held.position,
            generation,
            used: false,
        };
        Delivery {
            message: held.message,
            taken: held.taken,
            position: Some(held.position),
            attempt,
            settle: Some(Box::new(ticket)),
        }
    }

    async fn wait(&mut self, until: Option<Instant>) -> Result<(), ReceiveError> {
        let due = async {
            match until {
                Some(moment) => tokio::time::sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = self.changed.changed() => changed.map_err(|_| ReceiveError::Closed),
            moved = self.end.changed() => moved.map_err(|_| ReceiveError::Closed),
            () = due => Ok(()),
        }
    }
}

impl Consumer for GroupConsumer {
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(self.receive(max.max(1)))
    }
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.group.leave(self.id);
    }
}

/// Settles one delivery, once.
struct Ticket {
    group: Arc<Group>,
    position: Position,
    generation: u64,
    used: bool,
}

impl Settle for Ticket {
    fn settle(
        mut self: Box<Self>,
        settlement: Settlement,
        _message: Option<Message>,
    ) -> BoxFuture<'static, Result<(), ReceiveError>> {
        Box::pin(async move {
            // From the first poll on the settlement is on its way, also if this future is dropped.
            self.used = true;
            self.group
                .settle(self.position, self.generation, settlement)
                .await
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.used {
            self.group
                .state()
                .backlog
                .give_back(self.position, self.generation);
            self.group.announce();
        }
    }
}
