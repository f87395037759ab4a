//! The topology: which groups a system has, made known to the broker before anything is published.
//!
//! In: a transport, and every group with its topics. Out: the same transport, which publishes nothing before each of them
//! is declared. A broker that keeps a message only for groups it knows would otherwise store it for those that happen to
//! be there first, and never give it to the others. Where late groups get everything anyway it costs one round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Capabilities, Consumer, Health, Listener, Message, Outcomes, Published, Subscribe, SubscribeError, Topic,
    Transport,
};
use annals_core::position::Position;
use bytes::Bytes;
use smol_str::SmolStr;
use tokio::sync::Mutex;

/// A transport that knows who is to hear what.
pub struct Topology {
    remote: Arc<dyn Transport>,
    groups: Vec<(SmolStr, Vec<Topic>)>,
    declared: AtomicBool,
    /// One declares, others wait.
    declaring: Mutex<()>,
}

impl Topology {
    /// Groups and the topics of each. All processes of a system are to be told the same.
    pub fn new(remote: Arc<dyn Transport>, groups: impl IntoIterator<Item = (SmolStr, Vec<Topic>)>) -> Self {
        Self {
            remote,
            groups: groups.into_iter().collect(),
            declared: AtomicBool::new(false),
            declaring: Mutex::default(),
        }
    }

    /// Whether every group is known to the broker.
    pub fn is_declared(&self) -> bool {
        self.declared.load(Ordering::Acquire)
    }

    /// Makes every group known that is not yet. Publishing does so by itself.
    ///
    /// # Errors
    /// Of the first group that could not be made known; try again.
    ///
    /// # Cancel safety
    /// What was declared stays so.
    pub async fn declare_all(&self) -> Result<(), SubscribeError> {
        if self.is_declared() {
            return Ok(());
        }
        let _one = self.declaring.lock().await;
        if self.is_declared() {
            return Ok(());
        }
        for (group, topics) in &self.groups {
            self.remote.declare(group.clone(), topics.clone()).await?;
        }
        self.declared.store(true, Ordering::Release);
        Ok(())
    }
}

impl Topology {
    async fn leave(&self, batch: Vec<Message>) -> Outcomes {
        match self.declare_all().await {
            Ok(()) => self.remote.hand_over(batch).await,
            Err(error) => {
                let reason = format!("not every group is known to the broker yet: {error}");
                let unknown = batch.iter().map(|_| Published::Unknown(reason.clone()));
                Box::pin(std::future::ready(unknown.collect()))
            }
        }
    }
}

impl Transport for Topology {
    fn capabilities(&self) -> Capabilities {
        self.remote.capabilities()
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        Box::pin(async move { self.hand_over(batch).await.await })
    }

    fn hand_over(&self, batch: Vec<Message>) -> BoxFuture<'_, Outcomes> {
        Box::pin(self.leave(batch))
    }

    fn lag(&self, topics: Vec<Topic>, from: Position) -> BoxFuture<'_, Option<u64>> {
        self.remote.lag(topics, from)
    }

    fn backlog(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Option<u64>> {
        self.remote.backlog(group, topics)
    }

    fn health(&self) -> Health {
        self.remote.health()
    }

    fn declare(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), SubscribeError>> {
        self.remote.declare(group, topics)
    }

    fn broadcast(&self, channel: Topic, said: Bytes) -> BoxFuture<'_, Result<(), SubscribeError>> {
        self.remote.broadcast(channel, said)
    }

    fn listen(&self, channel: Topic) -> BoxFuture<'_, Result<Box<dyn Listener>, SubscribeError>> {
        self.remote.listen(channel)
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        self.remote.subscribe(subscribe)
    }
}
