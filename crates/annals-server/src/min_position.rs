//! Reading your own writes: `Annals-Position` tells how far an answer reaches, `Annals-Min-Position` asks for an
//! answer that reaches at least so far, and `Prefer: wait=5` (RFC 7240) how long to wait for it.
//!
//! In: headers, and whatever moves forward: the end of a store, or a projection's position. Out: the position that
//! was reached, or a problem.

use std::time::Duration;

use annals_core::position::Position;
use axum::http::{HeaderMap, HeaderValue};
use tokio::sync::watch;

use crate::problem::{Answer, BAD_REQUEST, POSITION_NOT_REACHED, Problem, UNAVAILABLE};

/// On an answer: it contains everything before this position.
pub const POSITION: &str = "annals-position";
/// On a question: the answer must contain everything before this position.
pub const MIN_POSITION: &str = "annals-min-position";
/// Nobody waits longer than this.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// What a question demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MinPosition {
    /// The answer must contain everything before this position.
    pub position: Option<Position>,
    /// How long to wait for it, at most [`WAIT_MAX`]; zero: not at all.
    pub wait: Duration,
}

impl MinPosition {
    /// Reads both headers.
    ///
    /// # Errors
    /// 400: `Annals-Min-Position` is no position, or the wait no number of seconds.
    pub fn from_headers(headers: &HeaderMap) -> Answer<Self> {
        let position = match headers.get(MIN_POSITION) {
            Some(value) => Some(number(value, MIN_POSITION).map(Position::new)?),
            None => None,
        };
        let mut wait = Duration::ZERO;
        for value in headers.get_all("prefer") {
            let preferences = value.to_str().unwrap_or_default().split([',', ';']);
            for seconds in preferences.filter_map(|preference| preference.trim().strip_prefix("wait=")) {
                let seconds = seconds
                    .parse()
                    .map_err(|_| bad("expected whole seconds in Prefer: wait=N"))?;
                wait = Duration::from_secs(seconds).min(WAIT_MAX);
            }
        }
        Ok(Self { position, wait })
    }

    /// Waits until what is watched has reached the position; without a demand, answers at once.
    ///
    /// # Errors
    /// 503 with `Retry-After`: it is not there in time.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn reached(self, mut watched: watch::Receiver<Position>) -> Answer<Position> {
        let Some(wanted) = self.position else {
            return Ok(*watched.borrow());
        };
        let waited = tokio::time::timeout(self.wait, watched.wait_for(|at| *at >= wanted)).await;
        match waited.map(|reached| reached.map(|at| *at)) {
            Ok(Ok(at)) => return Ok(at),
            Ok(Err(_)) => {
                return Err(Box::new(Problem::new(
                    &UNAVAILABLE,
                    "what is asked for has stopped",
                )));
            }
            Err(_) => {}
        }
        let found = *watched.borrow();
        let detail = format!("expected everything before position {wanted}, found everything before {found}");
        Err(Box::new(
            Problem::new(&POSITION_NOT_REACHED, detail).sides(wanted.get(), found.get()),
        ))
    }
}

/// The value of [`POSITION`].
pub fn header(position: Position) -> HeaderValue {
    position.get().into()
}

fn number(value: &HeaderValue, name: &str) -> Answer<u64> {
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| bad(&format!("expected a position such as 10452 in {name}")))
}

fn bad(detail: &str) -> Box<Problem> {
    Box::new(Problem::new(&BAD_REQUEST, detail))
}

#[cfg(test)]
mod tests;
