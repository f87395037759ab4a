//! The link: makes connections and channels within a deadline, and knows how the last one fared.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use annals_core::port::transport::Health;
use lapin::options::{BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::time::timeout;

use super::config::{Config, EXCHANGE};

/// For connecting and for every answer of the broker.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

pub(super) struct Link {
    config: Config,
    health: Mutex<Health>,
}

/// A channel with the connection it lives on.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) channel: Channel,
    // The connection closes when nobody has it any more.
    pub(super) connection: std::sync::Arc<Connection>,
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

    /// A new connection with one channel on which the exchange is declared.
    pub(super) async fn open(&self) -> Result<Open, String> {
        let opened = within(self.connect()).await;
        self.is(match &opened {
            Ok(_) => Health::Up,
            Err(reason) => Health::Degraded(reason.clone()),
        });
        opened
    }

    /// A channel whose publishing is confirmed.
    pub(super) async fn confirmed(&self) -> Result<Open, String> {
        let open = self.open().await?;
        within(open.channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(open)
    }

    /// A channel with at most so many messages in hand.
    pub(super) async fn limited(&self, prefetch: u16) -> Result<Open, String> {
        let open = self.open().await?;
        within(open.channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        Ok(open)
    }

    async fn connect(&self) -> Result<Open, lapin::Error> {
        let properties = ConnectionProperties::default().with_connection_name("annals".into());
        let connection = Connection::connect_uri(self.config.uri.clone(), properties).await?;
        let channel = connection.create_channel().await?;
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        channel
            .exchange_declare(
                EXCHANGE.into(),
                ExchangeKind::Topic,
                options,
                FieldTable::default(),
            )
            .await?;
        Ok(Open {
            channel,
            connection: connection.into(),
        })
    }
}

/// Waits for the broker, but not for ever.
pub(super) async fn within<T>(work: impl Future<Output = Result<T, lapin::Error>>) -> Result<T, String> {
    match timeout(DEADLINE, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_late) => Err(format!("RabbitMQ did not answer within {DEADLINE:?}")),
    }
}
