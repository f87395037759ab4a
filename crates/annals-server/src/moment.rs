//! Moments of a history: `?at=` as a time or as a position.
//!
//! In: `2026-01-03T10:00:00Z` or `10452`. Out: the end of the store as it was then. A time means "everything recorded
//! up to and at it"; a position means "everything before it", as `Annals-Position` does: the position that a command
//! answered is the moment just after it.

use std::str::FromStr;

use annals_core::port::store::{EventStore, ReadError};
use annals_core::position::Position;
use annals_core::time::{ParseTimestampError, Timestamp};

use crate::problem::{Answer, NOT_FOUND, Problem};

/// A moment of one store's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Of recorded time.
    Time(Timestamp),
    /// When this was the end: before the event at this position.
    Position(Position),
}

/// The end of a store at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Then {
    /// The first position that did not exist yet.
    pub end: Position,
    /// Nothing that will be appended can come before this end: answers about it never change.
    pub is_settled: bool,
}

impl Moment {
    /// Finds the moment in a store.
    ///
    /// # Errors
    /// 404: the position does not exist yet. Others as the store's read.
    pub async fn then(self, store: &dyn EventStore) -> Answer<Then> {
        match self {
            Self::Time(time) => {
                let end = store.end_at(time).await?;
                // Recorded time never decreases: once something later is recorded, nothing earlier can be.
                Ok(Then {
                    end,
                    is_settled: end < store.end(),
                })
            }
            Self::Position(position) if position <= store.end() => Ok(Then {
                end: position,
                is_settled: true,
            }),
            Self::Position(position) => {
                let end = store.end();
                let detail = format!("expected a position up to {end}, found {position}");
                Err(Box::new(
                    Problem::new(&NOT_FOUND, detail).sides(format!("up to {end}"), position.get()),
                ))
            }
        }
    }

    /// The first position at or after the moment: where a reading begins that is bounded by it.
    ///
    /// # Errors
    /// As the store's read.
    pub async fn begin(self, store: &dyn EventStore) -> Result<Position, ReadError> {
        match self {
            Self::Time(time) => {
                store
                    .end_at(time.before(std::time::Duration::from_micros(1)))
                    .await
            }
            Self::Position(position) => Ok(position),
        }
    }
}

impl FromStr for Moment {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(position) => Ok(Self::Position(position)),
            // In a query, an unencoded `+` of a time zone arrives as a space.
            Err(_) => text.replace(' ', "+").parse().map(Self::Time),
        }
    }
}
