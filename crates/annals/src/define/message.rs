//! Messages: what events and commands have in common, a stable name and a shape that is stored as JSON.

use annals_core::event::EventType;
use serde::Serialize;
use thiserror::Error;

/// A named, versioned shape. Both `#[derive(Event)]` and `#[derive(Command)]` implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    note = "derive `Event` or `Command` for it, with serde's derives beside it"
)]
pub trait Message: Serialize + Sized + Send + Sync + 'static {
    /// The stable name: `order.placed`.
    const TYPE: EventType;
    /// The version of the shape, from 1.
    const VERSION: u16;

    /// Reads stored content of this or an older version, lifting older ones step by step.
    ///
    /// # Errors
    /// [`DecodeError`]; the record is kept as it is, whoever reads it decides what to do.
    fn decode(version: u16, data: &[u8]) -> Result<Self, DecodeError>;
}

/// Why stored content could not be read as the type it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Written by a newer build. Deploy that build here too.
    #[error("{event_type} is of version {found}, this build reads up to version {supported}")]
    Newer {
        /// The type.
        event_type: EventType,
        /// The version it was written with.
        found: u16,
        /// The newest version this build knows.
        supported: u16,
    },
    /// The content does not have the shape of its type and version.
    #[error("{event_type} version {version} does not have its expected shape: {reason}")]
    Malformed {
        /// The type.
        event_type: EventType,
        /// The version it claims.
        version: u16,
        /// What the codec said, with line and column.
        reason: String,
    },
}

impl DecodeError {
    /// A malformed content of a type, with the codec's words.
    pub fn malformed(event_type: EventType, version: u16, reason: impl ToString) -> Self {
        Self::Malformed {
            event_type,
            version,
            reason: reason.to_string(),
        }
    }
}

/// Reads content of exactly the current version; what the derives call.
///
/// # Errors
/// [`DecodeError::Malformed`] with the codec's words.
pub fn from_json<M>(version: u16, data: &[u8]) -> Result<M, DecodeError>
where
    M: Message + serde::de::DeserializeOwned,
{
    serde_json::from_slice(data).map_err(|reason| DecodeError::malformed(M::TYPE, version, reason))
}
