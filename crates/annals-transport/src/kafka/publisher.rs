//! Publishing: idempotent, all of a batch on its way at once.
//!
//! Invariant: messages of one key leave in the order given. What is not acknowledged in time is unknown, and so is all
//! that follows in the batch; the producer that failed is not used again.

use std::collections::BTreeSet;

use annals_core::port::transport::{Message, Published, Topic};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::Mutex;

use super::config::{Config, PREFIX};
use super::convert::headers;
use crate::wire::{Encoded, encode};

pub(super) struct Publisher {
    config: Config,
    /// Held over a batch: batches go one after the other.
    producer: Mutex<Option<FutureProducer>>,
}

/// A message as it travels, or why no broker may take it.
pub(super) type Ready = Result<Encoded, String>;

/// Every message of a batch as it travels, and the topics of those that can.
pub(super) fn ready(batch: &[Message]) -> (Vec<Ready>, Vec<Topic>) {
    let encoded: Vec<Ready> = batch.iter().map(encode).collect();
    let good = batch.iter().zip(&encoded).filter(|(_, ready)| ready.is_ok());
    let topics: BTreeSet<&Topic> = good.map(|(message, _)| &message.topic).collect();
    let topics = topics.into_iter().cloned().collect();
    (encoded, topics)
}

impl Publisher {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            producer: Mutex::default(),
        }
    }

    /// One outcome per message, and what broke if something did.
    pub(super) async fn publish(
        &self,
        batch: Vec<Message>,
        encoded: Vec<Ready>,
    ) -> (Vec<Published>, Option<String>) {
        let mut held = self.producer.lock().await;
        let producer = match &*held {
            Some(producer) => producer.clone(),
            None => match self.config.producer().create::<FutureProducer>() {
                Ok(producer) => held.insert(producer).clone(),
                Err(error) => {
                    let reason = error.to_string();
                    let unknown = batch.iter().map(|_| Published::Unknown(reason.clone()));
                    return (unknown.collect(), Some(reason));
                }
            },
        };
        let mut broken = None;
        let mut sent = Vec::with_capacity(batch.len());
        for (message, encoded) in batch.iter().zip(encoded) {
            sent.push(send(&producer, &message.topic, encoded, &mut broken));
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        for sent in sent {
            outcomes.push(match sent {
                Err(outcome) => outcome,
                Ok(delivery) => delivered(delivery, &mut broken).await,
            });
        }
        if broken.is_some() {
            *held = None;
            // Its last threads may take a while.
            tokio::task::spawn_blocking(move || drop(producer));
        }
        (outcomes, broken)
    }
}

fn send(
    producer: &FutureProducer,
    topic: &Topic,
    encoded: Ready,
    broken: &mut Option<String>,
) -> Result<DeliveryFuture, Published> {
    let encoded = encoded.map_err(Published::Refused)?;
    if let Some(reason) = broken {
        return Err(Published::Unknown(reason.clone()));
    }
    let topic = format!("{PREFIX}{topic}");
    let mut record = FutureRecord::<str, [u8]>::to(&topic)
        .payload(&encoded.data)
        .headers(headers(&encoded));
    if let Some(key) = &encoded.key {
        record = record.key(key);
    }
    producer.send_result(record).map_err(|(error, _)| {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
            return Published::Refused(error.to_string());
        }
        let reason = error.to_string();
        *broken = Some(reason.clone());
        Published::Unknown(reason)
    })
}

/// The producer itself gives up after `message.timeout.ms`.
async fn delivered(delivery: DeliveryFuture, broken: &mut Option<String>) -> Published {
    let reason = match delivery.await {
        Ok(Ok(_)) if broken.is_none() => return Published::Stored,
        Ok(Ok(_)) => broken.clone().unwrap_or_default(),
        Ok(Err((error, _))) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
            return Published::Refused(error.to_string());
        }
        Ok(Err((error, _))) => error.to_string(),
        Err(_canceled) => "the producer ended".to_owned(),
    };
    broken.get_or_insert_with(|| reason.clone());
    Published::Unknown(reason)
}
