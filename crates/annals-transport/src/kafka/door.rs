//! The door: asks once whether the broker lets us in, because calls of the client only say that nobody answered.
//!
//! In: an address with a user. Out: nothing, or why we are not let in. An address without a user is not asked for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use super::config::Config;
use crate::link::DEADLINE;

/// How long each question waits before it is looked whether the answer was no.
const LOOK: Duration = Duration::from_millis(250);

/// Hears why the client is not let in.
#[derive(Default)]
struct Door(Mutex<Option<String>>);

impl ClientContext for Door {
    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Door {
    type DeliveryOpaque = <DefaultProducerContext as ProducerContext>::DeliveryOpaque;

    fn delivery(&self, _: &rdkafka::producer::DeliveryResult<'_>, _: Self::DeliveryOpaque) {}
}

/// Knocks until somebody answers, no longer than a deadline. Blocks its thread. That nobody answers is not said here.
pub(super) fn knock(config: &Config) -> Result<(), String> {
    let client: BaseProducer<Door> = config
        .client()
        .create_with_context(Door::default())
        .map_err(|error| error.to_string())?;
    let began = Instant::now();
    while began.elapsed() < DEADLINE {
        let answered = client.client().fetch_metadata(None, LOOK).is_ok();
        client.poll(Duration::ZERO);
        let denied = client
            .context()
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match denied {
            Some(reason) => return Err(reason),
            None if answered => return Ok(()),
            None => {}
        }
    }
    Ok(())
}
