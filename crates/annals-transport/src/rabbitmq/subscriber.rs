//! Groups: one quorum queue each, with a single active consumer.
//!
//! In: a group and its topics. Out: deliveries in the order of the queue. What is not settled goes back to its place
//! when the channel closes, which it does when the consumer is dropped.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Attempt, Consumer, Delivery, Message, ReceiveError, Settle, Settlement, Subscribe, SubscribeError, Topic,
};
use annals_core::time::Timestamp;
use futures_util::{FutureExt, StreamExt};
use lapin::Acker;
use lapin::options::{
    BasicConsumeOptions, BasicNackOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use smol_str::SmolStr;

use super::acks::Acks;
use super::config::{EXCHANGE, queue};
use super::convert::{handed_out, message};
use super::link::{Link, Open, within};
use crate::link::unavailable;

/// Messages in hand at once: two batches of a durable copy, so that one arrives while the other is flushed.
const PREFETCH: u16 = 1_024;
/// RabbitMQ drops what was handed out more often than this; newer ones after twenty times unless told otherwise.
const DELIVERY_LIMIT: i64 = 1_000_000_000;

/// Makes the queue of a group, and binds it.
pub(super) async fn declare(link: &Link, group: SmolStr, topics: Vec<Topic>) -> Result<(), SubscribeError> {
    let open = link.open().await.map_err(unavailable)?;
    declare_on(&open, &group, &topics).await
}

async fn declare_on(open: &Open, group: &str, topics: &[Topic]) -> Result<(), SubscribeError> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DELIVERY_LIMIT));
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let name = queue(group);
    let declared = open
        .channel
        .queue_declare(name.as_str().into(), options, arguments);
    within(declared).await.map_err(unavailable)?;
    let every = [Topic::new_static("#")];
    for topic in if topics.is_empty() { &every } else { topics } {
        let bound = open.channel.queue_bind(
            name.as_str().into(),
            EXCHANGE.into(),
            topic.as_str().into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        within(bound).await.map_err(unavailable)?;
    }
    Ok(())
}

/// Messages of a group's queue that nobody has in hand.
pub(super) async fn waiting(link: &Link, group: &str) -> Result<u64, String> {
    let open = link.open().await?;
    let look = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let found = open
        .channel
        .queue_declare(queue(group).as_str().into(), look, FieldTable::default());
    Ok(u64::from(within(found).await?.message_count()))
}

pub(super) async fn open(link: &Arc<Link>, subscribe: Subscribe) -> Result<QueueConsumer, SubscribeError> {
    let open = link.limited(PREFETCH).await.map_err(unavailable)?;
    declare_on(&open, &subscribe.group, &subscribe.topics).await?;
    let consumed = open.channel.basic_consume(
        queue(&subscribe.group).as_str().into(),
        "".into(),
        BasicConsumeOptions::default(),
        FieldTable::default(),
    );
    let stream = within(consumed).await.map_err(unavailable)?;
    Ok(QueueConsumer {
        stream,
        acks: Arc::new(Acks::new(open.clone())),
        open,
    })
}

/// Reads the queue of a group.
pub(super) struct QueueConsumer {
    stream: lapin::Consumer,
    open: Open,
    acks: Arc<Acks>,
}

impl QueueConsumer {
    async fn receive(&mut self, max: usize) -> Result<Vec<Delivery>, ReceiveError> {
        let first = self.stream.next().await;
        let mut deliveries = vec![self.delivery(first)?];
        // What else is there already.
        while deliveries.len() < max
            && let Some(next) = self.stream.next().now_or_never()
        {
            match self.delivery(next) {
                Ok(delivery) => deliveries.push(delivery),
                // The next call meets the same end.
                Err(_) => break,
            }
        }
        Ok(deliveries)
    }

    fn delivery(
        &self,
        next: Option<Result<lapin::message::Delivery, lapin::Error>>,
    ) -> Result<Delivery, ReceiveError> {
        let mut taken = match next {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Err(ReceiveError::Lost(error.to_string())),
            None => return Err(ReceiveError::Lost("RabbitMQ ended the subscription".into())),
        };
        let attempt = match (handed_out(&taken), taken.redelivered) {
            (Some(before), _) => Attempt::Exact(before.saturating_add(1)),
            (None, false) => Attempt::AtLeast(1),
            (None, true) => Attempt::Unknown,
        };
        self.acks.begin(taken.delivery_tag);
        let settle = Unsettled {
            number: taken.delivery_tag,
            acker: taken.acker.clone(),
            acks: Arc::clone(&self.acks),
        };
        Ok(Delivery {
            message: message(&mut taken),
            taken: now(),
            position: None,
            attempt,
            settle: Some(Box::new(settle)),
        })
    }
}

/// The queue keeps no moment; this is when the message came here.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.after(since)
}

impl Consumer for QueueConsumer {
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(self.receive(max))
    }
}

impl Drop for QueueConsumer {
    fn drop(&mut self) {
        let open = self.open.clone();
        // A closed channel gives back what is not settled; in order, at its place.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Errors mean that it is closed already. An answer means that what was settled before has arrived.
                drop(within(open.channel.basic_qos(PREFETCH, BasicQosOptions::default())).await);
                drop(within(open.channel.close(200, "done".into())).await);
            });
        }
    }
}

struct Unsettled {
    number: u64,
    acker: Acker,
    acks: Arc<Acks>,
}

impl Settle for Unsettled {
    fn settle(
        self: Box<Self>,
        settlement: Settlement,
        _message: Option<Message>,
    ) -> BoxFuture<'static, Result<(), ReceiveError>> {
        Box::pin(async move {
            match settlement {
                Settlement::Done => self.acks.finish(self.number, self.acker).await,
                Settlement::Retry { after } => {
                    wait(after).await;
                    self.give_back().await
                }
                Settlement::Park { .. } => {
                    self.give_back().await?;
                    Err(ReceiveError::Lost(
                        "RabbitMQ puts nothing aside; it comes back".into(),
                    ))
                }
            }
        })
    }
}

impl Unsettled {
    async fn give_back(&self) -> Result<(), ReceiveError> {
        let options = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        let given = within(self.acker.nack(options)).await;
        self.acks.gave_back(self.number);
        match given {
            Ok(true) => Ok(()),
            Ok(false) => Err(ReceiveError::Lost("the channel of this delivery is gone".into())),
            Err(reason) => Err(ReceiveError::Lost(reason)),
        }
    }
}

async fn wait(after: Duration) {
    tokio::time::sleep(after).await;
}
