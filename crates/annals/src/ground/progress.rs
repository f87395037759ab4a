//! Progress: how far a runner has come, for waiting, for status pages and for knowing when all is settled.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use annals_core::position::Position;
use serde::Serialize;
use smol_str::SmolStr;
use tokio::sync::watch;

/// What a runner tells about itself.
#[derive(Clone)]
pub struct Progress {
    inner: Arc<Inner>,
}

struct Inner {
    name: SmolStr,
    position: watch::Sender<Position>,
    in_flight: AtomicUsize,
    handled: AtomicU64,
    trouble: Mutex<Option<String>>,
}

/// A runner at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Which runner: `relay`, `inbox`, `process.fulfilment`, `projection.sales`.
    pub name: SmolStr,
    /// Everything before this position of what it follows is dealt with.
    pub position: Position,
    /// The end of what it follows.
    pub end: Position,
    /// What it has begun and not finished.
    pub in_flight: usize,
    /// How many events or messages it dealt with since it started.
    pub handled: u64,
    /// What keeps it from going on, if anything does.
    pub trouble: Option<String>,
}

impl Standing {
    /// Nothing to do and nothing under way.
    pub fn is_idle(&self) -> bool {
        self.position >= self.end && self.in_flight == 0 && self.trouble.is_none()
    }

    /// How far behind it is, in positions.
    pub fn lag(&self) -> u64 {
        self.end.get().saturating_sub(self.position.get())
    }
}

impl Progress {
    /// A runner that has not begun.
    pub fn new(name: impl Into<SmolStr>) -> Self {
        let inner = Inner {
            name: name.into(),
            position: watch::Sender::new(Position::ZERO),
            in_flight: AtomicUsize::new(0),
            handled: AtomicU64::new(0),
            trouble: Mutex::new(None),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Its name.
    pub fn name(&self) -> &SmolStr {
        &self.inner.name
    }

    /// Where it is, for waiting.
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.inner.position.subscribe()
    }

    /// Where it is.
    pub fn position(&self) -> Position {
        *self.inner.position.borrow()
    }

    /// Where it is and how much it dealt with: a broker that keeps the checkpoint tells no positions.
    pub(crate) fn came(&self) -> (Position, u64) {
        (self.position(), self.inner.handled.load(Ordering::Relaxed))
    }

    /// How it stands against the end of what it follows.
    pub fn standing(&self, end: Position) -> Standing {
        Standing {
            name: self.inner.name.clone(),
            position: self.position(),
            end,
            in_flight: self.inner.in_flight.load(Ordering::Relaxed),
            handled: self.inner.handled.load(Ordering::Relaxed),
            trouble: self
                .inner
                .trouble
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    /// What must be there before it can begin; no news, so it is not logged.
    pub(crate) fn awaits(&self, what: &str) {
        *self.inner.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(format!("waits for {what}"));
    }

    /// Begins anew: what was in the way or under way before is over.
    pub(crate) fn begins(&self) {
        self.trouble(None);
        self.in_flight(0);
    }

    pub(crate) fn reached(&self, position: Position) {
        self.inner.position.send_if_modified(|at| {
            let moved = *at < position;
            *at = position.max(*at);
            moved
        });
    }

    pub(crate) fn handled(&self, count: usize) {
        self.inner.handled.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn in_flight(&self, count: usize) {
        self.inner.in_flight.store(count, Ordering::Relaxed);
    }

    pub(crate) fn trouble(&self, what: Option<String>) {
        if let Some(what) = &what {
            tracing::warn!(runner = %self.inner.name, "{what}");
        }
        *self.inner.trouble.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }
}
