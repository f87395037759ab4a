//! The relay: follows the log, which is the outbox, and publishes what is public.
//!
//! Messages leave in the order of the log. A message whose fate is unknown is sent again with the same id before
//! anything after it; a refused one is noted and left behind, since it would be refused for ever. The checkpoint
//! trails what was published: a crash in between sends a few again, which the other side recognises by id.

use std::sync::Arc;

use annals_core::event::{NewEvent, Origin, RecordedEvent, Visibility};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::follow::Follow;
use annals_core::port::store::{Append, BoxFuture, Page, ReadError};
use annals_core::port::transport::{Message, Published, Transport};
use annals_core::position::Position;
use annals_core::query::Query;
use smol_str::SmolStr;

use crate::ground::hub::{Hub, Tries};
use crate::ground::progress::Progress;

const NAME: &str = "relay";
/// Events looked at, at once, and so messages in the hands of a transport.
const BATCH_MAX: usize = 1_024;
/// The mark space of messages that a broker refused for good.
pub const RELAY_REFUSED: &str = "relay_refused";

/// The topic on which the commands of a service travel.
pub fn command_topic(service: &str) -> SmolStr {
    smol_str::format_smolstr!("{service}.commands")
}

/// Publishes until it is time to stop.
pub(crate) async fn run(hub: Hub, transport: Arc<dyn Transport>, progress: Progress) {
    let mut tries = Tries::new(&hub, &progress);
    while tries.again(follow(&hub, &*transport, &progress).await).await {}
}

async fn follow(hub: &Hub, transport: &dyn Transport, progress: &Progress) -> Result<(), String> {
    let from = hub.checkpoint(NAME).await.map_err(|error| error.to_string())?;
    progress.reached(from);
    progress.begins();
    let mut follow = Follow::new(Arc::clone(&hub.store), Query::all(), from, BATCH_MAX);
    let mut stop = hub.stop.clone();
    // The note of what was published last; it is written while the next page is on its way.
    let mut note: Option<Note<'_>> = None;
    let mut ahead = None;
    loop {
        let page = tokio::select! {
            biased;
            () = stop.wait() => None,
            page = next(&mut follow, &mut ahead) => Some(page.map_err(|error| error.to_string())?),
            noted = written(&mut note), if note.is_some() => {
                note = None;
                noted?;
                progress.in_flight(0);
                continue;
            }
        };
        let Some(page) = page else {
            return written(&mut note).await;
        };
        let messages: Vec<Message> = page
            .events
            .into_iter()
            .filter_map(|event| message(hub, event))
            .collect();
        let count = messages.len();
        progress.in_flight(count);
        let publishing = publish(hub, transport, messages, progress);
        let reading = read_ahead(&mut follow);
        let (mut marks, noted, read) = tokio::join!(publishing, written(&mut note), reading);
        noted?;
        ahead = read;
        if hub.stop.is_stopped() {
            return Ok(());
        }
        marks.push(Hub::checkpoint_mark(NAME, page.next));
        note = Some(Box::pin(noting(hub, progress, marks, count, page.next)));
    }
}

/// The page that was read ahead, or the next.
async fn next(follow: &mut Follow, ahead: &mut Option<Result<Page, ReadError>>) -> Result<Page, ReadError> {
    match ahead.take() {
        Some(page) => page,
        None => follow.next().await,
    }
}

/// The next page, if there is one already: it is read while another is on its way.
async fn read_ahead(follow: &mut Follow) -> Option<Result<Page, ReadError>> {
    match follow.is_caught_up() {
        true => None,
        false => Some(follow.next().await),
    }
}

type Note<'a> = BoxFuture<'a, Result<(), String>>;

/// Writes down how far everything is published, and what was refused.
async fn noting(
    hub: &Hub,
    progress: &Progress,
    marks: Vec<Mark>,
    count: usize,
    reached: Position,
) -> Result<(), String> {
    hub.append(Append {
        marks,
        ..Append::default()
    })
    .await
    .map_err(|error| error.to_string())?;
    progress.handled(count);
    progress.reached(reached);
    Ok(())
}

/// Waits until a note is written; there may be none.
async fn written(note: &mut Option<Note<'_>>) -> Result<(), String> {
    match note {
        Some(note) => note.await,
        None => Ok(()),
    }
}

/// What goes out: public records of this service's own.
fn message(hub: &Hub, recorded: RecordedEvent) -> Option<Message> {
    let RecordedEvent {
        position,
        recorded: moment,
        mut event,
    } = recorded;
    if event.visibility == Visibility::Private || event.metadata.origin.is_some() {
        return None;
    }
    let service = hub.recording.service.clone();
    event.metadata.origin = Some(Origin {
        service: service.clone(),
        position,
        recorded: moment,
    });
    let topic = event.metadata.topic.clone().unwrap_or(service);
    Some(Message { topic, event })
}

/// Publishes all of them, in order, and answers with notes about those that were refused.
async fn publish(
    hub: &Hub,
    transport: &dyn Transport,
    mut messages: Vec<Message>,
    progress: &Progress,
) -> Vec<Mark> {
    let mut refused = Vec::new();
    let mut failures = 0;
    while !messages.is_empty() && !hub.stop.is_stopped() {
        let outcomes = transport.publish(messages.clone()).await;
        let mut again = Vec::new();
        for (message, outcome) in messages.into_iter().zip(outcomes) {
            match outcome {
                Published::Stored => {}
                Published::Refused(reason) => refused.push(note(&message.event, &reason)),
                Published::Unknown(reason) => {
                    progress.trouble(Some(format!(
                        "the broker did not confirm {}: {reason}",
                        message.event.id
                    )));
                    again.push(message);
                }
            }
        }
        messages = again;
        if !messages.is_empty() {
            failures += 1;
            hub.pause(failures).await;
        }
    }
    if messages.is_empty() {
        progress.trouble(None);
    }
    refused
}

fn note(event: &NewEvent, reason: &str) -> Mark {
    tracing::error!(id = %event.id, event_type = %event.event_type, "the broker refused a message: {reason}");
    metrics::counter!("annals_relay_refused_total").increment(1);
    Mark::set(
        MarkKey::new(RELAY_REFUSED, event.id.to_string()),
        reason.to_owned(),
    )
}
