//! What every connection to a server needs: a deadline on each answer, a note of how it fared, and a place where arrives
//! what a task reads from it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use annals_core::port::transport::{Delivery, Health, ReceiveError, SubscribeError};
use tokio::sync::mpsc;
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

/// What a task has read: a delivery, or the end of the subscription.
pub(crate) type Arrived<T = Delivery> = Result<T, ReceiveError>;

/// What a task reads from a broker, until a consumer fetches it.
pub(crate) struct Arriving<T = Delivery> {
    broker: &'static str,
    arriving: mpsc::Receiver<Arrived<T>>,
}

impl<T> Arriving<T> {
    /// So many wait here, at most; then the task waits.
    pub(crate) fn new(broker: &'static str, most: usize) -> (mpsc::Sender<Arrived<T>>, Self) {
        let (arrived, arriving) = mpsc::channel(most);
        (arrived, Self { broker, arriving })
    }

    /// As `Consumer::next` of the port.
    pub(crate) async fn fetch(&mut self, max: usize) -> Result<Vec<T>, ReceiveError> {
        let ended = || ReceiveError::Lost(format!("{} ended the subscription", self.broker));
        let first = self.arriving.recv().await.ok_or_else(ended)?;
        let mut deliveries = vec![first?];
        while deliveries.len() < max
            && let Ok(next) = self.arriving.try_recv()
        {
            match next {
                Ok(delivery) => deliveries.push(delivery),
                Err(error) => {
                    // What was fetched is handed out; the next call meets the end.
                    tracing::warn!("a subscription of {} ended: {error}", self.broker);
                    self.arriving.close();
                    break;
                }
            }
        }
        Ok(deliveries)
    }
}
