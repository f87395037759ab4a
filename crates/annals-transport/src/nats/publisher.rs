//! Publishing: in order, so many at most on their way.
//!
//! Invariant: messages leave in the order given. What was not acknowledged in time is unknown; sent again, the server
//! knows it by its id.

use std::collections::VecDeque;
use std::time::Duration;

use annals_core::port::transport::{Health, Message, Published};
use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use tokio::time::timeout;

use super::config::subject;
use super::convert::{headers, message_id, payload, size};
use super::link::{Link, within};
use crate::wire::{Encoded, encode};

/// Messages on their way without an acknowledgement.
const WINDOW_MAX: usize = 512;
/// How the server says that it has no room: in the stream, in the account, on the disk.
const FULL: [&str; 3] = ["maximum bytes exceeded", "maximum messages exceeded", "resource"];
/// For an acknowledgement.
const ACK_DEADLINE: Duration = Duration::from_secs(15);

pub(super) async fn publish(link: &Link, batch: Vec<Message>) -> Vec<Published> {
    let context = match ready(link).await {
        Ok(context) => context,
        Err(reason) => return batch.iter().map(|_| Published::Unknown(reason.clone())).collect(),
    };
    let (context, most) = context;
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut broken = None;
    let mut sent = VecDeque::with_capacity(WINDOW_MAX);
    for message in &batch {
        if sent.len() == WINDOW_MAX
            && let Some(sent) = sent.pop_front()
        {
            outcomes.push(outcome(sent, &mut broken).await);
        }
        sent.push_back(send(&context, message, most, &mut broken).await);
    }
    for sent in sent {
        outcomes.push(outcome(sent, &mut broken).await);
    }
    if broken.is_some() {
        link.stream_is_doubtful();
    }
    link.is(match broken {
        None => Health::Up,
        Some(reason) if FULL.iter().any(|words| reason.contains(words)) => Health::Blocked(reason),
        Some(reason) => Health::Degraded(reason),
    });
    outcomes
}

async fn outcome(sent: Result<PublishAckFuture, Published>, broken: &mut Option<String>) -> Published {
    match sent {
        Err(outcome) => outcome,
        Ok(ack) => acknowledged(ack, broken).await,
    }
}

/// A stream to publish to, and how large a message may be.
async fn ready(link: &Link) -> Result<(Context, usize), String> {
    let client = link.client().await?;
    if client.connection_state() != async_nats::connection::State::Connected {
        return Err("not connected to NATS".into());
    }
    link.stream_is_there().await?;
    Ok((link.context().await?, client.server_info().max_payload))
}

async fn send(
    context: &Context,
    message: &Message,
    most: usize,
    broken: &mut Option<String>,
) -> Result<PublishAckFuture, Published> {
    let encoded: Encoded = encode(message).map_err(Published::Refused)?;
    let found = size(&encoded);
    if found > most {
        return Err(Published::Refused(format!(
            "this NATS server takes at most {most} bytes, found {found}; raise its max_payload"
        )));
    }
    if let Some(reason) = broken {
        return Err(Published::Unknown(reason.clone()));
    }
    let publish = PublishMessage::build()
        .payload(payload(&encoded))
        .headers(headers(&encoded))
        .message_id(message_id(message));
    within(context.send_publish(subject(&message.topic), publish))
        .await
        .map_err(|reason| {
            *broken = Some(reason.clone());
            Published::Unknown(reason)
        })
}

/// After one that failed no other is waited for: what follows is sent again behind it.
async fn acknowledged(ack: PublishAckFuture, broken: &mut Option<String>) -> Published {
    if let Some(reason) = broken {
        return Published::Unknown(reason.clone());
    }
    let reason = match timeout(ACK_DEADLINE, ack).await {
        Ok(Ok(_)) => return Published::Stored,
        Ok(Err(error)) => error.to_string(),
        Err(_late) => format!("no acknowledgement within {ACK_DEADLINE:?}"),
    };
    *broken = Some(reason.clone());
    Published::Unknown(reason)
}
