//! Publishing: mandatory, confirmed, a window at a time.
//!
//! Invariant: messages leave in the order given, on one channel. When a connection breaks, whatever was not confirmed is
//! unknown, and so is all that follows in the batch.

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
const WINDOW_MAX: usize = 1_024;
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
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut broken = None;
        let mut open = self.open.lock().await;
        for window in batch.chunks(WINDOW_MAX) {
            if let Some(reason) = &broken {
                outcomes.extend(window.iter().map(|_| Published::Unknown(String::clone(reason))));
                continue;
            }
            let (of_window, failed) = self.window(&mut open, window).await;
            outcomes.extend(of_window);
            broken = failed;
        }
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

    /// The outcomes of a window, and what broke the connection if it broke.
    async fn window(&self, open: &mut Option<Open>, window: &[Message]) -> (Vec<Published>, Option<String>) {
        let connection = match self.connection(open).await {
            Ok(connection) => connection,
            Err(reason) => {
                let unknown = window
                    .iter()
                    .map(|_| Published::Unknown(reason.clone()))
                    .collect();
                return (unknown, Some(reason));
            }
        };
        let mut broken = None;
        let mut sent = Vec::with_capacity(window.len());
        for message in window {
            sent.push(match (&broken, encode(message)) {
                (_, Err(reason)) => Err(Published::Refused(reason)),
                (Some(reason), _) => Err(Published::Unknown(String::clone(reason))),
                (None, Ok(encoded)) => match send(&connection, message, &encoded).await {
                    Ok(confirm) => Ok(confirm),
                    Err(reason) => {
                        broken = Some(reason.clone());
                        Err(Published::Unknown(reason))
                    }
                },
            });
        }
        let mut outcomes = Vec::with_capacity(window.len());
        for (message, sent) in window.iter().zip(sent) {
            outcomes.push(match (sent, &broken) {
                (Err(outcome), _) => outcome,
                (Ok(confirm), None) => confirmed(message, confirm, &mut broken).await,
                // What arrived of confirmations before the break is not worth a wait.
                (Ok(_), Some(reason)) => Published::Unknown(reason.clone()),
            });
        }
        (outcomes, broken)
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
