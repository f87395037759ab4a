//! What every connection to a server needs: a deadline on each answer, and a note of how it fared.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use annals_core::port::transport::{Health, SubscribeError};
use tokio::time::timeout;

/// For connecting and for every answer of a broker.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// How a connection fared when it was last used.
#[derive(Debug)]
pub(crate) struct Noted(Mutex<Health>);

impl Default for Noted {
    fn default() -> Self {
        Self(Mutex::new(Health::Up))
    }
}

impl Noted {
    pub(crate) fn health(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is(&self, health: Health) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }

    /// Up, if this went well; else what went wrong.
    pub(crate) fn note<T>(&self, result: Result<T, String>) -> Result<T, String> {
        self.is(match &result {
            Ok(_) => Health::Up,
            Err(reason) => Health::Degraded(reason.clone()),
        });
        result
    }
}

/// How the clients begin to say, in lower case, that a broker does not let us in.
const DENIED: [&str; 6] = [
    "access_refused",
    "access refused",
    "authorization violation",
    "authentication",
    "sasl error code auth",
    "unauthorized",
];

/// Whether a reason says that the broker does not let us in. Clients say so in words of their own.
pub(crate) fn is_denied(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    DENIED.iter().any(|words| reason.contains(words))
}

/// The error for a reason why there is no connection.
pub(crate) fn unavailable(reason: String) -> SubscribeError {
    match is_denied(&reason) {
        true => SubscribeError::Denied(reason),
        false => SubscribeError::Unavailable(reason),
    }
}

/// Waits for a broker, but not for ever.
pub(crate) async fn within<T, E: std::fmt::Display>(
    broker: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(DEADLINE, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_late) => Err(format!("{broker} did not answer within {DEADLINE:?}")),
    }
}
