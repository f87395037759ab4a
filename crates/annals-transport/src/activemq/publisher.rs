//! Publishing: durable, unsettled, so many at most on their way.
//!
//! Invariant: messages of a topic leave in the order given. When a connection breaks, whatever has no outcome is unknown,
//! and so is all that follows in the batch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use annals_core::port::transport::{Health, Message, Published, Topic};
use fe2o3_amqp::Sender;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::types::messaging::{Outcome, Target};
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use super::convert::sections;
use super::link::{Link, Open, within};
use crate::link::DEADLINE;
use crate::wire::encode;

/// Messages on their way without an outcome.
const WINDOW_MAX: usize = 256;
/// For an outcome.
const OUTCOME_DEADLINE: Duration = Duration::from_secs(15);

/// Why nothing is taken.
const FULL: &str = "ActiveMQ takes nothing more: it has no room, or does not answer";

/// How often it is looked whether the connection still stands.
const LOOK: Duration = Duration::from_millis(100);

type Awaited = DeliveryFut<Result<Outcome, SendError>>;

pub(super) struct Publisher {
    link: Arc<Link>,
    /// Held over a batch: batches go one after the other.
    open: Mutex<Option<Senders>>,
}

struct Senders {
    open: Open,
    by_topic: BTreeMap<Topic, Sender>,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            open: Mutex::default(),
        }
    }

    /// One outcome per message; what is not allowed is not sent.
    pub(super) async fn publish(&self, batch: Vec<Message>, allowed: &[bool]) -> Vec<Published> {
        let mut held = self.open.lock().await;
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut broken = None;
        let mut sent = VecDeque::with_capacity(WINDOW_MAX);
        for (message, allowed) in batch.iter().zip(allowed) {
            if sent.len() == WINDOW_MAX
                && let Some(sent) = sent.pop_front()
            {
                outcomes.push(outcome(sent, held.as_ref(), &mut broken).await);
            }
            sent.push_back(self.send(&mut held, message, *allowed, &mut broken).await);
        }
        for sent in sent {
            outcomes.push(outcome(sent, held.as_ref(), &mut broken).await);
        }
        if let Some(reason) = broken {
            self.link.noted.is(match reason == FULL {
                true => Health::Blocked(reason),
                false => Health::Degraded(reason),
            });
            if let Some(senders) = held.take() {
                tokio::spawn(senders.open.close());
            }
        }
        outcomes
    }

    async fn send(
        &self,
        held: &mut Option<Senders>,
        message: &Message,
        allowed: bool,
        broken: &mut Option<String>,
    ) -> Result<Awaited, Published> {
        let encoded = encode(message).map_err(Published::Refused)?;
        if let Some(reason) = broken {
            return Err(Published::Unknown(reason.clone()));
        }
        if !allowed {
            return Err(Published::Unknown(format!(
                "no group is declared for the topic {}, and ActiveMQ would drop the message; declare one",
                message.topic
            )));
        }
        let sending = async {
            let sender = self.sender(held, &message.topic).await?;
            // It waits for leave to send, which a broker that is full does not give.
            match timeout(DEADLINE, sender.send_batchable(sections(message, &encoded))).await {
                Ok(sent) => sent.map_err(|error| error.to_string()),
                Err(_late) => Err(FULL.to_owned()),
            }
        };
        sending.await.map_err(|reason| {
            *broken = Some(reason.clone());
            Published::Unknown(reason)
        })
    }

    async fn sender<'a>(
        &self,
        held: &'a mut Option<Senders>,
        topic: &Topic,
    ) -> Result<&'a mut Sender, String> {
        if held.is_none() {
            *held = Some(Senders {
                open: self.link.open().await?,
                by_topic: BTreeMap::new(),
            });
        }
        let Some(senders) = held else {
            return Err("no connection".into());
        };
        if !senders.by_topic.contains_key(topic) {
            let flavour = self.link.config.flavour;
            let mut target = Target::builder().address(flavour.target(topic));
            if let Some(capability) = flavour.capability() {
                target = target.capabilities(vec![capability]);
            }
            let attaching = Sender::builder()
                .name(format!("annals-{}", Uuid::new_v4()))
                .target(target.build())
                .attach(&mut senders.open.session);
            let sender = within(attaching).await?;
            senders.by_topic.insert(topic.clone(), sender);
        }
        senders
            .by_topic
            .get_mut(topic)
            .ok_or_else(|| "no sender".to_owned())
    }
}

async fn outcome(
    sent: Result<Awaited, Published>,
    senders: Option<&Senders>,
    broken: &mut Option<String>,
) -> Published {
    let awaited = match sent {
        Ok(awaited) => awaited,
        Err(outcome) => return outcome,
    };
    if let Some(reason) = broken {
        return Published::Unknown(reason.clone());
    }
    let answered = tokio::select! {
        answered = timeout(OUTCOME_DEADLINE, awaited) => answered,
        () = gone(senders) => {
            let reason = "the connection was lost before ActiveMQ answered".to_owned();
            *broken = Some(reason.clone());
            return Published::Unknown(reason);
        }
    };
    let reason = match answered {
        Ok(Ok(Outcome::Accepted(_))) => return Published::Stored,
        Ok(Ok(other)) => format!("ActiveMQ answered {other:?}"),
        Ok(Err(error)) => error.to_string(),
        Err(_late) => format!("no outcome within {OUTCOME_DEADLINE:?}"),
    };
    *broken = Some(reason.clone());
    Published::Unknown(reason)
}

/// Resolves when the connection has ended: the client tells those who wait for an outcome nothing of it.
async fn gone(senders: Option<&Senders>) {
    while senders.is_none_or(|senders| senders.open.stands()) {
        tokio::time::sleep(LOOK).await;
    }
}
