//! The relay: follows the log, which is the outbox, and publishes what is public.
//!
//! Messages leave in the order of the log, several batches on their way at once. A message whose fate is unknown is sent
//! again with the same id, and then whatever was on its way behind it; a refused one is noted and left behind, since it
//! would be refused for ever. The checkpoint trails what was published: a crash in between sends a few again, which the
//! other side recognises by id. So it is noted now and then, not for every batch: a note is a flush, and where the broker
//! keeps its own log on the same disk, it waits for that.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use annals_core::bug::is_planted;
use annals_core::event::{NewEvent, Origin, RecordedEvent, Visibility};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::follow::Follow;
use annals_core::port::store::{Append, BoxFuture, Page, ReadError};
use annals_core::port::transport::{Message, Outcomes, Published, Transport};
use annals_core::position::Position;
use annals_core::query::Query;
use futures_util::future::join_all;
use smol_str::SmolStr;
use tokio::time::{Sleep, sleep};

use crate::bug::Bug;
use crate::ground::hub::{BROKER_PAUSE_MAX, Hub, Tries};
use crate::ground::progress::Progress;

const NAME: &str = "relay";
/// Batches on their way at once, at most. Where little happens each holds a message or two, and none waits for those
/// before it.
const BATCHES_MAX: usize = 64;
/// Of what may be on its way at once, a batch is such a part, so that some is prepared while the rest travels.
const BATCH_PART: usize = 8;
/// Events of a batch, at least: with fewer, every message would cost a round of its own.
const BATCH_MIN: usize = 32;
/// From a note to the next, at least.
const NOTE_EVERY: Duration = Duration::from_millis(10);
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
    let window = transport.capabilities().window.max(BATCH_MIN);
    let batch_max = (window / BATCH_PART).max(BATCH_MIN);
    let mut follow = Follow::new(Arc::clone(&hub.store), Query::all(), from, batch_max);
    let mut ahead = None;
    let mut outbox = Outbox::new(hub, transport, progress);
    let mut stop = hub.stop.clone();
    loop {
        let has_room = outbox.way.len() < BATCHES_MAX && outbox.on_their_way() + batch_max <= window;
        tokio::select! {
            biased;
            () = stop.wait() => return outbox.drain().await,
            outcomes = first(&mut outbox.way) => outbox.settle(outcomes).await,
            noted = written(&mut outbox.note), if outbox.note.is_some() => outbox.noted(noted)?,
            () = rested(&mut outbox.rest), if outbox.due.is_some() => outbox.rest = None,
            page = next(&mut follow, &mut ahead), if has_room => {
                let page = page.map_err(|error| error.to_string())?;
                let (handed, read) = tokio::join!(outbox.hand_over(page), read_ahead(&mut follow));
                handed?;
                ahead = read;
            }
        }
        outbox.note_what_is_due();
        if hub.stop.is_stopped() {
            return outbox.drain().await;
        }
    }
}

/// The page that was read ahead, or the next.
async fn next(follow: &mut Follow, ahead: &mut Option<Result<Page, ReadError>>) -> Result<Page, ReadError> {
    match ahead.take() {
        Some(page) => page,
        None => follow.next().await,
    }
}

/// The next page, if there is one already: it is read while another is handed over.
async fn read_ahead(follow: &mut Follow) -> Option<Result<Page, ReadError>> {
    match follow.is_caught_up() {
        true => None,
        false => Some(follow.next().await),
    }
}

/// The outcomes of the batch that left first; never, if none is on its way.
async fn first(way: &mut VecDeque<Sent>) -> Vec<Published> {
    match way.front_mut() {
        Some(sent) => (&mut sent.outcomes).await,
        None => std::future::pending().await,
    }
}

/// Waits until a note is written; there may be none.
async fn written(note: &mut Option<Note<'_>>) -> Result<(), String> {
    match note {
        Some(note) => note.await,
        None => Ok(()),
    }
}

/// Waits until the next note may be written; never, if it may already.
async fn rested(rest: &mut Option<Pin<Box<Sleep>>>) {
    match rest {
        Some(rest) => rest.await,
        None => std::future::pending().await,
    }
}

