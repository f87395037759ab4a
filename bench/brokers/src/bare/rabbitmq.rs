//! RabbitMQ by lapin: a durable topic exchange, a quorum queue with a single active consumer, persistent mandatory
//! publishing with confirmations, acknowledgements of many at once.

use std::collections::VecDeque;

use annals::core::port::transport::Topic;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind, PublisherConfirm,
};

use crate::bare::{BATCH_MAX, Bare, Consume, Publish};
use crate::message;

const EXCHANGE: &str = "bench";
/// As in the transport of annals.
const PREFETCH: u16 = 1_024;
const PERSISTENT: u8 = 2;

/// Where it is.
pub(crate) struct RabbitMq {
    pub(crate) url: String,
}

pub(crate) struct Publisher {
    channel: Channel,
    lane: ShortString,
    confirms: VecDeque<PublisherConfirm>,
    _connection: Connection,
}

pub(crate) struct Consumer {
    channel: Channel,
    stream: lapin::Consumer,
    last: Option<u64>,
    _connection: Connection,
}

impl RabbitMq {
    async fn open(&self) -> Result<(Connection, Channel)> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }
}

impl Bare for RabbitMq {
    const WINDOW: usize = 512;
    type Publisher = Publisher;
    type Consumer = Consumer;

    async fn make(&self, lane: &str) -> Result<()> {
        let (connection, channel) = self.open().await?;
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        channel
            .exchange_declare(
                EXCHANGE.into(),
                ExchangeKind::Topic,
                durable,
                FieldTable::default(),
            )
            .await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel.queue_declare(lane.into(), durable, arguments).await?;
        channel
            .queue_bind(
                lane.into(),
                EXCHANGE.into(),
                lane.into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        connection.close(200, "done".into()).await?;
        Ok(())
    }

    async fn publisher(&self, lane: &str) -> Result<Publisher> {
        let (connection, channel) = self.open().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Publisher {
            channel,
            lane: lane.into(),
            confirms: VecDeque::new(),
            _connection: connection,
        })
    }

    async fn consumer(&self, lane: &str) -> Result<Consumer> {
        let (connection, channel) = self.open().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let stream = channel
            .basic_consume(
                lane.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok(Consumer {
            channel,
            stream,
            last: None,
            _connection: connection,
        })
    }

    async fn remove(&self, lane: &str) -> Result<()> {
        let (connection, channel) = self.open().await?;
        channel
            .queue_delete(lane.into(), QueueDeleteOptions::default())
            .await?;
        connection.close(200, "done".into()).await?;
        Ok(())
    }

    async fn remove_ours(&self, namespace: &str, group: &str, _topic: &Topic) -> Result<()> {
        self.remove(&format!("annals.{namespace}.{group}")).await
    }
}

fn properties(message: &message::Bare) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in &message.attributes {
        let name = ShortString::from(format!("ce_{name}"));
        headers.insert(name, AMQPValue::LongString(LongString::from(value.as_bytes())));
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(message.content_type.into())
        .with_message_id(message.id.as_str().into())
        .with_headers(headers)
}

impl Publisher {
    async fn confirmed(&mut self, left: usize) -> Result<()> {
        while self.confirms.len() > left
            && let Some(confirm) = self.confirms.pop_front()
        {
            match confirm.await? {
                Confirmation::Ack(None) => {}
                other => bail!("RabbitMQ answered {other:?}"),
            }
        }
        Ok(())
    }
}

impl Publish for Publisher {
    async fn send(&mut self, message: &message::Bare) -> Result<()> {
        self.confirmed(RabbitMq::WINDOW - 1).await?;
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let confirm = self
            .channel
            .basic_publish(
                EXCHANGE.into(),
                self.lane.clone(),
                options,
                &message.data,
                properties(message),
            )
            .await?;
        self.confirms.push_back(confirm);
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        self.confirmed(0).await
    }
}

impl Consume for Consumer {
    async fn take(&mut self, taken: &mut Vec<Bytes>) -> Result<()> {
        let mut next = self.stream.next().await;
        let end = taken.len() + BATCH_MAX;
        loop {
            let delivery = next.context("RabbitMQ ended the subscription")??;
            self.last = Some(delivery.delivery_tag);
            taken.push(delivery.data.into());
            if taken.len() == end {
                return Ok(());
            }
            match self.stream.next().now_or_never() {
                Some(another) => next = another,
                None => return Ok(()),
            }
        }
    }

    async fn settle(&mut self) -> Result<()> {
        if let Some(tag) = self.last.take() {
            let many = BasicAckOptions { multiple: true };
            self.channel.basic_ack(tag, many).await?;
        }
        Ok(())
    }
}
