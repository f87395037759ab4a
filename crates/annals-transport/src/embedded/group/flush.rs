//! Settlements become durable.
//!
//! In: what is to become of deliveries. Out: marks in the broker's store, and the answer to whoever settled. Settlements
//! that come while one append is under way go together in the next: whoever gets the turn writes them all.
//!
//! 1. A settlement is answered after its marks are durable, and takes effect in memory only then.
//! 2. A settlement that could not be written leaves the message unsettled: it comes back.
//! 3. If whoever has the turn is dropped half-way, what it took goes back to be written by the next; writing it twice
//!    has one effect.

use std::collections::BTreeSet;
use std::time::Duration;

use annals_core::condition::Conflict;
use annals_core::mark::Mark;
use annals_core::port::store::{Append, AppendError};
use annals_core::port::transport::{ReceiveError, Settlement};
use annals_core::position::Position;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::state::{Group, Outcome, State, Verdict};
use crate::embedded::backlog::Held;
use crate::embedded::record::{Checkpoint, Parked, Tried, cut_reason};

/// Settlements written in one append: their reasons and what they clear away fit into it.
const FLUSH_MAX: usize = 256;
/// The longest wait before a retry; a longer one is cut.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What an append is to say, and what follows from it.
struct Entry {
    marks: Vec<Mark>,
    watermark: Position,
    checkpoint: Checkpoint,
}

/// Outcomes taken to be written; dropped unanswered they go back.
struct Taken<'a> {
    group: &'a Group,
    outcomes: Vec<Outcome>,
}

