//! The recorder: an inbox with no handlers, over every topic. It keeps every message of the system.
//!
//! Its store holds a copy of each message with its origin, in the order in which the broker took them; a request can be
//! followed through all services in one place.

use std::sync::Arc;

use annals_core::event::NewEvent;
use annals_core::port::store::{Append, AppendError};
use annals_core::port::transport::{Delivery, Start, Subscribe, Transport};
use annals_core::position::Position;
use smol_str::SmolStr;

use crate::ground::hub::{Hub, Tries};
use crate::ground::progress::Progress;

const NAME: &str = "recorder";
const BATCH_MAX: usize = 512;

/// Records until it is time to stop.
pub(crate) async fn run(hub: Hub, transport: Arc<dyn Transport>, progress: Progress) {
    let mut tries = Tries::new(&hub, &progress);
    while tries.again(record(&hub, &*transport, &progress).await).await {}
}

async fn record(hub: &Hub, transport: &dyn Transport, progress: &Progress) -> Result<(), String> {
    let from = hub.checkpoint(NAME).await.map_err(|error| error.to_string())?;
    progress.reached(from);
    let subscribe = Subscribe {
        group: SmolStr::new_static(NAME),
        topics: Vec::new(),
        start: Start::At(from),
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
        let Some(checkpoint) = newest.map(|newest| newest.next().max(progress.position())) else {
            continue;
        };
        let count = deliveries.len();
        progress.in_flight(count);
        keep(hub, deliveries, checkpoint).await?;
        progress.handled(count);
        progress.in_flight(0);
        progress.trouble(None);
        progress.reached(checkpoint);
    }
}

/// Copies and checkpoint in one commit; one by one where some of them are there already, or they are too much at once.
async fn keep(hub: &Hub, deliveries: Vec<Delivery>, checkpoint: Position) -> Result<(), String> {
    let copies: Vec<NewEvent> = deliveries.into_iter().map(copy).collect();
    let marks = vec![Hub::checkpoint_mark(NAME, checkpoint)];
    let whole = Append {
        events: copies.clone(),
        marks: marks.clone(),
        ..Append::default()
    };
    match hub.append(whole).await {
        Ok(appended) if !appended.duplicate => return Ok(()),
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
    .map(|_| ())
    .map_err(|error| error.to_string())
}

/// The topic is kept with the copy, also where the original travelled on the topic of its service.
fn copy(delivery: Delivery) -> NewEvent {
    let mut event = delivery.message.event;
    event.metadata.topic = Some(delivery.message.topic);
    event
}
