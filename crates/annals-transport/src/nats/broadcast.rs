//! Broadcast: a plain subject, which no stream keeps.

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{Listener, ReceiveError, SubscribeError};
use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt;

use super::link::{Link, within};
use crate::link::unavailable;

/// Outside of what the stream takes.
fn subject(channel: &str) -> String {
    format!("annals-broadcast.{channel}")
}

pub(super) async fn say(link: &Link, channel: &str, said: Bytes) -> Result<(), SubscribeError> {
    let saying = async {
        let client = link.client().await?;
        within(client.publish(subject(channel), said)).await?;
        within(client.flush()).await
    };
    saying.await.map_err(unavailable)
}

pub(super) async fn listen(link: &Link, channel: &str) -> Result<Heard, SubscribeError> {
    let listening = async {
        let client = link.client().await?;
        let subscriber = within(client.subscribe(subject(channel))).await?;
        // The server has taken the subscription when it has answered what was sent behind it.
        within(client.flush()).await?;
        Ok(Heard(subscriber))
    };
    listening.await.map_err(unavailable)
}

/// Listens to one channel; the client subscribes again by itself when it has reconnected.
pub(super) struct Heard(Subscriber);

impl Listener for Heard {
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, ReceiveError>> {
        Box::pin(async {
            let ended = || ReceiveError::Lost("NATS ended the subscription".into());
            self.0
                .next()
                .await
                .map(|message| message.payload)
                .ok_or_else(ended)
        })
    }
}
