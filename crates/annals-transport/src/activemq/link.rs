//! The link: makes connections within a deadline, and knows how the last one fared.

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::{Connection, Session};
use uuid::Uuid;

use super::config::Config;
use crate::link::{self, Noted};

/// A peer that says nothing for so long is gone, in milliseconds.
const IDLE_MS: u32 = 10_000;

pub(super) struct Link {
    pub(super) config: Config,
    pub(super) noted: Noted,
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
        Ok(Open { session, connection })
    }
}

impl Open {
    /// Whether the connection still stands, as far as the client knows.
    pub(super) fn stands(&self) -> bool {
        !self.connection.is_closed() && !self.session.is_ended()
    }

    /// Says goodbye; what is not settled goes back to its queue.
    pub(super) async fn close(mut self) {
        // Errors mean that it is closed already.
        drop(within(self.session.end()).await);
        drop(within(self.connection.close()).await);
    }
}

/// Waits for the answer, but not for ever.
pub(super) async fn within<T, E: std::fmt::Display>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    link::within("ActiveMQ", work).await
}
