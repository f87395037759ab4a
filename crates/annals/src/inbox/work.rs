//! The work on one message: attempts, and in the end its effect, or its parking.
//!
//! In: a message, and whoever takes its type. Out: how it ended. The effect and the note that the message is dealt with
//! are one commit, which depends on the note not being there yet and on the lead of the inbox: work that was given up
//! and goes on all the same has no effect.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use annals_core::bug::is_planted;
use annals_core::condition::Condition;
use annals_core::event::NewEvent;
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError};
use annals_core::port::transport::{Topic, UNDECODABLE};
use annals_core::position::Position;
use annals_core::tag::Tag;
use futures_util::FutureExt;

use crate::bug::Bug;
use crate::decide::errand::MessageDone;
use crate::ground::hub::Hub;
use crate::ground::progress::Progress;
use crate::inbox::dispatch::{Handled, Taker};
use crate::inbox::lead::Lead;
use crate::inbox::parked::{self, Parked};

/// The mark space of messages that are dealt with above the checkpoint.
pub(crate) const HANDLED: &str = "handled";
/// The mark space of attempts at messages that fail.
const ATTEMPTS: &str = "attempts";

/// What to do with a message that has failed as often as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Park it and go on with the next of its key. Order within the key is given up at this place.
    #[default]
    Park,
    /// Park it and everything of its key that follows, in order, until it is requeued. Other keys go on.
    ParkKey,
    /// Try for ever; the key waits. The inbox takes in nothing new once too many messages wait.
    Block,
}

/// One message to deal with: from the transport, or taken up again.
pub(crate) struct Job {
    pub(crate) message: Arc<NewEvent>,
    pub(crate) topic: Topic,
    /// Where it is in the transport's log; `None` for one that was parked.
    pub(crate) position: Option<Position>,
    /// How it was parked, if it was.
    pub(crate) parked: Option<Parked>,
}

pub(crate) struct Finished {
    pub(crate) key: Option<Tag>,
    pub(crate) position: Option<Position>,
    pub(crate) id: EventId,
    pub(crate) ended: Result<Ended, String>,
}

/// How the work on a message ended.
pub(crate) enum Ended {
    /// Its effect is durable.
    Done,
    /// It is put aside.
    Parked,
    /// The service stops; the message comes back after the next start.
    Stopped,
}

pub(crate) fn handled_key(id: EventId) -> MarkKey {
    MarkKey::new(HANDLED, id.to_string())
}

/// The work on one message: attempts, and in the end its effect or its parking.
pub(crate) struct Work {
    pub(crate) hub: Hub,
    pub(crate) taker: Option<Arc<dyn Taker>>,
    pub(crate) on_failure: OnFailure,
    pub(crate) key_is_parked: bool,
    pub(crate) progress: Progress,
    pub(crate) lead: Lead,
    pub(crate) job: Job,
}

impl Work {
    pub(crate) async fn run(self) -> Finished {
        let ended = self.try_until_done().await;
        Finished {
            key: self.job.message.partition_tag().cloned(),
            position: self.job.position,
            id: self.job.message.id,
            ended,
        }
    }

    async fn try_until_done(&self) -> Result<Ended, String> {
        let Some(taker) = &self.taker else {
            if self.job.message.event_type == UNDECODABLE {
                return self
                    .park("its bytes are no event; they are kept as they came", 0)
                    .await;
            }
            return self
                .park("no command or handler of this service takes it", 0)
                .await;
        };
        if self.key_is_parked {
            return self.park("an earlier message of its key is parked", 0).await;
        }
        let mut attempt = self.attempts_before().await?;
        loop {
            attempt += 1;
            match self.take(&**taker, attempt).await {
                Handled::Done => {
                    if is_planted(Bug::NoteOutsideCommit) {
                        self.note_apart().await?;
                    }
                    return Ok(Ended::Done);
                }
                Handled::Hopeless(reason) => return self.park(&reason, attempt).await,
                Handled::Failed(reason) => {
                    let exhausted = attempt >= taker.attempts_max();
                    if exhausted && self.on_failure != OnFailure::Block {
                        return self.park(&reason, attempt).await;
                    }
                    self.failed(attempt, &reason).await?;
                }
            }
            if self.hub.stop.is_stopped() {
                return Ok(Ended::Stopped);
            }
        }
    }

