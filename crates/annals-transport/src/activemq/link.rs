//! The link: makes connections within a deadline, and knows how the last one fared.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::{Connection, Session};
use uuid::Uuid;

use super::config::Config;
use crate::link::{self, Noted};

/// A peer that says nothing for so long is gone, in milliseconds.
const IDLE_MS: u32 = 10_000;
/// How often it is looked whether a connection still stands.
const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Link {
    pub(super) config: Config,
    pub(super) noted: Noted,
}

/// A connection with one session.
pub(super) struct Open {
    pub(super) session: SessionHandle<()>,
    connection: Standing,
}

/// Tells whether a connection stands, also to those who do not have it.
#[derive(Clone)]
pub(super) struct Standing(Arc<Mutex<Option<ConnectionHandle<()>>>>);

impl Standing {
    /// Resolves when the connection has ended: the client tells those who wait for an outcome nothing of it.
    pub(super) async fn gone(&self) {
        while self.stands() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn stands(&self) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().is_some_and(|connection| !connection.is_closed())
    }

    fn take(&self) -> Option<ConnectionHandle<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Link {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            noted: Noted::default(),
        }
    }

    pub(super) async fn open(&self) -> Result<Open, String> {
        self.noted.note(self.connect().await)
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
        let connection = Standing(Arc::new(Mutex::new(Some(connection))));
        Ok(Open { session, connection })
    }
}

impl Open {
    /// For those who wait for something that may never come.
    pub(super) fn standing(&self) -> Standing {
        self.connection.clone()
    }

    /// Says goodbye; what is not settled goes back to its queue.
    pub(super) async fn close(mut self) {
        // Errors mean that it is closed already.
        drop(within(self.session.end()).await);
        if let Some(mut connection) = self.connection.take() {
            drop(within(connection.close()).await);
        }
    }
}

/// Waits for the answer, but not for ever.
pub(super) async fn within<T, E: std::fmt::Display>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    link::within("ActiveMQ", work).await
}