impl Group {
    /// Settles a delivery, if it is in hand under this generation of its lane.
    pub(super) async fn settle(
        &self,
        position: Position,
        generation: u64,
        settlement: Settlement,
    ) -> Result<(), ReceiveError> {
        let mut answer = self.begin_settling(position, generation, settlement)?;
        loop {
            let turn = self.flushing.lock().await;
            if answer.is_empty() {
                self.flush().await;
            }
            drop(turn);
            match answer.try_recv() {
                Ok(result) => return result,
                Err(oneshot::error::TryRecvError::Empty) => {}
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(ReceiveError::Lost("its settlement was not written".into()));
                }
            }
        }
    }

    /// Writes what was settled by futures that were dropped before they had written it.
    pub(super) async fn flush_left_over(&self) {
        if self.state().pending.is_empty() {
            return;
        }
        // If somebody has the turn they will write it, or announce that they did not.
        if let Ok(_turn) = self.flushing.try_lock() {
            self.flush().await;
        }
    }

    fn begin_settling(
        &self,
        position: Position,
        generation: u64,
        settlement: Settlement,
    ) -> Result<oneshot::Receiver<Result<(), ReceiveError>>, ReceiveError> {
        let mut state = self.state();
        if let Some(reason) = &state.lost {
            return Err(ReceiveError::Lost(reason.clone()));
        }
        if !state.backlog.begin_settling(position, generation) {
            return Err(ReceiveError::Lost(format!(
                "the message at position {position} is not in hand under generation {generation} of its lane"
            )));
        }
        let verdict = self.verdict(&state, position, settlement);
        let (answer, answered) = oneshot::channel();
        state.pending.push_back(Outcome {
            position,
            verdict,
            answer,
        });
        Ok(answered)
    }

    fn verdict(&self, state: &State, position: Position, settlement: Settlement) -> Verdict {
        match settlement {
            Settlement::Done => Verdict::Done,
            Settlement::Park { reason } => Verdict::Park {
                reason: cut_reason(reason),
            },
            Settlement::Retry { after } => {
                let after = after.min(RETRY_AFTER_MAX);
                let tried = Tried {
                    tries: state.backlog.held(position).map_or(1, |held| held.tries),
                    not_before: self.setting.clock.now().after(after),
                    after_millis: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
                };
                Verdict::Retry {
                    tried,
                    until: Instant::now() + after,
                }
            }
        }
    }

    /// Writes pending settlements. The caller has the turn.
    async fn flush(&self) {
        let (mut taken, entry) = {
            let mut state = self.state();
            let count = state.pending.len().min(FLUSH_MAX);
            let outcomes: Vec<_> = state.pending.drain(..count).collect();
            if outcomes.is_empty() {
                return;
            }
            let entry = self.entry(&state, &outcomes);
            (
                Taken {
                    group: self,
                    outcomes,
                },
                entry,
            )
        };
        let append = Append {
            events: Vec::new(),
            conditions: vec![self.keys.lead(self.generation)],
            marks: entry.marks,
        };
        let result = self.setting.store.append(append).await;
        let outcomes = std::mem::take(&mut taken.outcomes);
        match result {
            Ok(_) => self.apply(outcomes, entry.watermark, entry.checkpoint),
            Err(error) => self.not_written(outcomes, &error),
        }
        self.announce();
    }

    fn entry(&self, state: &State, outcomes: &[Outcome]) -> Entry {
        let held = |outcome: &Outcome| state.backlog.held(outcome.position);
        let finished: BTreeSet<Position> = outcomes
            .iter()
            .filter(|outcome| !matches!(outcome.verdict, Verdict::Retry { .. }))
            .filter(|outcome| held(outcome).is_some_and(|held| !held.requeued))
            .map(|outcome| outcome.position)
            .collect();
        let watermark = state.window.watermark_with(&finished);
        let mut marks = Vec::with_capacity(outcomes.len() + 1);
        for outcome in outcomes {
            if let Some(held) = held(outcome) {
                self.marks_of(held, &outcome.verdict, &mut marks);
            }
        }
        marks.extend(
            finished
                .range(watermark..)
                .map(|position| self.keys.set_done(*position)),
        );
        marks.extend(
            state
                .window
                .done_before(watermark)
                .map(|position| self.keys.remove_done(position)),
        );
        if state.unsure {
            marks.extend(
                state
                    .window
                    .done_from(watermark)
                    .map(|position| self.keys.set_done(position)),
            );
            let below = finished.range(..watermark);
            marks.extend(below.map(|position| self.keys.remove_done(*position)));
        }
        let mut checkpoint = state.checkpoint.clone();
        checkpoint.move_to(watermark);
        if checkpoint != state.checkpoint || state.unsure {
            marks.push(self.keys.set_at(&checkpoint));
        }
        Entry {
            marks,
            watermark,
            checkpoint,
        }
    }

    /// The marks of one settlement, apart from those of the window.
    fn marks_of(&self, held: &Held, verdict: &Verdict, marks: &mut Vec<Mark>) {
        let event = &held.message.event;
        if let Verdict::Retry { tried, .. } = verdict {
            marks.push(self.keys.set_tried(held.position, tried));
            return;
        }
        if held.tries_marked || held.unsure {
            marks.push(self.keys.remove_tried(held.position));
        }
        match verdict {
            Verdict::Park { reason } => marks.push(self.keys.set_parked(&Parked {
                id: event.id,
                topic: held.message.topic.clone(),
                event_type: event.event_type.clone(),
                position: held.position,
                reason: reason.clone(),
                attempts: held.tries,
                parked: self.setting.clock.now(),
                requeued: false,
            })),
            _ if held.requeued || held.unsure => marks.push(self.keys.remove_parked(event.id)),
            _ => {}
        }
    }

    fn apply(&self, outcomes: Vec<Outcome>, watermark: Position, checkpoint: Checkpoint) {
        let mut state = self.state();
        for outcome in outcomes {
            match outcome.verdict {
                Verdict::Retry { until, .. } => state.backlog.delay(outcome.position, until),
                Verdict::Done | Verdict::Park { .. } => {
                    state.window.finish(outcome.position);
                    state.backlog.finish(outcome.position);
                }
            }
            // Whoever settled may have gone; the settlement stands all the same.
            let _gone = outcome.answer.send(Ok(()));
        }
        state.window.forget_before(watermark);
        state.checkpoint = checkpoint;
        state.unsure = false;
    }

    fn not_written(&self, outcomes: Vec<Outcome>, error: &AppendError) {
        let answer = match error {
            AppendError::Closed(_) => ReceiveError::Closed,
            AppendError::Conflict(Conflict::Mark { .. }) => ReceiveError::Lost(format!(
                "another broker leads the group {} now: {error}",
                self.name
            )),
            other => ReceiveError::Lost(format!("the settlement was not written: {other}")),
        };
        let mut state = self.state();
        if let (AppendError::Conflict(_), ReceiveError::Lost(reason)) = (error, &answer) {
            state.lost = Some(reason.clone());
        }
        let unsure = matches!(error, AppendError::Unknown(_));
        state.unsure |= unsure;
        for outcome in outcomes {
            if unsure {
                state.backlog.doubt(outcome.position);
            }
            state.backlog.put_back(outcome.position);
            // Whoever settled may have gone; the message comes back all the same.
            let _gone = outcome.answer.send(Err(answer.clone()));
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.outcomes.is_empty() {
            return;
        }
        let mut state = self.group.state();
        state.unsure = true;
        for outcome in self.outcomes.drain(..).rev() {
            state.backlog.doubt(outcome.position);
            state.pending.push_front(outcome);
        }
        drop(state);
        self.group.announce();
    }
}
