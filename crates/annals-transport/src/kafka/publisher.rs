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
use crate::wire::encode;

pub(super) struct Publisher {
    config: Config,
    /// Held over a batch: batches go one after the other.
    producer: Mutex<Option<FutureProducer>>,
}

/// The topics of a batch that can be topics.
pub(super) fn topics(batch: &[Message]) -> Vec<Topic> {
    let good = batch.iter().filter(|message| encode(message).is_ok());
    let topics: BTreeSet<Topic> = good.map(|message| message.topic.clone()).collect();
    topics.into_iter().collect()
}

impl Publisher {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            producer: Mutex::default(),
        }
    }

    /// One outcome per message, and what broke if something did.
    pub(super) async fn publish(&self, batch: Vec<Message>) -> (Vec<Published>, Option<String>) {
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
        for message in &batch {
            sent.push(send(&producer, message, &mut broken));
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
    message: &Message,
    broken: &mut Option<String>,
) -> Result<DeliveryFuture, Published> {
    let encoded = encode(message).map_err(Published::Refused)?;
    if let Some(reason) = broken {
        return Err(Published::Unknown(reason.clone()));
    }
    let topic = format!("{PREFIX}{}", message.topic);
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