type Note<'a> = BoxFuture<'a, Result<(), String>>;

/// A batch on its way.
struct Sent {
    messages: Vec<Message>,
    outcomes: Outcomes,
    /// Everything before it is in this batch or in one that left earlier.
    next: Position,
}

/// What was published and is to be noted.
#[derive(Default)]
struct Due {
    reached: Position,
    refused: Vec<Mark>,
    count: usize,
}

impl Due {
    /// What is due when this has arrived.
    fn of(sent: &Sent) -> Self {
        Self {
            reached: sent.next,
            refused: Vec::new(),
            count: sent.messages.len(),
        }
    }
}

/// What is on its way, and the notes about what has arrived.
struct Outbox<'a> {
    hub: &'a Hub,
    transport: &'a dyn Transport,
    progress: &'a Progress,
    /// In the order they left.
    way: VecDeque<Sent>,
    /// Waits until the note before it is written.
    due: Option<Due>,
    /// Being written, while more is on its way.
    note: Option<Note<'a>>,
    /// Until the next note may be written.
    rest: Option<Pin<Box<Sleep>>>,
    /// Messages that left and are not noted.
    open: usize,
}

impl<'a> Outbox<'a> {
    fn new(hub: &'a Hub, transport: &'a dyn Transport, progress: &'a Progress) -> Self {
        Self {
            hub,
            transport,
            progress,
            way: VecDeque::new(),
            due: None,
            note: None,
            rest: None,
            open: 0,
        }
    }

    /// Sends what is public of a page; the note before is written meanwhile.
    async fn hand_over(&mut self, page: Page) -> Result<(), String> {
        let Page { events, next, .. } = page;
        let messages = events.into_iter().filter_map(|event| message(self.hub, event));
        let messages: Vec<Message> = messages.collect();
        self.set_open(self.open + messages.len());
        let leaving = leave(self.transport, messages.clone());
        let (outcomes, noted) = tokio::join!(leaving, written(&mut self.note));
        if self.note.is_some() {
            self.noted(noted)?;
        }
        self.way.push_back(Sent {
            messages,
            outcomes,
            next,
        });
        if is_planted(Bug::CheckpointBeforeConfirm)
            && let Some(arrived) = self.way.back().map(Due::of)
        {
            self.is_due(arrived);
        }
        Ok(())
    }

    /// Takes in the outcomes of the batch that left first. Where one of them is unknown, it and what is on its way behind
    /// it is sent until all of it has arrived.
    async fn settle(&mut self, outcomes: Vec<Published>) {
        let Some(sent) = self.way.pop_front() else { return };
        let mut arrived = Due::of(&sent);
        let mut again = sorted(sent.messages, outcomes, &mut arrived.refused, self.progress);
        if again.is_empty() {
            self.progress.trouble(None);
            return self.is_due(arrived);
        }
        // Whatever became of it, what is sent again leaves before it. All at once: each may wait for a deadline of its own.
        join_all(self.way.iter_mut().map(|later| &mut later.outcomes)).await;
        for later in self.way.drain(..) {
            arrived.count += later.messages.len();
            arrived.reached = later.next;
            again.extend(later.messages);
        }
        if publish(
            self.hub,
            self.transport,
            again,
            &mut arrived.refused,
            self.progress,
        )
        .await
        {
            self.is_due(arrived);
        }
    }

    /// Messages that left and have no outcome yet.
    fn on_their_way(&self) -> usize {
        self.way.iter().map(|sent| sent.messages.len()).sum()
    }

    fn is_due(&mut self, arrived: Due) {
        let due = self.due.get_or_insert_default();
        due.reached = arrived.reached;
        due.refused.extend(arrived.refused);
        due.count += arrived.count;
    }

