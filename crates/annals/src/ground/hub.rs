//! What every runner of a service shares: the store, the pen, the way to stop, and where checkpoints are kept.

use std::sync::Arc;
use std::time::Duration;

use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, EventStore, ReadError};
use annals_core::position::Position;
use bytes::Bytes;
use tokio::sync::watch;

use crate::ground::backoff::Backoff;
use crate::ground::progress::Progress;
use crate::ground::record::Recording;

/// The mark space of checkpoints.
const CHECKPOINT: &str = "checkpoint";

/// Between two tries at a broker, at most, jitter aside: one that is back is to be noticed soon, since what has a deadline
/// waits for it, and to ask costs little.
pub(crate) const BROKER_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Shared by the runners of one service.
#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) recording: Recording,
    pub(crate) stop: Stop,
    pub(crate) backoff: Backoff,
}

/// Tells runners to stop, and lets them wait for it.
#[derive(Clone)]
pub(crate) struct Stop {
    stopped: watch::Receiver<bool>,
}

impl Stop {
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, stopped) = watch::channel(false);
        (sender, Self { stopped })
    }

    /// Resolves when it is time to stop.
    pub(crate) async fn wait(&mut self) {
        // An error means that whoever could say stop is gone, which says the same.
        let _gone = self.stopped.wait_for(|stopped| *stopped).await;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }
}

impl Hub {
    /// Everything before the checkpoint is dealt with; the beginning if there is none.
    pub(crate) async fn checkpoint(&self, name: &str) -> Result<Position, ReadError> {
        let value = self.store.mark(MarkKey::new(CHECKPOINT, name)).await?;
        let number = value.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
        Ok(number.unwrap_or(Position::ZERO))
    }

    pub(crate) fn checkpoint_mark(name: &str, position: Position) -> Mark {
        Mark::set(MarkKey::new(CHECKPOINT, name), position.to_string())
    }

    /// What the mark of a checkpoint holds: nothing at the beginning, where none was set yet.
    pub(crate) fn checkpoint_value(position: Position) -> Option<Bytes> {
        (position > Position::ZERO).then(|| position.to_string().into())
    }

    /// Appends until it is known to have happened, or cannot happen, or it is time to stop.
    ///
    /// Conflicts and malformed appends come back at once; repeating what is unknown is safe because of the event ids.
    pub(crate) async fn append(
        &self,
        append: Append,
    ) -> Result<annals_core::port::store::Appended, AppendError> {
        let mut failures = 0;
        loop {
            let outcome = self.store.append(append.clone()).await;
            match outcome {
                Err(AppendError::Full(_) | AppendError::Unknown(_)) if !self.stop.is_stopped() => {
                    failures += 1;
                    self.pause(failures).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Waits before the next try, or until it is time to stop.
    pub(crate) async fn pause(&self, failures: u32) {
        self.pause_at_most(self.backoff.longest, failures).await;
    }

    /// As [`Hub::pause`], but no longer than this, jitter aside.
    pub(crate) async fn pause_at_most(&self, longest: Duration, failures: u32) {
        let backoff = Backoff {
            longest: longest.min(self.backoff.longest),
            ..self.backoff
        };
        self.sleep(backoff.after(failures, &self.recording.world)).await;
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        let mut stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.wait() => {}
            () = tokio::time::sleep(duration) => {}
        }
    }
}

/// The tries of one runner, with a pause after each that failed; one that came further than the last begins to count
/// anew.
pub(crate) struct Tries {
    hub: Hub,
    progress: Progress,
    longest: Duration,
    came: (Position, u64),
    failures: u32,
}

impl Tries {
    pub(crate) fn new(hub: &Hub, progress: &Progress) -> Self {
        Self {
            hub: hub.clone(),
            progress: progress.clone(),
            longest: hub.backoff.longest,
            came: progress.came(),
            failures: 0,
        }
    }

    /// Of a runner that a broker keeps waiting.
    pub(crate) fn at_a_broker(hub: &Hub, progress: &Progress) -> Self {
        Self {
            longest: BROKER_PAUSE_MAX,
            ..Self::new(hub, progress)
        }
    }

    /// Whether to try again: not after an end that was asked for. Says what the trouble is, and waits.
    pub(crate) async fn again(&mut self, ended: Result<(), String>) -> bool {
        let Err(trouble) = ended else { return false };
        self.progress.trouble(Some(trouble));
        let came = self.progress.came();
        self.failures = if came == self.came { self.failures + 1 } else { 1 };
        self.came = came;
        self.hub.pause_at_most(self.longest, self.failures).await;
        !self.hub.stop.is_stopped()
    }
}
