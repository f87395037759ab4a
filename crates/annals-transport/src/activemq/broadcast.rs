//! Broadcast: a plain topic, not durable and not kept.

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{Listener, ReceiveError, SubscribeError};
use bytes::Bytes;
use fe2o3_amqp::link::CreditMode;
use fe2o3_amqp::types::messaging::{Body, Data, Header, Message, Source, Target};
use fe2o3_amqp::types::primitives::{Binary, Value};
use fe2o3_amqp::{Receiver, Sender};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::link::{Link, Open, within};
use crate::link::unavailable;

/// What nobody fetched within this time is dropped, in milliseconds.
const KEPT_MS: u32 = 15_000;
/// Messages on their way to a listener.
const CREDIT: u32 = 200;

/// Says things through one connection with a link for one channel.
#[derive(Default)]
pub(super) struct Speaker(Mutex<Option<Speaking>>);

struct Speaking {
    channel: String,
    sender: Sender,
    open: Open,
}

impl Speaker {
    pub(super) async fn say(&self, link: &Link, channel: &str, said: Bytes) -> Result<(), SubscribeError> {
        let mut held = self.0.lock().await;
        let saying = async {
            let mut speaking = match held.take() {
                Some(speaking) if speaking.channel == channel => speaking,
                other => {
                    if let Some(other) = other {
                        other.open.close().await;
                    }
                    speaking(link, channel).await?
                }
            };
            within(speaking.sender.send(message(&said))).await?;
            *held = Some(speaking);
            Ok(())
        };
        saying.await.map_err(unavailable)
    }
}

async fn speaking(link: &Link, channel: &str) -> Result<Speaking, String> {
    let mut open = link.open().await?;
    let mut target = Target::builder().address(link.config.flavour.channel(channel));
    if let Some(capability) = link.config.flavour.capability() {
        target = target.capabilities(vec![capability]);
    }
    let attaching = Sender::builder()
        .name(format!("annals-{}", Uuid::new_v4()))
        .target(target.build())
        .attach(&mut open.session);
    Ok(Speaking {
        channel: channel.to_owned(),
        sender: within(attaching).await?,
        open,
    })
}

fn message(said: &[u8]) -> Message<Data> {
    let header = Header {
        ttl: Some(KEPT_MS),
        ..Header::default()
    };
    Message::builder()
        .header(header)
        .data(Binary::from(said.to_vec()))
        .build()
}

pub(super) async fn listen(link: &Link, channel: &str) -> Result<Heard, SubscribeError> {
    heard(link, channel).await.map_err(unavailable)
}

async fn heard(link: &Link, channel: &str) -> Result<Heard, String> {
    let mut open = link.open().await?;
    let mut source = Source::builder().address(link.config.flavour.channel(channel));
    if let Some(capability) = link.config.flavour.capability() {
        source = source.capabilities(vec![capability]);
    }
    let attaching = Receiver::builder()
        .name(format!("annals-{}", Uuid::new_v4()))
        .source(source.build())
        .credit_mode(CreditMode::Auto(CREDIT))
        .auto_accept(true)
        .attach(&mut open.session);
    Ok(Heard {
        receiver: within(attaching).await?,
        _open: open,
    })
}

/// Listens to one channel.
pub(super) struct Heard {
    receiver: Receiver,
    _open: Open,
}

impl Listener for Heard {
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, ReceiveError>> {
        Box::pin(async {
            let received = self.receiver.recv::<Body<Value>>().await;
            let delivery = received.map_err(|error| ReceiveError::Lost(error.to_string()))?;
            let body = delivery.into_body();
            Ok(match body {
                Body::Data(parts) => parts.iter().flat_map(|part| part.0.to_vec()).collect(),
                // Somebody else speaks here.
                _ => Bytes::new(),
            })
        })
    }
}
