//! Namespaces: several systems on one broker that do not hear each other.
//!
//! In: a transport, and a name. Out: a transport on which every topic and every group has that name and a dot in front,
//! at the broker only; nobody who uses it sees that.

use std::sync::Arc;

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{
    Bundle, Capabilities, Consumer, Delivery, Health, Listener, Message, Outcomes, Published, ReceiveError,
    Subscribe, SubscribeError, Topic, Transport,
};
use annals_core::position::Position;
use bytes::Bytes;
use smol_str::{SmolStr, format_smolstr};

/// A transport inside a namespace.
pub struct Namespace {
    remote: Arc<dyn Transport>,
    name: SmolStr,
}

impl Namespace {
    /// Everything of `remote` that begins with this name: letters, digits, `_` and `-`.
    pub fn new(remote: Arc<dyn Transport>, name: impl Into<SmolStr>) -> Self {
        Self {
            remote,
            name: name.into(),
        }
    }

    fn inside(&self, name: &str) -> SmolStr {
        format_smolstr!("{}.{name}", self.name)
    }

    fn all_inside(&self, batch: Vec<Message>) -> Vec<Message> {
        // Neighbours are mostly on one topic.
        let mut last: Option<(Topic, Topic)> = None;
        let inside = batch.into_iter().map(|message| {
            let (_, topic) = match last.take() {
                Some(known) if known.0 == message.topic => last.insert(known),
                _ => last.insert((message.topic.clone(), self.inside(&message.topic))),
            };
            let topic = topic.clone();
            Message { topic, ..message }
        });
        inside.collect()
    }

    fn all(&self, topics: &[Topic]) -> Vec<Topic> {
        topics.iter().map(|topic| self.inside(topic)).collect()
    }
}

impl Transport for Namespace {
    fn capabilities(&self) -> Capabilities {
        // Every topic would be those of the other namespaces too.
        Capabilities {
            every_topic: false,
            ..self.remote.capabilities()
        }
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        self.remote.publish(self.all_inside(batch))
    }

    fn hand_over(&self, batch: Vec<Message>) -> BoxFuture<'_, Outcomes> {
        self.remote.hand_over(self.all_inside(batch))
    }

    fn lag(&self, topics: Vec<Topic>, from: Position) -> BoxFuture<'_, Option<u64>> {
        self.remote.lag(self.all(&topics), from)
    }

    fn backlog(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Option<u64>> {
        self.remote.backlog(self.inside(&group), self.all(&topics))
    }

    fn health(&self) -> Health {
        self.remote.health()
    }

    fn declare(&self, group: SmolStr, topics: Vec<Topic>) -> BoxFuture<'_, Result<(), SubscribeError>> {
        self.remote.declare(self.inside(&group), self.all(&topics))
    }

    fn broadcast(&self, channel: Topic, said: Bytes) -> BoxFuture<'_, Result<(), SubscribeError>> {
        self.remote.broadcast(self.inside(&channel), said)
    }

    fn listen(&self, channel: Topic) -> BoxFuture<'_, Result<Box<dyn Listener>, SubscribeError>> {
        self.remote.listen(self.inside(&channel))
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        Box::pin(async move {
            if subscribe.topics.is_empty() {
                return Err(SubscribeError::Unsupported(
                    "hear every topic of a namespace".into(),
                ));
            }
            let remote = Subscribe {
                group: self.inside(&subscribe.group),
                topics: self.all(&subscribe.topics),
                start: subscribe.start,
            };
            let consumer = self.remote.subscribe(remote).await?;
            let prefix = self.inside("");
            Ok(Box::new(Inside { consumer, prefix }) as Box<dyn Consumer>)
        })
    }
}

struct Inside {
    consumer: Box<dyn Consumer>,
    prefix: SmolStr,
}

impl Inside {
    /// Names the topic as those outside do.
    fn outside(&self, message: &mut Message) {
        if let Some(name) = message.topic.strip_prefix(self.prefix.as_str()) {
            message.topic = name.into();
        }
    }
}

impl Consumer for Inside {
    fn next(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(async move {
            let mut deliveries = self.consumer.next(max).await?;
            deliveries
                .iter_mut()
                .for_each(|delivery| self.outside(&mut delivery.message));
            Ok(deliveries)
        })
    }

    fn next_bundle(&mut self, max: usize) -> BoxFuture<'_, Result<Bundle, ReceiveError>> {
        Box::pin(async move {
            let mut bundle = self.consumer.next_bundle(max).await?;
            bundle
                .messages
                .iter_mut()
                .for_each(|message| self.outside(message));
            Ok(bundle)
        })
    }
}
