//! Publishing: mandatory, confirmed, so many at most on their way.
//!
//! Invariant: messages leave in the order given, on one channel. When a connection breaks, whatever was not confirmed is
//! unknown, and so is all that follows in the batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use annals_core::port::transport::{Health, Message, Published};
use lapin::Confirmation;
use lapin::PublisherConfirm;
use lapin::options::BasicPublishOptions;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::config::EXCHANGE;
use super::convert::properties;
use super::link::{Link, Open, within};
use crate::wire::{Encoded, encode};

/// Messages on their way without a confirmation.
const WINDOW_MAX: usize = 512;
/// Why nothing is taken.
const FULL: &str = "RabbitMQ takes nothing: it is short of memory or disk";
/// For a confirmation.
const CONFIRM_DEADLINE: Duration = Duration::from_secs(15);

pub(super) struct Publisher {
    link: Arc<Link>,
    /// Held over a batch: batches go one after the other.
    open: Mutex<Option<Open>>,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            open: Mutex::default(),
        }
    }

    pub(super) async fn publish(&self, batch: Vec<Message>) -> Vec<Published> {
        let mut open = self.open.lock().await;
        let (outcomes, broken) = match self.connection(&mut open).await {
            Ok(connection) => send_all(&connection, &batch).await,
            Err(reason) => {
                let unknown = batch.iter().map(|_| Published::Unknown(reason.clone()));
                (unknown.collect(), Some(reason))
            }
        };
        self.link.noted.is(match broken {
            None => Health::Up,
            // What is on its way there is taken when there is room; what is sent again comes behind it.
            Some(_) if open.as_ref().is_some_and(is_blocked) => Health::Blocked(FULL.to_owned()),
            Some(reason) => {
                // Whatever is wrong with it, the next batch gets a new one.
                *open = None;
                Health::Degraded(reason)
            }
        });
        outcomes
    }

    async fn connection(&self, open: &mut Option<Open>) -> Result<Open, String> {
        if let Some(usable) = open.as_ref().filter(|open| open.channel.status().connected()) {
            if is_blocked(usable) {
                // What was sent would only wait in our memory.
                return Err(FULL.to_owned());
            }
            return Ok(usable.clone());
        }
        let fresh = self.link.confirmed().await?;
        *open = Some(fresh.clone());
        Ok(fresh)
    }
}

/// RabbitMQ said that it takes nothing for now.
fn is_blocked(open: &Open) -> bool {
    open.connection.status().blocked()
}

/// The outcomes of a batch, and what broke the connection if it broke.
async fn send_all(open: &Open, batch: &[Message]) -> (Vec<Published>, Option<String>) {
    let mut broken = None;
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut sent = VecDeque::with_capacity(WINDOW_MAX);
    for message in batch {
        if sent.len() == WINDOW_MAX
            && let Some((earlier, sent)) = sent.pop_front()
        {
            outcomes.push(outcome(earlier, sent, &mut broken).await);
        }
        let sending = match (&broken, encode(message)) {
            (_, Err(reason)) => Err(Published::Refused(reason)),
            (Some(reason), _) => Err(Published::Unknown(String::clone(reason))),
            (None, Ok(encoded)) => send(open, message, &encoded).await.map_err(|reason| {
                broken = Some(reason.clone());
                Published::Unknown(reason)
            }),
        };
        sent.push_back((message, sending));
    }
    for (message, sent) in sent {
        outcomes.push(outcome(message, sent, &mut broken).await);
    }
    (outcomes, broken)
}

async fn outcome(
    message: &Message,
    sent: Result<PublisherConfirm, Published>,
    broken: &mut Option<String>,
) -> Published {
    match (sent, &broken) {
        (Err(outcome), _) => outcome,
        (Ok(confirm), None) => confirmed(message, confirm, broken).await,
        // What arrived of confirmations before the break is not worth a wait.
        (Ok(_), Some(reason)) => Published::Unknown(reason.clone()),
    }
}

async fn send(open: &Open, message: &Message, encoded: &Encoded) -> Result<PublisherConfirm, String> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let properties = properties(message, encoded);
    within(open.channel.basic_publish(
        EXCHANGE.into(),
        message.topic.as_str().into(),
        options,
        &encoded.data,
        properties,
    ))
    .await
}

/// A message that came back went to no queue: a confirmation alone would not say so.
async fn confirmed(message: &Message, confirm: PublisherConfirm, broken: &mut Option<String>) -> Published {
    let reason = match timeout(CONFIRM_DEADLINE, confirm).await {
        Ok(Ok(Confirmation::Ack(None))) => return Published::Stored,
        Ok(Ok(Confirmation::Ack(Some(_)))) => {
            return Published::Unknown(format!(
                "no queue takes the topic {}; it is sent again until a group is declared for it",
                message.topic
            ));
        }
        Ok(Ok(Confirmation::Nack(_))) => return Published::Unknown("RabbitMQ could not store it".into()),
        Ok(Ok(Confirmation::NotRequested)) => "the channel does not confirm".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_late) => format!("no confirmation within {CONFIRM_DEADLINE:?}"),
    };
    *broken = Some(reason.clone());
    Published::Unknown(reason)
}
