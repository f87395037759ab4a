//! The link: makes connections and channels within a deadline, and knows how the last one fared.

use lapin::options::{BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};

use super::config::{Config, EXCHANGE};
use crate::link::{self, Noted};

pub(super) struct Link {
    config: Config,
    pub(super) noted: Noted,
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
            noted: Noted::default(),
        }
    }

    /// A new connection with one channel on which the exchange is declared.
    pub(super) async fn open(&self) -> Result<Open, String> {
        self.noted.note(within(self.connect()).await)
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

/// Waits for the answer, but not for ever.
pub(super) async fn within<T, E: std::fmt::Display>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    link::within("RabbitMQ", work).await
}
