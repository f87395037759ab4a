//! Groups: one link for each topic of a group, read into one channel.
//!
//! In: a group and its topics. Out: deliveries in the order of each queue. What is not settled goes back when the
//! connection closes, which it does when the consumer is dropped.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Attempt, Consumer, Delivery, Message, ReceiveError, Settle, Settlement, Subscribe, SubscribeError, Topic,
};
use annals_core::time::Timestamp;
use fe2o3_amqp::Receiver;
use fe2o3_amqp::link::delivery::DeliveryInfo;
use fe2o3_amqp::link::{CreditMode, ReceiverDisposer};
use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::primitives::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::convert::message;
use super::groups::{self, attach};
use super::link::{Link, Open, within};
use crate::link::{Arrived, Arriving, unavailable};

/// Messages in hand at once, of one topic.
const CREDIT: u32 = 200;
/// Deliveries that wait to be fetched.
const WAITING_MAX: usize = 256;

/// Makes the queues of a group: they stay when the links go.
pub(super) async fn declare(link: &Link, group: &str, topics: &[Topic]) -> Result<(), SubscribeError> {
    let mut open = link.open().await.map_err(unavailable)?;
    groups::declare(link.config.flavour, &mut open, group, topics).await?;
    open.close().await;
    Ok(())
}

pub(super) async fn open(link: &Link, subscribe: &Subscribe) -> Result<QueueConsumer, SubscribeError> {
    let mut open = link.open().await.map_err(unavailable)?;
    let (arrived, arriving) = Arriving::new("ActiveMQ", WAITING_MAX);
    let mut reading = JoinSet::new();
    for topic in &subscribe.topics {
        let credit = CreditMode::Auto(CREDIT);
        let receiver = attach(link.config.flavour, &mut open, &subscribe.group, topic, credit).await?;
        reading.spawn(read(receiver, topic.clone(), arrived.clone()));
    }
    Ok(QueueConsumer {
        arriving,
        _reading: reading,
        open: Some(open),
    })
}

/// Reads one link until it ends, and says why it did.
async fn read(mut receiver: Receiver, topic: Topic, arrived: mpsc::Sender<Arrived>) {
    let disposer = receiver.disposer();
    loop {
        let next = match receiver.recv::<Body<Value>>().await {
            Ok(delivery) => {
                let (info, sections) = delivery.into_parts();
                let (message, made, before) = message(&topic, sections);
                Ok(Delivery {
                    message,
                    taken: made.unwrap_or_else(now),
                    position: None,
                    attempt: Attempt::AtLeast(before.saturating_add(1)),
                    settle: Some(Box::new(Unsettled {
                        info,
                        disposer: disposer.clone(),
                    })),
                })
            }
            Err(error) => Err(ReceiveError::Lost(error.to_string())),
        };
        let ended = next.is_err();
        // An error means that nobody listens any more.
        if arrived.send(next).await.is_err() || ended {
            return;
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::EPOCH.after(since)
}

/// Reads the queues of a group.
pub(super) struct QueueConsumer {
    arriving: Arriving,
    // The links end with it.
    _reading: JoinSet<()>,
    /// Taken when it is dropped.
    open: Option<Open>,
}

impl Consumer for QueueConsumer {
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(self.arriving.fetch(max))
    }
}

impl Drop for QueueConsumer {
    fn drop(&mut self) {
        if let (Some(open), Ok(runtime)) = (self.open.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(open.close());
        }
    }
}

struct Unsettled {
    info: DeliveryInfo,
    disposer: ReceiverDisposer,
}

impl Settle for Unsettled {
    fn settle(
        self: Box<Self>,
        settlement: Settlement,
        _message: Option<Message>,
    ) -> BoxFuture<'static, Result<(), ReceiveError>> {
        Box::pin(async move {
            let Self { info, disposer } = *self;
            match settlement {
                Settlement::Done => within(disposer.accept(info)).await.map_err(ReceiveError::Lost),
                Settlement::Retry { after } => {
                    wait(after).await;
                    within(disposer.release(info)).await.map_err(ReceiveError::Lost)
                }
                Settlement::Park { .. } => {
                    within(disposer.release(info)).await.map_err(ReceiveError::Lost)?;
                    Err(ReceiveError::Lost(
                        "ActiveMQ puts nothing aside; it comes back".into(),
                    ))
                }
            }
        })
    }
}

async fn wait(after: Duration) {
    tokio::time::sleep(after).await;
}
