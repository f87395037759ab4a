//! The recorder: an inbox with no handlers, over every topic. It keeps every message of the system.
//!
//! Where the transport can be read again from a position, the checkpoint is kept with the copies. Where it cannot, the
//! broker keeps it: a delivery is settled once its copy is durable, and one that comes again is known by its id.
//!
//! Its store holds a copy of each message with its origin, in the order in which the broker took them; a request can be
//! followed through all services in one place.

use std::sync::Arc;

use annals_core::event::NewEvent;
use annals_core::port::store::{Append, AppendError};
use annals_core::port::transport::{Delivery, Settle, Settlement, Start, Subscribe, Topic, Transport};
use annals_core::position::Position;
use futures_util::future::join_all;

use crate::ground::hub::{Hub, Tries};
use crate::ground::progress::Progress;

const NAME: &str = "recorder";
const BATCH_MAX: usize = 512;

/// Records these topics, or all if there are none, until it is time to stop.
pub(crate) async fn run(hub: Hub, transport: Arc<dyn Transport>, topics: Vec<Topic>, progress: Progress) {
    progress.awaits("a subscription");
    let mut tries = Tries::at_a_broker(&hub, &progress);
    while tries
        .again(record(&hub, &*transport, &topics, &progress).await)
        .await
    {}
}

async fn record(
    hub: &Hub,
    transport: &dyn Transport,
    topics: &[Topic],
    progress: &Progress,
) -> Result<(), String> {
    let from = hub.checkpoint(NAME).await.map_err(|error| error.to_string())?;
    progress.reached(from);
    let subscribe = Subscribe {
        group: hub.recording.service.clone(),
        topics: topics.to_vec(),
        start: if transport.capabilities().replay {
            Start::At(from)
        } else {
            Start::Group
        },
    };
    let mut consumer = transport
        .subscribe(subscribe)
        .await
        .map_err(|error| error.to_string())?;
    progress.begins();
    let mut stop = hub.stop.clone();
    loop {
        let deliveries = tokio::select! {
            biased;
            () = stop.wait() => return Ok(()),
            deliveries = consumer.next(BATCH_MAX) => deliveries.map_err(|error| error.to_string())?,
        };
        // A delivery may come again behind newer ones: the checkpoint never goes back.
        let newest = deliveries.iter().filter_map(|delivery| delivery.position).max();
        let newest = newest.map_or(from, |newest| newest.next());
        let checkpoint = newest.max(progress.position());
        let count = deliveries.len();
        progress.in_flight(count);
        settle(keep(hub, deliveries, checkpoint).await?).await?;
        progress.handled(count);
        progress.in_flight(0);
        progress.trouble(None);
        progress.reached(checkpoint);
    }
}

/// Copies and checkpoint in one commit; one by one where some of them are there already, or they are too much at once.
/// Answers with what is left to settle.
async fn keep(
    hub: &Hub,
    deliveries: Vec<Delivery>,
    checkpoint: Position,
) -> Result<Vec<Box<dyn Settle>>, String> {
    let (copies, unsettled): (Vec<NewEvent>, Vec<_>) = deliveries.into_iter().map(copy).unzip();
    let unsettled = unsettled.into_iter().flatten().collect();
    let marks = vec![Hub::checkpoint_mark(NAME, checkpoint)];
    let whole = Append {
        events: copies.clone(),
        marks: marks.clone(),
        ..Append::default()
    };
    match hub.append(whole).await {
        Ok(appended) if !appended.duplicate => return Ok(unsettled),
        // Some are there already, or together they are more than a store takes at once.
        Ok(_) | Err(AppendError::IdTaken { .. } | AppendError::Invalid(_)) => {}
        Err(error) => return Err(error.to_string()),
    }
    for copy in copies {
        match hub
            .append(Append {
                events: vec![copy],
                ..Append::default()
            })
            .await
        {
            Ok(_) | Err(AppendError::IdTaken { .. }) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    hub.append(Append {
        marks,
        ..Append::default()
    })
    .await
    .map(|_| unsettled)
    .map_err(|error| error.to_string())
}

async fn settle(unsettled: Vec<Box<dyn Settle>>) -> Result<(), String> {
    let settling = unsettled
        .into_iter()
        .map(|one| one.settle(Settlement::Done, None));
    let settled = join_all(settling).await;
    let failed = settled.into_iter().find_map(Result::err);
    failed.map_or(Ok(()), |error| Err(error.to_string()))
}

/// The topic is kept with the copy, also where the original travelled on the topic of its service.
fn copy(delivery: Delivery) -> (NewEvent, Option<Box<dyn Settle>>) {
    let mut event = delivery.message.event;
    event.metadata.topic = Some(delivery.message.topic);
    (event, delivery.settle)
}
