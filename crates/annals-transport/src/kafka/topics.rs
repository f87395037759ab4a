//! Topics: made when they are first needed. One that is there is left as it is.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use annals_core::port::transport::Topic;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use tokio::time::timeout;

use super::config::{Config, PREFIX, RECORD_BYTES_MAX};
use super::door::knock;
use crate::link::DEADLINE;

pub(super) struct Topics {
    config: Config,
    known: Mutex<BTreeSet<Topic>>,
    admin: Mutex<Option<Arc<AdminClient<DefaultClientContext>>>>,
    /// Whoever says who he is was let in before.
    known_there: AtomicBool,
}

impl Topics {
    pub(super) fn new(config: Config) -> Self {
        Self {
            known: Mutex::default(),
            admin: Mutex::default(),
            known_there: AtomicBool::new(!config.has_login()),
            config,
        }
    }

    /// Makes what is missing, and says whether the broker was asked: for what is known it is not.
    pub(super) async fn make(&self, topics: &[Topic]) -> Result<bool, String> {
        let missing: Vec<Topic> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            topics
                .iter()
                .filter(|topic| !known.contains(*topic))
                .cloned()
                .collect()
        };
        if missing.is_empty() {
            return Ok(false);
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
        self.enter().await?;
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
        Ok(true)
    }

    /// Whether we are let in; asked until we were once.
    async fn enter(&self) -> Result<(), String> {
        if self.known_there.load(Ordering::Relaxed) {
            return Ok(());
        }
        let config = self.config.clone();
        let knocked = tokio::task::spawn_blocking(move || knock(&config)).await;
        knocked.map_err(|ended| ended.to_string())??;
        self.known_there.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn admin(&self) -> Result<Arc<AdminClient<DefaultClientContext>>, String> {
        let mut held = self.admin.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(admin) = &*held {
            return Ok(Arc::clone(admin));
        }
        let made = self.config.client().create().map_err(|error| error.to_string())?;
        let admin = Arc::new(made);
        *held = Some(Arc::clone(&admin));
        Ok(admin)
    }
}
