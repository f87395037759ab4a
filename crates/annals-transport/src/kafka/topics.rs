//! Topics: made when they are first needed. One that is there is left as it is.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use annals_core::port::transport::Topic;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use tokio::time::timeout;

use super::config::{Config, PREFIX, RECORD_BYTES_MAX};
use crate::link::DEADLINE;

pub(super) struct Topics {
    config: Config,
    known: Mutex<BTreeSet<Topic>>,
    admin: Mutex<Option<std::sync::Arc<AdminClient<DefaultClientContext>>>>,
}

impl Topics {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            known: Mutex::default(),
            admin: Mutex::default(),
        }
    }

    pub(super) async fn make(&self, topics: &[Topic]) -> Result<(), String> {
        let missing: Vec<Topic> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            topics
                .iter()
                .filter(|topic| !known.contains(*topic))
                .cloned()
                .collect()
        };
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = missing.iter().map(|topic| format!("{PREFIX}{topic}")).collect();
        let wanted: Vec<NewTopic<'_>> = names
            .iter()
            .map(|name| {
                NewTopic::new(
                    name,
                    self.config.partitions,
                    TopicReplication::Fixed(self.config.replication),
                )
                .set("max.message.bytes", RECORD_BYTES_MAX)
            })
            .collect();
        let admin = self.admin()?;
        let options = AdminOptions::new()
            .request_timeout(Some(DEADLINE))
            .operation_timeout(Some(DEADLINE));
        let made = timeout(DEADLINE * 2, admin.create_topics(&wanted, &options)).await;
        let made = made.map_err(|_late| format!("Kafka did not answer within {DEADLINE:?}"))?;
        for result in made.map_err(|error| error.to_string())? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(format!("the topic {name} cannot be made: {code}")),
            }
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(missing);
        Ok(())
    }

    fn admin(&self) -> Result<std::sync::Arc<AdminClient<DefaultClientContext>>, String> {
        let mut held = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(admin) = &*held {
            return Ok(std::sync::Arc::clone(admin));
        }
        let made = self.config.client().create().map_err(|error| error.to_string())?;
        let admin = std::sync::Arc::new(made);
        *held = Some(std::sync::Arc::clone(&admin));
        Ok(admin)
    }
}