    /// One attempt. A panic is a failure of this message, and not of those beside it.
    async fn take(&self, taker: &dyn Taker, attempt: u32) -> Handled {
        let message = Arc::clone(&self.job.message);
        let handled = AssertUnwindSafe(taker.take(message, self.done(), attempt))
            .catch_unwind()
            .await;
        handled.unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
            Handled::Failed(format!("it panicked: {}", words.unwrap_or("without words")))
        })
    }

    async fn attempts_before(&self) -> Result<u32, String> {
        if self.job.parked.is_some() || is_planted(Bug::ForgetAttempts) {
            return Ok(0);
        }
        let value = self
            .hub
            .store
            .mark(self.attempts_key())
            .await
            .map_err(|error| error.to_string())?;
        Ok(value
            .and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok())
            .unwrap_or(0))
    }

    /// Notes the attempt, so that a restart goes on counting, and waits.
    async fn failed(&self, attempt: u32, reason: &str) -> Result<(), String> {
        let message = &self.job.message;
        tracing::warn!(id = %message.id, event_type = %message.event_type, attempt, "a message failed: {reason}");
        metrics::counter!("annals_message_attempts_failed_total").increment(1);
        if self.on_failure == OnFailure::Block {
            self.progress.trouble(Some(format!(
                "{} {} fails: {reason}",
                message.event_type, message.id
            )));
        }
        let marks = vec![Mark::set(self.attempts_key(), attempt.to_string())];
        self.hub
            .append(Append {
                marks,
                ..Append::default()
            })
            .await
            .map_err(|error| error.to_string())?;
        self.hub.pause(attempt).await;
        Ok(())
    }

    fn attempts_key(&self) -> MarkKey {
        MarkKey::new(ATTEMPTS, self.job.message.id.to_string())
    }

    /// The note that becomes durable together with the effect.
    fn done(&self) -> MessageDone {
        let id = self.job.message.id;
        let attempts = Mark::remove(self.attempts_key());
        let (note, expected, mut mark) = match &self.job.parked {
            None => {
                let now = self.hub.recording.world.now().as_micros();
                (handled_key(id), None, Mark::set(handled_key(id), now.to_string()))
            }
            // Taken up again: the note is that it is parked no longer.
            Some(parked) => {
                let key = parked::mark_key(id);
                (key.clone(), parked.mark().value, Mark::remove(key))
            }
        };
        if is_planted(Bug::NoteOutsideCommit) {
            mark = attempts.clone();
        }
        let untouched = Condition::MarkIs {
            key: note.clone(),
            expected,
        };
        MessageDone {
            tags: self.job.message.tags.clone(),
            note,
            conditions: vec![self.lead.condition(), untouched],
            marks: vec![mark, attempts],
        }
    }

    /// What is done where [`Bug::NoteOutsideCommit`] is planted.
    async fn note_apart(&self) -> Result<(), String> {
        let now = self.hub.recording.world.now().as_micros();
        let note = Append {
            marks: vec![Mark::set(handled_key(self.job.message.id), now.to_string())],
            ..Append::default()
        };
        let noted = self.hub.append(note).await;
        noted.map(drop).map_err(|error| error.to_string())
    }

    async fn park(&self, reason: &str, attempts: u32) -> Result<Ended, String> {
        let message = &self.job.message;
        tracing::error!(id = %message.id, event_type = %message.event_type, attempts, "a message is parked: {reason}");
        metrics::counter!("annals_messages_parked_total").increment(1);
        let parked = Parked {
            id: message.id,
            message: smol_str::SmolStr::new(message.event_type.as_str()),
            topic: self.job.topic.clone(),
            key: message.partition_tag().cloned(),
            reason: reason.to_owned(),
            attempts,
            at: self.hub.recording.world.now(),
            position: self
                .job
                .position
                .or(self.job.parked.as_ref().and_then(|before| before.position)),
        };
        let MessageDone {
            conditions,
            mut marks,
            ..
        } = self.done();
        // The last write of a mark wins: one that was parked before is parked again.
        marks.push(parked.mark());
        let events = vec![parked::keep(&self.hub.recording, message, parked)];
        match self
            .hub
            .append(Append {
                events,
                conditions,
                marks,
            })
            .await
        {
            Ok(_) => Ok(Ended::Parked),
            // Somebody else has dealt with it meanwhile.
            Err(AppendError::Conflict(_)) => Ok(Ended::Done),
            Err(error) => Err(error.to_string()),
        }
    }
}
