//! Publishing: mandatory, confirmed, so many at most on their way.
//!
//! Invariant: messages leave in the order given, on one channel. When a connection breaks, whatever was not confirmed is
//! unknown, and so is all that follows in the batch.

use std::sync::Arc;
use std::time::Duration;

use annals_core::port::transport::{Health, Message, Outcomes, Published, Topic};
use lapin::Confirmation;
use lapin::PublisherConfirm;
use lapin::options::BasicPublishOptions;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::config::EXCHANGE;
use super::convert::properties;
use super::link::{Link, Open, within};
use crate::way::{Batch, Confirm, Held, Way};
use crate::wire::encode;

/// Messages on their way without a confirmation.
pub(super) const WINDOW_MAX: usize = 512;
/// Why nothing is taken.
const FULL: &str = "RabbitMQ takes nothing: it is short of memory or disk";
/// For a confirmation.
const CONFIRM_DEADLINE: Duration = Duration::from_secs(15);

pub(super) struct Publisher {
    link: Arc<Link>,
    /// Held while a batch is sent: batches leave one after the other.
    held: Mutex<Held<Open>>,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            held: Mutex::default(),
        }
    }

    pub(super) async fn hand_over(self: Arc<Self>, messages: Vec<Message>) -> Outcomes {
        let mut batch = Batch::new(messages.len(), WINDOW_MAX);
        let mut held = self.held.lock().await;
        let connection = self.connection(&mut held).await;
        let way = held.way();
        for message in &messages {
            send(&connection, message, &mut batch).await;
        }
        drop(held);
        Box::pin(async move {
            let (outcomes, broken) = batch.outcomes().await;
            self.note(broken, &way).await;
            outcomes
        })
    }

    async fn note(&self, broken: Option<String>, way: &Way) {
        let health = match broken {
            None => Health::Up,
            Some(reason) => {
                let mut held = self.held.lock().await;
                // What is on its way there is taken when there is room; what is sent again comes behind it.
                if held.open().is_some_and(|open| is_blocked(open)) {
                    Health::Blocked(FULL.to_owned())
                } else {
                    // Whatever is wrong with it, the next batch gets a new one.
                    drop(held.give_up(way));
                    Health::Degraded(reason)
                }
            }
        };
        self.link.noted.is(health);
    }

    async fn connection(&self, held: &mut Held<Open>) -> Result<Open, String> {
        if let Some(usable) = held.open().filter(|open| open.channel.status().connected()) {
            if is_blocked(usable) {
                // What was sent would only wait in our memory.
                return Err(FULL.to_owned());
            }
            return Ok(usable.clone());
        }
        held.may_open()?;
        let fresh = self.link.confirmed().await?;
        Ok(held.opened(fresh).clone())
    }
}

/// RabbitMQ said that it takes nothing for now.
fn is_blocked(open: &Open) -> bool {
    open.connection.status().blocked()
}

/// Sends one message over a connection, if there is one.
async fn send(connection: &Result<Open, String>, message: &Message, batch: &mut Batch<Awaited>) {
    let broken = batch.room().await;
    let encoded = match (encode(message), connection, broken) {
        (Err(reason), _, _) => return batch.push(Err(Published::Refused(reason))),
        (_, Err(reason), _) => return batch.break_off(reason.clone()),
        (_, _, Some(reason)) => return batch.break_off(reason),
        (Ok(encoded), Ok(_), None) => encoded,
    };
    let Ok(open) = connection else { return };
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let properties = properties(message, &encoded);
    let sending = within(open.channel.basic_publish(
        EXCHANGE.into(),
        message.topic.as_str().into(),
        options,
        encoded.data,
        properties,
    ));
    match sending.await {
        Ok(confirm) => batch.push(Ok(Awaited {
            topic: message.topic.clone(),
            confirm,
        })),
        Err(reason) => batch.break_off(reason),
    }
}

struct Awaited {
    topic: Topic,
    confirm: PublisherConfirm,
}

impl Confirm for Awaited {
    /// A message that came back went to no queue: a confirmation alone would not say so.
    async fn outcome(self) -> Result<Published, String> {
        match timeout(CONFIRM_DEADLINE, self.confirm).await {
            Ok(Ok(Confirmation::Ack(None))) => Ok(Published::Stored),
            Ok(Ok(Confirmation::Ack(Some(_)))) => Ok(Published::Unknown(format!(
                "no queue takes the topic {}; it is sent again until a group is declared for it",
                self.topic
            ))),
            Ok(Ok(Confirmation::Nack(_))) => Ok(Published::Unknown("RabbitMQ could not store it".into())),
            Ok(Ok(Confirmation::NotRequested)) => Err("the channel does not confirm".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_late) => Err(format!("no confirmation within {CONFIRM_DEADLINE:?}")),
        }
    }
}
