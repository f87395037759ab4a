//! ActiveMQ Classic and Artemis by fe2o3-amqp: a durable queue behind a topic, durable messages whose outcomes are awaited,
//! credit as annals gives it, many messages accepted at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use annals::core::port::transport::Topic;
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::{DeliveryFut, DeliveryInfo};
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::{
    ApplicationProperties, Body, Data, Header, Message, Outcome, Properties, Source, Target,
    TerminusDurability, TerminusExpiryPolicy,
};
use fe2o3_amqp::types::primitives::{Binary, OrderedMap, SimpleValue, Symbol, Value};
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use futures_util::FutureExt;

use crate::bare::{BATCH_MAX, Bare, Consume, Publish};
use crate::message;

/// As in the transport of annals.
const CREDIT: u32 = 200;

/// Where it is, and which of the two.
pub(crate) struct Amqp {
    host: String,
    classic: bool,
    names: AtomicU64,
}

struct Open {
    session: SessionHandle<()>,
    connection: ConnectionHandle<()>,
}

pub(crate) struct Publisher {
    sender: Sender,
    outcomes: VecDeque<DeliveryFut<Result<Outcome, SendError>>>,
    _open: Open,
}

pub(crate) struct Consumer {
    receiver: Receiver,
    unsettled: Vec<DeliveryInfo>,
    _open: Open,
}

impl Amqp {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let (scheme, host) = url.split_once("://").context("the address has no scheme")?;
        Ok(Self {
            host: host.to_owned(),
            classic: scheme == "activemq",
            names: AtomicU64::new(0),
        })
    }

    fn name(&self) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        format!("bench-{}-{number}", std::process::id())
    }

    async fn open(&self) -> Result<Open> {
        let url = format!("amqp://{}", self.host);
        let mut connection = Connection::builder()
            .container_id(self.name())
            .max_frame_size(1 << 20)
            .sasl_profile(SaslProfile::Anonymous)
            .open(&url[..])
            .await?;
        let session = Session::begin(&mut connection).await?;
        Ok(Open { session, connection })
    }

    fn target(&self, lane: &str) -> String {
        match self.classic {
            true => format!("topic://VirtualTopic.{lane}"),
            false => lane.to_owned(),
        }
    }

    fn source(&self, lane: &str) -> String {
        match self.classic {
            true => format!("queue://Consumer.bench.VirtualTopic.{lane}"),
            false => format!("{lane}::{lane}.bench"),
        }
    }

    fn capabilities(&self) -> Vec<Symbol> {
        match self.classic {
            true => Vec::new(),
            false => vec![Symbol::from("topic")],
        }
    }

    async fn receiver(&self, open: &mut Open, lane: &str, credit: CreditMode) -> Result<Receiver> {
        let mut source = Source::builder()
            .address(self.source(lane))
            .durable(TerminusDurability::UnsettledState)
            .expiry_policy(TerminusExpiryPolicy::Never);
        if !self.classic {
            source = source.capabilities(self.capabilities());
        }
        let attaching = Receiver::builder()
            .name(self.name())
            .source(source.build())
            .credit_mode(credit)
            .auto_accept(false)
            .attach(&mut open.session);
        Ok(attaching.await?)
    }
}

impl Open {
    async fn close(mut self) -> Result<()> {
        self.session.end().await?;
        self.connection.close().await?;
        Ok(())
    }
}

impl Bare for Amqp {
    const WINDOW: usize = 256;
    type Publisher = Publisher;
    type Consumer = Consumer;

    async fn make(&self, lane: &str) -> Result<()> {
        let mut open = self.open().await?;
        let receiver = self.receiver(&mut open, lane, CreditMode::Manual).await?;
        receiver.close().await?;
        open.close().await
    }

    async fn publisher(&self, lane: &str) -> Result<Publisher> {
        let mut open = self.open().await?;
        let mut target = Target::builder().address(self.target(lane));
        if !self.classic {
            target = target.capabilities(self.capabilities());
        }
        let attaching = Sender::builder()
            .name(self.name())
            .target(target.build())
            .attach(&mut open.session);
        Ok(Publisher {
            sender: attaching.await?,
            outcomes: VecDeque::new(),
            _open: open,
        })
    }

    async fn consumer(&self, lane: &str) -> Result<Consumer> {
        let mut open = self.open().await?;
        let receiver = self.receiver(&mut open, lane, CreditMode::Auto(CREDIT)).await?;
        Ok(Consumer {
            receiver,
            unsettled: Vec::new(),
            _open: open,
        })
    }

    /// By this protocol no queue can be removed; it is empty.
    async fn remove(&self, _lane: &str) -> Result<()> {
        Ok(())
    }

    async fn remove_ours(&self, _namespace: &str, _group: &str, _topic: &Topic) -> Result<()> {
        Ok(())
    }
}

fn sections(message: &message::Bare) -> Message<Data> {
    let header = Header {
        durable: true,
        ..Header::default()
    };
    let properties = Properties::builder()
        .message_id(message.id.clone())
        .content_type(Symbol::from(message.content_type))
        .group_id(message.key.clone())
        .build();
    let mut attributes = OrderedMap::new();
    for (name, value) in message.beside_key() {
        attributes.insert(format!("cloudEvents_{name}"), SimpleValue::String(value.clone()));
    }
    Message::builder()
        .header(header)
        .properties(properties)
        .application_properties(ApplicationProperties(attributes))
        .data(Binary::from(message.data.to_vec()))
        .build()
}

impl Publisher {
    async fn accepted(&mut self, left: usize) -> Result<()> {
        while self.outcomes.len() > left
            && let Some(outcome) = self.outcomes.pop_front()
        {
            match outcome.await? {
                Outcome::Accepted(_) => {}
                other => bail!("the broker answered {other:?}"),
            }
        }
        Ok(())
    }
}

impl Publish for Publisher {
    async fn send(&mut self, message: &message::Bare) -> Result<()> {
        self.accepted(Amqp::WINDOW - 1).await?;
        let outcome = self.sender.send_batchable(sections(message)).await?;
        self.outcomes.push_back(outcome);
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        self.accepted(0).await
    }
}

impl Consume for Consumer {
    async fn take(&mut self, taken: &mut Vec<Bytes>) -> Result<()> {
        let end = taken.len() + BATCH_MAX;
        let mut next = self.receiver.recv::<Body<Value>>().await;
        loop {
            let (info, sections) = next?.into_parts();
            let Body::Data(parts) = sections.body else {
                bail!("a message came without data");
            };
            let parts: Vec<Vec<u8>> = parts.into_iter().map(|part| part.0.into_vec()).collect();
            taken.push(parts.concat().into());
            self.unsettled.push(info);
            if taken.len() == end {
                return Ok(());
            }
            match self.receiver.recv::<Body<Value>>().now_or_never() {
                Some(another) => next = another,
                None => return Ok(()),
            }
        }
    }

    async fn settle(&mut self) -> Result<()> {
        let unsettled = std::mem::take(&mut self.unsettled);
        let accepted = self.receiver.accept_all(unsettled).await;
        accepted.map_err(|error| anyhow!("{error}"))
    }
}
