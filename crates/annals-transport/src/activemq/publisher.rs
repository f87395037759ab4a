//! Publishing: durable, unsettled, so many at most on their way.
//!
//! Invariant: messages of a topic leave in the order given. When a connection breaks, whatever has no outcome is unknown,
//! and so is all that follows in the batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use annals_core::port::transport::{Health, Message, Outcomes, Published, Topic};
use fe2o3_amqp::Sender;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::types::messaging::{Outcome, Target};
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use super::convert::sections;
use super::groups::Groups;
use super::link::{Link, Open, Standing, within};
use crate::link::DEADLINE;
use crate::way::{Batch, Confirm, Held};
use crate::wire::{Encoded, encode};

/// Messages on their way without an outcome.
pub(super) const WINDOW_MAX: usize = 256;
/// For an outcome.
const OUTCOME_DEADLINE: Duration = Duration::from_secs(15);
/// Why there is no outcome.
const LOST: &str = "the connection was lost before ActiveMQ answered";
/// Why nothing is taken.
const FULL: &str = "ActiveMQ takes nothing more: it has no room, or does not answer";

pub(super) struct Publisher {
    link: Arc<Link>,
    groups: Arc<Groups>,
    /// Held while a batch is sent: batches leave one after the other.
    held: Mutex<Held<Senders>>,
}

struct Senders {
    open: Open,
    by_topic: BTreeMap<Topic, Sender>,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>, groups: Arc<Groups>) -> Self {
        Self {
            link,
            groups,
            held: Mutex::default(),
        }
    }

    /// Hands over what is allowed; the rest is unknown.
    pub(super) async fn hand_over(self: Arc<Self>, messages: Vec<Message>, allowed: Vec<bool>) -> Outcomes {
        let mut batch = Batch::new(messages.len(), WINDOW_MAX);
        let mut held = self.held.lock().await;
        let connected = self.connected(&mut held).await;
        let way = held.way();
        for (message, allowed) in messages.iter().zip(allowed) {
            let encoded = match (encode(message), batch.room().await, &connected) {
                (Err(reason), _, _) => {
                    batch.push(Err(Published::Refused(reason)));
                    continue;
                }
                (Ok(_), Some(reason), _) => Err(reason),
                (Ok(_), None, Err(reason)) => Err(reason.clone()),
                (Ok(encoded), None, Ok(())) => Ok(encoded),
            };
            match (encoded, held.open()) {
                (Ok(_), _) if !allowed => batch.push(Err(nobody_waits(&message.topic))),
                (Ok(encoded), Some(senders)) => self.send(senders, message, &encoded, &mut batch).await,
                (Ok(_), None) => batch.break_off(LOST.into()),
                (Err(reason), _) => batch.break_off(reason),
            }
        }
        drop(held);
        Box::pin(async move {
            let (outcomes, broken) = batch.outcomes().await;
            if let Some(reason) = broken {
                self.link.noted.is(match reason == FULL {
                    true => Health::Blocked(reason),
                    false => Health::Degraded(reason),
                });
                if let Some(senders) = self.held.lock().await.give_up(&way) {
                    tokio::spawn(senders.open.close());
                }
            }
            outcomes
        })
    }

    async fn connected(&self, held: &mut Held<Senders>) -> Result<(), String> {
        if held.open().is_some() {
            return Ok(());
        }
        held.may_open()?;
        held.opened(Senders {
            open: self.link.open().await?,
            by_topic: BTreeMap::new(),
        });
        Ok(())
    }

    async fn send(
        &self,
        senders: &mut Senders,
        message: &Message,
        encoded: &Encoded<'_>,
        batch: &mut Batch<Awaited>,
    ) {
        let standing = senders.open.standing();
        let sending = async {
            let sender = self.sender(senders, &message.topic).await?;
            // It waits for leave to send, which a broker that is full does not give.
            match timeout(DEADLINE, sender.send_batchable(sections(message, encoded))).await {
                Ok(sent) => sent.map_err(|error| error.to_string()),
                Err(_late) => Err(FULL.to_owned()),
            }
        };
        let sent = tokio::select! {
            biased;
            sent = sending => sent,
            () = standing.gone() => Err(LOST.into()),
        };
        match sent {
            Ok(outcome) => batch.push(Ok(Awaited { outcome, standing })),
            Err(reason) => batch.break_off(reason),
        }
    }

    async fn sender<'a>(&self, senders: &'a mut Senders, topic: &Topic) -> Result<&'a mut Sender, String> {
        if !senders.by_topic.contains_key(topic) {
            let flavour = self.link.config.flavour;
            let open = &mut senders.open;
            self.groups.declare_again(flavour, open, topic).await?;
            let mut target = Target::builder().address(flavour.target(topic));
            if let Some(capability) = flavour.capability() {
                target = target.capabilities(vec![capability]);
            }
            let attaching = Sender::builder()
                .name(format!("annals-{}", Uuid::new_v4()))
                .target(target.build())
                .attach(&mut open.session);
            let sender = within(attaching).await?;
            senders.by_topic.insert(topic.clone(), sender);
        }
        senders
            .by_topic
            .get_mut(topic)
            .ok_or_else(|| "no sender".to_owned())
    }
}

fn nobody_waits(topic: &Topic) -> Published {
    Published::Unknown(format!(
        "no group is declared for the topic {topic}, and ActiveMQ would drop the message; declare one"
    ))
}

struct Awaited {
    outcome: DeliveryFut<Result<Outcome, SendError>>,
    standing: Standing,
}

impl Confirm for Awaited {
    async fn outcome(self) -> Result<Published, String> {
        let answered = tokio::select! {
            biased;
            answered = timeout(OUTCOME_DEADLINE, self.outcome) => answered,
            () = self.standing.gone() => return Err(LOST.into()),
        };
        match answered {
            Ok(Ok(Outcome::Accepted(_))) => Ok(Published::Stored),
            Ok(Ok(other)) => Err(format!("ActiveMQ answered {other:?}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_late) => Err(format!("no outcome within {OUTCOME_DEADLINE:?}")),
        }
    }
}
