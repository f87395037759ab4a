//! Publishing: idempotent, all of a batch on its way at once.
//!
//! Invariant: messages of one key leave in the order given. What is not acknowledged in time is unknown, and so is all
//! that follows; the producer that failed is not used again.

use std::sync::Arc;

use annals_core::port::transport::{Health, Message, Outcomes, Published, Topic};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::Mutex;

use super::config::{Config, PREFIX};
use super::convert::headers;
use super::topics::Topics;
use crate::link::Noted;
use crate::way::{Batch, Confirm, Held};
use crate::wire::{Encoded, check, encode};

/// Messages on their way without an acknowledgement.
pub(super) const WINDOW_MAX: usize = 1_024;

pub(super) struct Publisher {
    config: Config,
    topics: Arc<Topics>,
    noted: Arc<Noted>,
    /// Held while a batch is sent: batches leave one after the other.
    held: Mutex<Held<FutureProducer>>,
}

impl Publisher {
    pub(super) fn new(config: Config, topics: Arc<Topics>, noted: Arc<Noted>) -> Self {
        Self {
            config,
            topics,
            noted,
            held: Mutex::default(),
        }
    }

    pub(super) async fn hand_over(self: Arc<Self>, messages: Vec<Message>) -> Outcomes {
        let mut batch = Batch::new(messages.len(), WINDOW_MAX);
        let mut held = self.held.lock().await;
        let producer = match self.topics.make(&topics(&messages)).await {
            Ok(_) => self.producer(&mut held),
            Err(reason) => Err(reason),
        };
        let way = held.way();
        let mut name = Name::default();
        for message in &messages {
            match (encode(message), &producer, batch.room().await) {
                (Err(reason), _, _) => batch.push(Err(Published::Refused(reason))),
                (_, _, Some(reason)) => batch.break_off(reason),
                (_, Err(reason), _) => batch.break_off(reason.clone()),
                (Ok(encoded), Ok(producer), None) => {
                    send(producer, name.of(&message.topic), &encoded, &mut batch);
                }
            }
        }
        drop(held);
        Box::pin(async move {
            let (outcomes, broken) = batch.outcomes().await;
            if broken.is_some() {
                let given_up = self.held.lock().await.give_up(&way);
                // Its last threads may take a while.
                tokio::task::spawn_blocking(move || drop((producer, given_up)));
            }
            match broken {
                Some(reason) => self.noted.is(Health::Degraded(reason)),
                None if outcomes.contains(&Published::Stored) => self.noted.is(Health::Up),
                // Nobody was asked.
                None => {}
            }
            outcomes
        })
    }

    fn producer(&self, held: &mut Held<FutureProducer>) -> Result<FutureProducer, String> {
        if let Some(producer) = held.open() {
            return Ok(producer.clone());
        }
        held.may_open()?;
        let fresh: FutureProducer = self
            .config
            .producer()
            .create()
            .map_err(|error| error.to_string())?;
        Ok(held.opened(fresh).clone())
    }
}

/// The topics of those that can travel.
fn topics(messages: &[Message]) -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    for message in messages {
        if !topics.contains(&message.topic) && check(message).is_ok() {
            topics.push(message.topic.clone());
        }
    }
    topics
}

/// What Kafka calls a topic; the next message is mostly on the same one.
#[derive(Default)]
struct Name {
    topic: Topic,
    name: String,
}

impl Name {
    fn of(&mut self, topic: &Topic) -> &str {
        if self.topic != *topic {
            self.topic = topic.clone();
            self.name = format!("{PREFIX}{topic}");
        }
        &self.name
    }
}

fn send(producer: &FutureProducer, topic: &str, encoded: &Encoded<'_>, batch: &mut Batch<DeliveryFuture>) {
    let mut record = FutureRecord::<str, [u8]>::to(topic)
        .payload(&**encoded.data)
        .headers(headers(encoded));
    if let Some(key) = &encoded.key {
        record = record.key(*key);
    }
    match producer.send_result(record) {
        Ok(delivery) => batch.push(Ok(delivery)),
        Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            batch.push(Err(Published::Refused(error.to_string())));
        }
        Err((error, _)) => batch.break_off(error.to_string()),
    }
}

impl Confirm for DeliveryFuture {
    // The client may still be sending it; it gives up by itself after `message.timeout.ms`.
    const ALWAYS: bool = true;

    async fn outcome(self) -> Result<Published, String> {
        match self.await {
            Ok(Ok(_)) => Ok(Published::Stored),
            Ok(Err((error, _)))
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) =>
            {
                Ok(Published::Refused(error.to_string()))
            }
            Ok(Err((error, _))) => Err(error.to_string()),
            Err(_canceled) => Err("the producer ended".to_owned()),
        }
    }
}
