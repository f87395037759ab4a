//! A broker that loses answers and subscriptions and hands things out twice, by the dice.
//!
//! In: what any transport is asked. Out: the embedded broker's answers, some of them lost or repeated, those of a batch
//! perhaps after the next has left. Order is kept: what leaves behind a lost answer is lost as well, until whoever sent
//! it knows.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use annals::World;
use annals_core::event::NewEvent;
use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Attempt, Capabilities, Consumer, Delivery, Message, Outcomes, Published, ReceiveError, Subscribe,
    SubscribeError, Topic, Transport,
};
use annals_core::position::Position;
use annals_transport::embedded::EmbeddedBroker;
use smol_str::SmolStr;

use super::dice::Dice;
use super::store::ChainStore;

/// So many deliveries may come a second time.
const REMEMBERED: usize = 16;

#[derive(Clone)]
pub(super) struct Wire {
    broker: EmbeddedBroker,
    dice: Arc<Dice>,
    /// Over which everything leaves, until an answer was lost on it. Every batch on its way holds it.
    line: Arc<Mutex<Arc<Line>>>,
}

/// What batches leave over.
#[derive(Default)]
struct Line {
    is_lost: AtomicBool,
}

impl Wire {
    pub(super) fn new(broker: EmbeddedBroker, dice: Arc<Dice>) -> Self {
        Self {
            broker,
            dice,
            line: Arc::default(),
        }
    }

    /// The line; a new one where nothing is on its way over one that was lost.
    fn line(&self) -> Arc<Line> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.is_lost.load(Relaxed) && Arc::strong_count(&line) == 1 {
            *line = Arc::default();
        }
        Arc::clone(&line)
    }

    /// As after a crash of the broker: on the same store, with the same dice.
    pub(super) fn reopen(&mut self, store: &ChainStore, world: &World) {
        self.broker = EmbeddedBroker::new(Arc::new(store.clone()), Arc::clone(&world.clock));
    }

    /// Sends at once and answers later, while the next may leave.
    async fn leave(&self, batch: Vec<Message>) -> Outcomes {
        let line = self.line();
        let outcomes = match line.is_lost.load(Relaxed) {
            true => vec![Published::Unknown("the dice lost an answer before".into()); batch.len()],
            false => self.publish_some(batch).await,
        };
        let is_lost = outcomes
            .iter()
            .any(|outcome| matches!(outcome, Published::Unknown(_)));
        if is_lost {
            line.is_lost.store(true, Relaxed);
        }
        let dice = Arc::clone(&self.dice);
        Box::pin(async move {
            dice.dawdle().await;
            dice.stall_answer(is_lost).await;
            drop(line);
            outcomes
        })
    }

    async fn publish_some(&self, batch: Vec<Message>) -> Vec<Published> {
        self.dice.dawdle().await;
        let lost = batch
            .iter()
            .position(|_| self.dice.publish_is_unknown() == Some(false));
        let count = batch.len();
        let sent = batch.into_iter().take(lost.unwrap_or(count)).collect();
        let mut outcomes = self.broker.publish(sent).await;
        let unconfirmed = outcomes
            .iter()
            .position(|_| self.dice.publish_is_unknown().is_some());
        outcomes.truncate(unconfirmed.unwrap_or(count));
        outcomes.resize(count, Published::Unknown("the dice lost the answer".into()));
        self.dice.dawdle().await;
        outcomes
    }
}

impl Transport for Wire {
    fn capabilities(&self) -> Capabilities {
        self.broker.capabilities()
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        Box::pin(self.publish_some(batch))
    }

    fn hand_over(&self, batch: Vec<Message>) -> BoxFuture<'_, Outcomes> {
        Box::pin(self.leave(batch))
    }

    fn lag(&self, topics: Vec<Topic>, from: Position) -> BoxFuture<'_, Option<u64>> {
        Transport::lag(&self.broker, topics, from)
    }

    fn backlog(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Option<u64>> {
        self.broker.backlog(group, topics)
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        Box::pin(async move {
            self.dice.dawdle().await;
            let consumer = self.broker.subscribe(subscribe).await?;
            Ok(Box::new(Unreliable {
                consumer,
                dice: Arc::clone(&self.dice),
                remembered: VecDeque::new(),
            }) as Box<dyn Consumer>)
        })
    }
}

struct Unreliable {
    consumer: Box<dyn Consumer>,
    dice: Arc<Dice>,
    remembered: VecDeque<(Topic, NewEvent, Option<Position>, annals_core::time::Timestamp)>,
}

impl Unreliable {
    /// Hands out at most one old delivery again, behind the new ones.
    fn repeat(&mut self, deliveries: &mut Vec<Delivery>, max: usize) {
        for delivery in &*deliveries {
            let Message { topic, event } = delivery.message.clone();
            self.remembered
                .push_back((topic, event, delivery.position, delivery.taken));
        }
        while self.remembered.len() > REMEMBERED {
            self.remembered.pop_front();
        }
        if deliveries.len() < max && self.dice.delivery_repeats() {
            let again = self.remembered.front().cloned();
            deliveries.extend(again.map(|(topic, event, position, taken)| Delivery {
                message: Message { topic, event },
                taken,
                position,
                attempt: Attempt::Unknown,
                settle: None,
            }));
        }
    }
}

impl Consumer for Unreliable {
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(async move {
            let mut deliveries = self.consumer.next(max).await?;
            if self.dice.subscription_is_lost() {
                return Err(ReceiveError::Lost("the dice say so".into()));
            }
            self.repeat(&mut deliveries, max);
            Ok(deliveries)
        })
    }
}
