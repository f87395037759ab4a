//! Broadcast: an exchange of its own, and for each listener a queue that is gone when he is.

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{Listener, ReceiveError, SubscribeError};
use bytes::Bytes;
use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, ExchangeKind};
use tokio::sync::Mutex;

use super::link::{Link, Open, within};
use crate::link::unavailable;

const EXCHANGE: &str = "annals.broadcast";
/// What a listener did not fetch within this time is dropped, in milliseconds.
const KEPT_MS: i32 = 15_000;
/// And what is more than this.
const WAITING_MAX: i32 = 10_000;

/// Says things on one connection, made when it is first needed and again whenever it was lost.
#[derive(Default)]
pub(super) struct Speaker(Mutex<Option<Open>>);

impl Speaker {
    pub(super) async fn say(&self, link: &Link, channel: &str, said: Bytes) -> Result<(), SubscribeError> {
        let mut held = self.0.lock().await;
        let said = say(&mut held, link, channel, said).await;
        if said.is_err() {
            *held = None;
        }
        said.map_err(unavailable)
    }
}

async fn say(held: &mut Option<Open>, link: &Link, channel: &str, said: Bytes) -> Result<(), String> {
    let open = match held.take() {
        Some(open) if open.channel.status().connected() => open,
        _ => declared(link).await?,
    };
    let published = open.channel.basic_publish(
        EXCHANGE.into(),
        channel.into(),
        BasicPublishOptions::default(),
        &said,
        BasicProperties::default(),
    );
    within(published).await?;
    *held = Some(open);
    Ok(())
}

/// A connection on which the exchange is there.
async fn declared(link: &Link) -> Result<Open, String> {
    let open = link.open().await?;
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let kind = ExchangeKind::Direct;
    let declared = open
        .channel
        .exchange_declare(EXCHANGE.into(), kind, durable, FieldTable::default());
    within(declared).await?;
    Ok(open)
}

pub(super) async fn listen(link: &Link, channel: &str) -> Result<Heard, SubscribeError> {
    heard(link, channel).await.map_err(unavailable)
}

async fn heard(link: &Link, channel: &str) -> Result<Heard, String> {
    let open = declared(link).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(KEPT_MS));
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(WAITING_MAX));
    let own = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let queue = within(open.channel.queue_declare("".into(), own, arguments)).await?;
    let name = queue.name().clone();
    let bound = open.channel.queue_bind(
        name.clone(),
        EXCHANGE.into(),
        channel.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    within(bound).await?;
    let unsettled = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let consumed = open
        .channel
        .basic_consume(name, "".into(), unsettled, FieldTable::default());
    Ok(Heard {
        stream: within(consumed).await?,
        _open: open,
    })
}

/// Listens to one channel.
pub(super) struct Heard {
    stream: lapin::Consumer,
    // The queue goes with the connection.
    _open: Open,
}

impl Listener for Heard {
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, ReceiveError>> {
        Box::pin(async {
            match self.stream.next().await {
                Some(Ok(delivery)) => Ok(delivery.data.into()),
                Some(Err(error)) => Err(ReceiveError::Lost(error.to_string())),
                None => Err(ReceiveError::Lost("RabbitMQ ended the subscription".into())),
            }
        })
    }
}
