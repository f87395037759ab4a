//! What a decision or handler is told besides its command and its models.

use std::sync::Arc;

use annals_core::id::{CorrelationId, EventId, IdSource};
use annals_core::time::Timestamp;
use smol_str::SmolStr;
use uuid::Uuid;

/// The circumstances of one decision or one handling of a message. All that is not in the command: a decision that
/// takes its time and new ids from here stays pure, and repeating it is safe.
#[derive(Clone)]
pub struct Context {
    pub(crate) now: Timestamp,
    pub(crate) attempt: u32,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) request: Request,
}

/// Who asked for something, and as a part of what. Travels with every message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// What all that follows from one request has in common.
    pub correlation: Option<CorrelationId>,
    /// The message that asked; `None` when it came from outside.
    pub causation: Option<EventId>,
    /// W3C trace context.
    pub trace_parent: Option<SmolStr>,
    /// Who asked.
    pub actor: Option<SmolStr>,
}

impl Context {
    /// A context of one's own making, for tests that call a decision directly.
    pub fn new(now: Timestamp, attempt: u32, ids: Arc<dyn IdSource>, request: Request) -> Self {
        Self {
            now,
            attempt,
            ids,
            request,
        }
    }

    /// The present moment, as this service's clock has it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A new id, for things that the decision creates. Another one at every attempt.
    pub fn new_id(&self) -> Uuid {
        self.ids.next(self.now)
    }

    /// How often this command was decided or this message was tried, this time included; from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Who asked, and as a part of what.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The same at every attempt of the same message: hand it to the outside world, so that what is done there is
    /// done once. For a command that came from outside and not as a message it is the correlation.
    pub fn idempotency_key(&self) -> String {
        match (self.request.causation, self.request.correlation) {
            (Some(message), _) => message.to_string(),
            (None, Some(correlation)) => correlation.to_string(),
            (None, None) => String::new(),
        }
    }
}
