//! The link: makes connections within a deadline, and knows how the last one fared.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use annals_core::port::transport::Health;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::{Connection, Session};
use tokio::time::timeout;
use uuid::Uuid;

use super::config::Config;

/// For connecting and for every answer of the broker.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// A peer that says nothing for so long is gone, in milliseconds.
const IDLE_MS: u32 = 30_000;

pub(super) struct Link {
    pub(super) config: Config,
    health: Mutex<Health>,
}

/// A connection with one session.
pub(super) struct Open {
    pub(super) session: SessionHandle<()>,
    connection: ConnectionHandle<()>,
}

impl Link {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            health: Mutex::new(Health::Up),
        }
    }

    pub(super) fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is(&self, health: Health) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }

    pub(super) async fn open(&self) -> Result<Open, String> {
        let opened = self.connect().await;
        self.is(match &opened {
            Ok(_) => Health::Up,
            Err(reason) => Health::Degraded(reason.clone()),
        });
        opened
    }

    async fn connect(&self) -> Result<Open, String> {
        let profile = match &self.config.login {
            None => SaslProfile::Anonymous,
            Some((username, password)) => SaslProfile::Plain {
                username: username.clone(),
                password: password.clone(),
            },
        };
        let url = format!("amqp://{}", self.config.host);
        let connecting = Connection::builder()
            .container_id(format!("annals-{}", Uuid::new_v4()))
            .max_frame_size(1 << 20)
            .idle_time_out(IDLE_MS)
            .sasl_profile(profile)
            .open(&url[..]);
        let mut connection = within(connecting).await?;
        let session = within(Session::begin(&mut connection)).await?;
        Ok(Open { session, connection })
    }
}

impl Open {
    /// Says goodbye; what is not settled goes back to its queue.
    pub(super) async fn close(mut self) {
        // Errors mean that it is closed already.
        drop(within(self.session.end()).await);
        drop(within(self.connection.close()).await);
    }
}

/// Waits for the broker, but not for ever.
pub(super) async fn within<T, E: std::fmt::Display>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(DEADLINE, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_late) => Err(format!("ActiveMQ did not answer within {DEADLINE:?}")),
    }
}
