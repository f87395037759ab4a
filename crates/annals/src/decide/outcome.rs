//! What became of a command: the answer, the error, and the first answer kept under an idempotency key.

use annals_core::id::{CorrelationId, EventId};
use annals_core::kind::ErrorKind;
use annals_core::port::store::{AppendError, ReadError};
use annals_core::position::{Position, Revision};
use annals_core::tag::{Tag, TagError};
use annals_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::decide::fold::FoldError;
use crate::define::command::Refusal;
use crate::define::event::EncodeError;
use crate::ground::hash::fnv;

/// A command was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The events it became, in order; none if what was asked for held already.
    pub events: Vec<EventId>,
    /// The position after the last of them: wait for it to read your own write.
    pub end: Position,
    /// When they were recorded; `None` if there are none.
    pub recorded: Option<Timestamp>,
    /// What everything that follows from this request has in common.
    pub correlation: Option<CorrelationId>,
    /// This is the answer to an earlier command with the same idempotency key; nothing was done now.
    pub repeated: bool,
    /// How often it was decided; more than 1 after lost races.
    pub attempts: u32,
}

/// A refusal as it is stored and as programs see it that do not know its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{detail}")]
pub struct AnyRefusal {
    /// The stable word: `out_of_stock`.
    pub code: String,
    /// The same in words.
    pub detail: String,
}

impl AnyRefusal {
    /// From a refusal of whatever type.
    pub fn of<R: Refusal>(refusal: &R) -> Self {
        Self {
            code: refusal.code().into_owned(),
            detail: refusal.to_string(),
        }
    }
}

impl Refusal for AnyRefusal {
    fn code(&self) -> std::borrow::Cow<'static, str> {
        self.code.clone().into()
    }
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ExecuteError<R: Refusal> {
    /// The domain says no.
    #[error("{0}")]
    Refused(R),
    /// The domain said no to an earlier command with the same idempotency key.
    #[error("{0}")]
    RefusedBefore(AnyRefusal),
    /// Others were first every time. Try again later.
    #[error("others were first {attempts} times in a row, last: {last}")]
    Contended {
        /// How often it was decided.
        attempts: u32,
        /// The last conflict.
        last: annals_core::condition::Conflict,
    },
    /// The tag is not at the revision the caller expects. Read it again.
    #[error("expected {tag} at {}, found it at {}", at(expected), at(found))]
    Moved {
        /// The tag.
        tag: Tag,
        /// What the caller expects.
        expected: Option<Revision>,
        /// What there is.
        found: Option<Revision>,
    },
    /// The history holds events this build does not know. Deploy a build that does, or list the type as ignored.
    #[error(
        "stale build: the history of {command} holds events of type {unknown}, which no set of this build knows; \
         deploy a newer build, or add it to `Model::IGNORED` if it cannot matter"
    )]
    StaleBuild {
        /// The command.
        command: &'static str,
        /// The type.
        unknown: annals_core::event::EventType,
    },
    /// The decision panicked. That is a mistake in its code: mend it; the same command will panic again.
    #[error("the decision on {command} panicked")]
    Panicked {
        /// The command.
        command: &'static str,
    },
    /// The idempotency key cannot be one. Use a shorter or a printable one.
    #[error(
        "expected an idempotency key of 1 to 255 bytes without control characters, found one of {bytes} bytes"
    )]
    IdempotencyKey {
        /// How many bytes it has.
        bytes: usize,
    },
    /// The idempotency key was used for another command. Use a new key for a new request.
    #[error("the idempotency key {key:?} was used before with another command")]
    KeyReused {
        /// The key.
        key: String,
    },
    /// A key of the command makes no tag. Do not retry unchanged.
    #[error("{command} has a key that makes no tag: {source}")]
    Key {
        /// The command.
        command: &'static str,
        /// What is wrong.
        source: TagError,
    },
    /// An event could not be written down.
    #[error(transparent)]
    Encode(#[from] std::sync::Arc<EncodeError>),
    /// The models could not be loaded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The store did not answer a read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The events could not be appended.
    #[error(transparent)]
    Append(AppendError),
}

impl<R: Refusal> ExecuteError<R> {
    /// What this means in one word.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) | Self::RefusedBefore(_) => ErrorKind::Refused,
            Self::Contended { .. } | Self::Moved { .. } => ErrorKind::Conflict,
            Self::StaleBuild { .. } | Self::Panicked { .. } => ErrorKind::Unavailable,
            Self::KeyReused { .. } | Self::IdempotencyKey { .. } | Self::Key { .. } | Self::Encode(_) => {
                ErrorKind::Invalid
            }
            Self::Fold(FoldError::Read(read) | FoldError::NoSnapshot { source: read, .. })
            | Self::Read(read) => read.kind(),
            Self::Fold(FoldError::Decode { .. }) => ErrorKind::Unavailable,
            Self::Append(append) => append.kind(),
        }
    }

    /// A stable word for programs; a refusal's own code if it is one.
    pub fn code(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.code().into_owned(),
            Self::RefusedBefore(refusal) => refusal.code.clone(),
            Self::Contended { .. } => "contended".into(),
            Self::Moved { .. } => "precondition_failed".into(),
            Self::StaleBuild { .. } => "stale_build".into(),
            Self::Panicked { .. } => "panicked".into(),
            Self::KeyReused { .. } => "idempotency_key_reused".into(),
            Self::IdempotencyKey { .. } => "invalid_idempotency_key".into(),
            Self::Key { .. } => "invalid_key".into(),
            Self::Encode(_) => "invalid_event".into(),
            other => other.kind().to_string().replace(' ', "_"),
        }
    }

    /// The same error without the refusal's type.
    pub fn erase(self) -> ExecuteError<AnyRefusal> {
        match self {
            Self::Refused(refusal) => ExecuteError::Refused(AnyRefusal::of(&refusal)),
            Self::RefusedBefore(refusal) => ExecuteError::RefusedBefore(refusal),
            Self::Contended { attempts, last } => ExecuteError::Contended { attempts, last },
            Self::Panicked { command } => ExecuteError::Panicked { command },
            Self::Moved { tag, expected, found } => ExecuteError::Moved { tag, expected, found },
            Self::StaleBuild { command, unknown } => ExecuteError::StaleBuild { command, unknown },
            Self::KeyReused { key } => ExecuteError::KeyReused { key },
            Self::IdempotencyKey { bytes } => ExecuteError::IdempotencyKey { bytes },
            Self::Key { command, source } => ExecuteError::Key { command, source },
            Self::Encode(source) => ExecuteError::Encode(source),
            Self::Fold(source) => ExecuteError::Fold(source),
            Self::Read(source) => ExecuteError::Read(source),
            Self::Append(source) => ExecuteError::Append(source),
        }
    }
}

fn at(revision: &Option<Revision>) -> String {
    revision.map_or_else(
        || "no revision (no event yet)".to_owned(),
        |at| format!("revision {at}"),
    )
}

/// The first answer to an idempotency key, as its mark holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FirstAnswer {
    /// Of the command, so that another one under the same key is noticed.
    pub(crate) fingerprint: String,
    pub(crate) correlation: Option<CorrelationId>,
    pub(crate) answer: Answer,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Done { events: Vec<EventId> },
    Refused(AnyRefusal),
}

/// Tells commands under one key apart; no protection against intent is needed there.
pub(crate) fn fingerprint(name: &str, data: &[u8]) -> String {
    format!("{:032x}", fnv(&[name.as_bytes(), &[0], data]))
}

#[cfg(test)]
mod tests;
