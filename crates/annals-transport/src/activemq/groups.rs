//! Groups and their queues: what this process has made known, and makes known again.
//!
//! In: groups and their topics. Out: a queue of each, which stays when nobody reads it.
//!
//! Invariant: over a new connection nothing is published to a topic before every group that hears it has its queue. Classic
//! forgets a queue in which nothing was yet when it is killed, and answers *accepted* to what is published to it afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use annals_core::port::transport::{SubscribeError, Topic};
use fe2o3_amqp::Receiver;
use fe2o3_amqp::link::CreditMode;
use fe2o3_amqp::types::messaging::{Source, TerminusDurability, TerminusExpiryPolicy};
use smol_str::SmolStr;
use uuid::Uuid;

use super::config::Flavour;
use super::link::{Open, within};
use crate::link::unavailable;

/// The groups that this process has made known, by the topics that they hear.
#[derive(Default)]
pub(super) struct Groups(Mutex<BTreeMap<Topic, BTreeSet<SmolStr>>>);

impl Groups {
    fn by_topic(&self) -> MutexGuard<'_, BTreeMap<Topic, BTreeSet<SmolStr>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group has its queues.
    pub(super) fn note(&self, group: &SmolStr, topics: impl IntoIterator<Item = Topic>) {
        let mut by_topic = self.by_topic();
        for topic in topics {
            by_topic.entry(topic).or_default().insert(group.clone());
        }
    }

    /// Whether any group hears a topic.
    pub(super) fn hear(&self, topic: &Topic) -> bool {
        self.by_topic().contains_key(topic)
    }

    /// Makes those that hear a topic known once more.
    pub(super) async fn declare_again(
        &self,
        flavour: Flavour,
        open: &mut Open,
        topic: &Topic,
    ) -> Result<(), String> {
        let groups = self.by_topic().get(topic).cloned().unwrap_or_default();
        for group in groups {
            let attached = attach(flavour, open, &group, topic, CreditMode::Manual).await;
            let receiver = attached.map_err(|error| error.to_string())?;
            // Nobody waits for the goodbye: where the road is slow, each answer counts.
            tokio::spawn(within(receiver.close()));
        }
        Ok(())
    }
}

/// Makes the queues of a group.
pub(super) async fn declare<'a>(
    flavour: Flavour,
    open: &mut Open,
    group: &str,
    topics: impl IntoIterator<Item = &'a Topic>,
) -> Result<(), SubscribeError> {
    for topic in topics {
        let receiver = attach(flavour, open, group, topic, CreditMode::Manual).await?;
        // It may be gone already; the queue is there.
        drop(within(receiver.close()).await);
    }
    Ok(())
}

/// Attaches to the queue of a group for a topic, which is made if it is not there.
pub(super) async fn attach(
    flavour: Flavour,
    open: &mut Open,
    group: &str,
    topic: &Topic,
    credit: CreditMode,
) -> Result<Receiver, SubscribeError> {
    let mut source = Source::builder()
        .address(flavour.source(topic, group))
        .durable(TerminusDurability::UnsettledState)
        .expiry_policy(TerminusExpiryPolicy::Never);
    if let Some(capability) = flavour.capability() {
        source = source.capabilities(vec![capability]);
    }
    let attaching = Receiver::builder()
        .name(format!("annals-{}", Uuid::new_v4()))
        .source(source.build())
        .credit_mode(credit)
        .auto_accept(false)
        .attach(&mut open.session);
    within(attaching).await.map_err(unavailable)
}
