//! Reading a topic from a position on, where the subscriber keeps the checkpoint.
//!
//! In: topics and a position. Out: every message from there on, in order of position, none twice. There is nothing to
//! settle, subscribers know nothing of each other, and what is read ahead is one page at most.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use annals_core::event::RecordedEvent;
use annals_core::port::follow::Follow;
use annals_core::port::store::{BoxFuture, EventStore, ReadError};
use annals_core::port::transport::{Attempt, Consumer, Delivery, ReceiveError, Topic};
use annals_core::position::Position;

use super::convert::to_message;
use super::name::{NameError, topics_query};

/// One subscriber that keeps its own checkpoint.
pub(super) struct ReplayConsumer {
    follow: Follow,
    topics: BTreeSet<Topic>,
    /// Read, not yet returned.
    waiting: VecDeque<Delivery>,
    max: usize,
}

impl ReplayConsumer {
    /// Follows the messages of these topics (none: all) from a position on, in pages of at most `max`.
    pub(super) fn new(
        store: Arc<dyn EventStore>,
        topics: BTreeSet<Topic>,
        from: Position,
        max: usize,
    ) -> Result<Self, NameError> {
        let query = topics_query(&topics)?;
        Ok(Self {
            follow: Follow::new(store, query, from, max),
            topics,
            waiting: VecDeque::new(),
            max,
        })
    }

    async fn receive(&mut self, max: usize) -> Result<Vec<Delivery>, ReceiveError> {
        while self.waiting.is_empty() {
            let page = self.follow.next().await.map_err(lost)?;
            let topics = &self.topics;
            self.waiting.extend(
                page.events
                    .into_iter()
                    .filter_map(|recorded| delivery(recorded, topics)),
            );
        }
        let count = max.clamp(1, self.max).min(self.waiting.len());
        Ok(self.waiting.drain(..count).collect())
    }
}

impl Consumer for ReplayConsumer {
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(self.receive(max))
    }
}

fn delivery(recorded: RecordedEvent, topics: &BTreeSet<Topic>) -> Option<Delivery> {
    let (position, taken) = (recorded.position, recorded.recorded);
    let message = to_message(recorded.event)?;
    // A message may carry a tag of the kind `topic` of its own, which the query finds too.
    let wanted = topics.is_empty() || topics.contains(&message.topic);
    wanted.then_some(Delivery {
        message,
        taken,
        position: Some(position),
        attempt: Attempt::Unknown,
        settle: None,
    })
}

fn lost(error: ReadError) -> ReceiveError {
    match error {
        ReadError::Closed => ReceiveError::Closed,
        other => ReceiveError::Lost(other.to_string()),
    }
}
