//! Publishing: in order, so many at most on their way.
//!
//! Invariant: messages leave in the order given. What was not acknowledged in time is unknown; sent again, the server
//! knows it by its id.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use annals_core::port::transport::{Health, Message, Outcomes, Published};
use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::config::subject;
use super::convert::{headers, message_id, payload, size};
use super::link::{Link, within};
use crate::way::{Batch, Confirm, Held};
use crate::wire::{Encoded, encode};

/// Messages on their way without an acknowledgement.
pub(super) const WINDOW_MAX: usize = 512;
/// How the server says that it has no room: in the stream, in the account, on the disk.
const FULL: [&str; 3] = ["maximum bytes exceeded", "maximum messages exceeded", "resource"];
/// For an acknowledgement.
const ACK_DEADLINE: Duration = Duration::from_secs(15);
/// The client has connected anew by itself, and what it had sent may be lost.
const RECONNECTED: &str = "the connection to NATS was lost and made anew";

pub(super) struct Publisher {
    link: Arc<Link>,
    /// Held while a batch is sent: batches leave one after the other.
    held: Mutex<Held<Connected>>,
}

/// The client as it was connected for so many times.
#[derive(Clone)]
struct Connected {
    client: Client,
    context: Context,
    times: u64,
    /// Bytes of a message, at most.
    payload_max: usize,
}

impl Connected {
    /// Whether it is still the same connection.
    fn stands(&self) -> bool {
        self.client.connection_state() == State::Connected && self.times == times(&self.client)
    }
}

fn times(client: &Client) -> u64 {
    client.statistics().connects.load(Ordering::Relaxed)
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            held: Mutex::default(),
        }
    }

    pub(super) async fn hand_over(self: Arc<Self>, messages: Vec<Message>) -> Outcomes {
        let mut batch = Batch::new(messages.len(), WINDOW_MAX);
        let mut held = self.held.lock().await;
        let connected = self.connected(&mut held).await;
        let way = held.way();
        for message in &messages {
            send(&connected, message, &mut batch).await;
        }
        drop(held);
        Box::pin(async move {
            let (outcomes, broken) = batch.outcomes().await;
            if broken.is_some() {
                self.link.stream_is_doubtful();
                drop(self.held.lock().await.give_up(&way));
            }
            self.link.is(match broken {
                None => Health::Up,
                Some(reason) if FULL.iter().any(|words| reason.contains(words)) => Health::Blocked(reason),
                Some(reason) => Health::Degraded(reason),
            });
            outcomes
        })
    }

    /// A connection on which the stream was seen.
    async fn connected(&self, held: &mut Held<Connected>) -> Result<Connected, String> {
        if let Some(usable) = held.open().filter(|open| open.stands()) {
            return Ok(usable.clone());
        }
        held.may_open()?;
        let client = self.link.client().await?;
        let times = times(&client);
        if client.connection_state() != State::Connected {
            return Err("not connected to NATS".into());
        }
        self.link.stream_is_there().await?;
        let fresh = Connected {
            context: self.link.context().await?,
            payload_max: client.server_info().max_payload,
            client,
            times,
        };
        Ok(held.opened(fresh).clone())
    }
}

/// Sends one message over a connection, if there is one.
async fn send(connected: &Result<Connected, String>, message: &Message, batch: &mut Batch<PublishAckFuture>) {
    let broken = batch.room().await;
    let (encoded, connected) = match (encode(message), connected, broken) {
        (Err(reason), _, _) => return batch.push(Err(Published::Refused(reason))),
        (_, Err(reason), _) => return batch.break_off(reason.clone()),
        (_, _, Some(reason)) => return batch.break_off(reason),
        (Ok(encoded), Ok(connected), None) => (encoded, connected),
    };
    let (found, most) = (size(&encoded), connected.payload_max);
    if found > most {
        return batch.push(Err(Published::Refused(format!(
            "this NATS server takes at most {most} bytes, found {found}; raise its max_payload"
        ))));
    }
    if !connected.stands() {
        return batch.break_off(RECONNECTED.into());
    }
    let published = published(message, &encoded);
    match within(connected.context.send_publish(subject(&message.topic), published)).await {
        Ok(ack) => batch.push(Ok(ack)),
        Err(reason) => batch.break_off(reason),
    }
}

fn published(message: &Message, encoded: &Encoded<'_>) -> PublishMessage {
    PublishMessage::build()
        .payload(payload(encoded))
        .headers(headers(encoded))
        .message_id(message_id(message))
}

impl Confirm for PublishAckFuture {
    async fn outcome(self) -> Result<Published, String> {
        match timeout(ACK_DEADLINE, self).await {
            Ok(Ok(_)) => Ok(Published::Stored),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_late) => Err(format!("no acknowledgement within {ACK_DEADLINE:?}")),
        }
    }
}
