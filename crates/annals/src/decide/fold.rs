//! Folding: reading the events of a key and applying them to a state.

use annals_core::event::EventType;
use annals_core::port::store::{EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use thiserror::Error;

use crate::decide::cache::Folded;
use crate::define::boundary::Fold;
use crate::define::message::DecodeError;

/// Why a state could not be folded.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum FoldError {
    /// The store did not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event of the model's set cannot be read.
    #[error("{model} cannot take the event at position {position} of {tag}: {source}")]
    Decode {
        /// Which model.
        model: &'static str,
        /// Whose events.
        tag: Tag,
        /// Where the event is.
        position: Position,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// Events that it needs were archived, and no snapshot stands for them. Restore the archive and ask there, or fold
    /// it there and keep a snapshot before the store is truncated again.
    #[error("{model} of {tag} cannot be folded: {source}, and {why}")]
    NoSnapshot {
        /// Which model.
        model: &'static str,
        /// Whose events.
        tag: Tag,
        /// What became of its snapshot.
        why: &'static str,
        /// Where the events are; always [`ReadError::Gone`].
        source: ReadError,
    },
}

/// Folds on from what there is to a position.
///
/// # Errors
/// [`FoldError`]; nothing is kept of what was folded.
pub async fn fold_to(
    store: &dyn EventStore,
    fold: &Fold,
    tag: &Tag,
    from: Option<Folded>,
    to: Position,
) -> Result<Folded, FoldError> {
    let mut folded = from.unwrap_or_else(|| Folded {
        state: (fold.empty)(),
        end: Position::ZERO,
        newer: 0,
    });
    while folded.end < to {
        let query = Query::any(vec![QueryItem::of(fold.types, tag.clone())]);
        let page = store.read(Read::new(query, folded.end).to(to)).await?;
        for event in &page.events {
            let step = Step {
                event_type: &event.event_type,
                version: event.version,
                data: &event.data,
            };
            apply(fold, tag, &mut folded, event.position, &step)?;
        }
        folded.end = if page.finished { to } else { page.next };
    }
    Ok(folded)
}

/// The part of an event that a fold looks at.
pub struct Step<'a> {
    /// Its type.
    pub event_type: &'a EventType,
    /// The version of its shape.
    pub version: u16,
    /// Its content.
    pub data: &'a [u8],
}

/// Applies one event to a state nobody else holds.
///
/// # Errors
/// The event cannot be read as its type.
pub fn apply(
    fold: &Fold,
    tag: &Tag,
    folded: &mut Folded,
    position: Position,
    step: &Step<'_>,
) -> Result<(), FoldError> {
    let applied = (fold.apply)(&mut folded.state, step.event_type, step.version, step.data);
    match applied {
        Ok(applied) => {
            assert!(applied, "a state is folded only while nobody else holds it");
            folded.newer += 1;
            Ok(())
        }
        Err(source) => Err(FoldError::Decode {
            model: fold.name,
            tag: tag.clone(),
            position,
            source,
        }),
    }
}