    /// Begins to write what is due, if no other note is being written or was just now.
    fn note_what_is_due(&mut self) {
        if self.note.is_some() || self.rest.is_some() {
            return;
        }
        let (hub, progress) = (self.hub, self.progress);
        self.note = self.due.take().map(|due| {
            self.rest = Some(Box::pin(sleep(NOTE_EVERY)));
            self.open = self.open.saturating_sub(due.count);
            Box::pin(noting(hub, progress, due)) as Note<'a>
        });
    }

    fn noted(&mut self, noted: Result<(), String>) -> Result<(), String> {
        self.note = None;
        noted?;
        self.set_open(self.open);
        Ok(())
    }

    fn set_open(&mut self, count: usize) {
        self.open = count;
        self.progress.in_flight(count);
    }

    /// Waits for what is on its way, for as long as all of it arrives, and for the notes about it.
    async fn drain(mut self) -> Result<(), String> {
        while let Some(sent) = self.way.pop_front() {
            let mut arrived = Due::of(&sent);
            let outcomes = sent.outcomes.await;
            if !sorted(sent.messages, outcomes, &mut arrived.refused, self.progress).is_empty() {
                break;
            }
            self.is_due(arrived);
        }
        written(&mut self.note).await?;
        (self.note, self.rest) = (None, None);
        self.note_what_is_due();
        written(&mut self.note).await
    }
}

/// Hands messages over; where there are none, nobody is asked.
async fn leave(transport: &dyn Transport, messages: Vec<Message>) -> Outcomes {
    match messages.is_empty() {
        true => Box::pin(std::future::ready(Vec::new())),
        false => transport.hand_over(messages).await,
    }
}

/// Writes down how far everything is published, and what was refused.
async fn noting(hub: &Hub, progress: &Progress, due: Due) -> Result<(), String> {
    let mut marks = due.refused;
    marks.push(Hub::checkpoint_mark(NAME, due.reached));
    hub.append(Append {
        marks,
        ..Append::default()
    })
    .await
    .map_err(|error| error.to_string())?;
    progress.handled(due.count);
    progress.reached(due.reached);
    Ok(())
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

/// What is to be sent again, in order; notes what was refused.
fn sorted(
    messages: Vec<Message>,
    outcomes: Vec<Published>,
    refused: &mut Vec<Mark>,
    progress: &Progress,
) -> Vec<Message> {
    let (mut again, mut why) = (Vec::new(), None);
    for (message, outcome) in messages.into_iter().zip(outcomes) {
        match outcome {
            Published::Stored => {}
            Published::Refused(reason) => refused.push(note(&message.event, &reason)),
            Published::Unknown(reason) => {
                why.get_or_insert((message.event.id, reason));
                again.push(message);
            }
        }
    }
    if let Some((first, reason)) = why {
        // Once for all of them: a broker that goes away would flood the log.
        let count = again.len();
        progress.trouble(Some(format!(
            "the broker did not confirm {count} messages, the first of them {first}: {reason}"
        )));
    }
    again
}

/// Publishes all of them, in order, and nothing else meanwhile; notes those that were refused. Where some arrive, the rest
/// follows soon: on a bad road none would otherwise be tried before the road is bad again. Answers whether all have
/// arrived: not, when it is time to stop.
async fn publish(
    hub: &Hub,
    transport: &dyn Transport,
    mut messages: Vec<Message>,
    refused: &mut Vec<Mark>,
    progress: &Progress,
) -> bool {
    let mut failures = 0;
    while !messages.is_empty() {
        failures += 1;
        hub.pause_at_most(BROKER_PAUSE_MAX, failures).await;
        if hub.stop.is_stopped() {
            return false;
        }
        let open = messages.len();
        let outcomes = transport.publish(messages.clone()).await;
        messages = sorted(messages, outcomes, refused, progress);
        if messages.len() < open {
            failures = 0;
        }
    }
    progress.trouble(None);
    true
}

fn note(event: &NewEvent, reason: &str) -> Mark {
    tracing::error!(id = %event.id, event_type = %event.event_type, "the broker refused a message: {reason}");
    metrics::counter!("annals_relay_refused_total").increment(1);
    Mark::set(
        MarkKey::new(RELAY_REFUSED, event.id.to_string()),
        reason.to_owned(),
    )
}
