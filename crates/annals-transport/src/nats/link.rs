//! The link: one client for everything, made when it is first needed, and the stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use annals_core::port::transport::Health;
use async_nats::connection::State;
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions};

use super::config::{Config, STREAM, subject};
use super::convert::unescape;
use crate::link::{self, DEADLINE, Noted};

/// The server knows a message id again for so long; a relay resends much sooner.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);

pub(super) struct Link {
    config: Config,
    client: tokio::sync::Mutex<Option<Client>>,
    /// The stream was there when it was last looked at.
    stream_seen: AtomicBool,
    /// The client's state is asked where there is one.
    seen: Mutex<Result<Option<Client>, String>>,
    /// What was wrong when it was last used: a connection may stand, and nobody answers.
    noted: Noted,
}

impl Link {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            client: tokio::sync::Mutex::default(),
            stream_seen: AtomicBool::new(false),
            seen: Mutex::new(Ok(None)),
            noted: Noted::default(),
        }
    }

    pub(super) fn health(&self) -> Health {
        match &*self.seen.lock().unwrap_or_else(PoisonError::into_inner) {
            Ok(None) => Health::Up,
            Ok(Some(client)) if client.connection_state() == State::Connected => self.noted.health(),
            Ok(Some(_)) => Health::Degraded("not connected to NATS".into()),
            Err(reason) => Health::Degraded(reason.clone()),
        }
    }

    /// How its last use went.
    pub(super) fn is(&self, health: Health) {
        self.noted.is(health);
    }

    /// The client; it reconnects by itself.
    pub(super) async fn client(&self) -> Result<Client, String> {
        let mut held = self.client.lock().await;
        if let Some(client) = &*held {
            return Ok(client.clone());
        }
        let mut options = ConnectOptions::new().name("annals").connection_timeout(DEADLINE);
        // The client takes nothing of this out of the address.
        if let Some((user, password)) = self.config.login() {
            options = options.user_and_password(unescape(user).into_owned(), unescape(password).into_owned());
        }
        let connected = within(options.connect(&self.config.servers[..])).await;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = connected
            .as_ref()
            .map(|client| Some(client.clone()))
            .map_err(Clone::clone);
        *held = Some(connected?);
        held.clone().ok_or_else(|| "no client".to_owned())
    }

    pub(super) async fn context(&self) -> Result<Context, String> {
        let mut context = jetstream::new(self.client().await?);
        context.set_timeout(DEADLINE);
        Ok(context)
    }

    /// Makes the stream unless it was seen before.
    pub(super) async fn stream_is_there(&self) -> Result<(), String> {
        if !self.stream_seen.load(Ordering::Relaxed) {
            self.stream().await?;
            self.stream_seen.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Something went wrong: it is to be looked at before the next use.
    pub(super) fn stream_is_doubtful(&self) {
        self.stream_seen.store(false, Ordering::Relaxed);
    }

    /// The stream, made if it is missing; one that is there is left as it is.
    pub(super) async fn stream(&self) -> Result<Stream, String> {
        let context = self.context().await?;
        let config = StreamConfig {
            name: STREAM.to_owned(),
            subjects: vec![subject(">")],
            storage: StorageType::File,
            // A full stream says so; it does not drop the oldest.
            discard: DiscardPolicy::New,
            duplicate_window: DUPLICATE_WINDOW,
            ..StreamConfig::default()
        };
        within(context.get_or_create_stream(config)).await
    }
}

/// Waits for the answer, but not for ever.
pub(super) async fn within<T, E: std::fmt::Display>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    link::within("NATS", work).await
}
