//! Publishing: a batch becomes one append.
//!
//! In: messages. Out: one outcome per message, in the order given. A batch that the store cannot take as it is (a message
//! of it is there already, or one is malformed) is halved until the messages concerned stand alone, so that they and no
//! others get their own outcome. After an unknown outcome nothing further of the batch is tried: what follows keeps its
//! place behind it.
//!
//! Invariant: messages are appended in the order given.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use annals_core::event::NewEvent;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, EventStore, Read, limits};
use annals_core::port::transport::{Message, Published, Topic};
use annals_core::position::Position;
use annals_core::query::Query;
use bytes::Bytes;

use super::convert::{Converter, to_message, unmark};

/// The space of the marks that name all topics.
pub(super) const TOPIC_SPACE: &str = "topic";
/// Topics remembered as named already; when there are more, they are named again.
const KNOWN_TOPICS_MAX: usize = 16_384;
/// What of an append's limit messages may take; the rest is left for marks and framing.
const PIECE_BYTES_MAX: usize = limits::APPEND_BYTES_MAX - (1 << 20);

/// Puts messages into the store.
pub(super) struct Publisher {
    store: Arc<dyn EventStore>,
    /// Topics whose mark is set.
    known: Mutex<BTreeSet<Topic>>,
}

/// A message of a batch on its way.
#[derive(Clone)]
struct Numbered {
    /// Its place in the batch.
    place: usize,
    /// As it is appended.
    event: NewEvent,
}

/// A piece that was given to the store and is needed once more; each of these could be appended a moment ago.
fn again(batch: &[Message], places: &[usize]) -> Vec<Numbered> {
    let mut converter = Converter::default();
    let mut numbered = |place: usize| {
        let event = converter.event(&batch[place]).ok()?;
        Some(Numbered { place, event })
    };
    places.iter().filter_map(|place| numbered(*place)).collect()
}

impl Publisher {
    pub(super) fn new(store: Arc<dyn EventStore>) -> Self {
        Self {
            store,
            known: Mutex::default(),
        }
    }

    /// Publishes a batch.
    pub(super) async fn publish(&self, batch: &[Message]) -> Vec<Published> {
        let untried =
            || Published::Unknown("not tried, because the outcome of a message before it is unknown".into());
        let mut outcomes: Vec<_> = batch.iter().map(|_| untried()).collect();
        let mut good = Vec::with_capacity(batch.len());
        let mut converter = Converter::default();
        for (place, outcome) in outcomes.iter_mut().enumerate() {
            match converter.event(&batch[place]) {
                Ok(event) => good.push(Numbered { place, event }),
                Err(reason) => *outcome = Published::Refused(reason),
            }
        }
        // The piece to try next is the last.
        let mut pieces = pieces(good);
        pieces.reverse();
        while let Some(piece) = pieces.pop() {
            let places: Vec<usize> = piece.iter().map(|one| one.place).collect();
            match self.append(batch, piece).await {
                Ok(()) => places
                    .iter()
                    .for_each(|place| outcomes[*place] = Published::Stored),
                Err(AppendError::IdTaken { .. } | AppendError::Invalid(_)) if places.len() > 1 => {
                    let (former, later) = places.split_at(places.len() / 2);
                    pieces.extend([again(batch, later), again(batch, former)]);
                }
                Err(error) => {
                    let outcome = self.outcome(batch, &places, error).await;
                    let unknown = matches!(outcome, Published::Unknown(_));
                    places.iter().for_each(|place| outcomes[*place] = outcome.clone());
                    if unknown {
                        break;
                    }
                }
            }
        }
        outcomes
    }

    /// Appends a whole batch at once, without a copy of it. Where that does not succeed, whatever the reason, the batch comes
    /// back as it was: [`Publisher::publish`] finds out what becomes of each message.
    pub(super) async fn publish_whole(&self, mut batch: Vec<Message>) -> Result<(), Vec<Message>> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut converter = Converter::default();
        if let Some(refused) = batch.iter_mut().position(|message| !converter.mark(message)) {
            batch[..refused].iter_mut().for_each(unmark);
            return Err(batch);
        }
        let new_topics = self.new_topics(batch.iter().map(|message| &message.topic));
        // In the memory that they are in: there are many.
        let events = batch.into_iter().map(|message| message.event).collect();
        let append = Append {
            events,
            conditions: Vec::new(),
            marks: marks(&new_topics),
        };
        match self.store.append_lent(&append).await {
            Ok(_) => {
                self.name(new_topics);
                Ok(())
            }
            Err(_) => Err(append.events.into_iter().filter_map(to_message).collect()),
        }
    }

    async fn append(&self, batch: &[Message], piece: Vec<Numbered>) -> Result<(), AppendError> {
        let new_topics = self.new_topics(piece.iter().map(|one| &batch[one.place].topic));
        let append = Append {
            events: piece.into_iter().map(|one| one.event).collect(),
            conditions: Vec::new(),
            marks: marks(&new_topics),
        };
        self.store.append(append).await?;
        self.name(new_topics);
        Ok(())
    }

    /// Those of these topics whose mark is not known to be set.
    fn new_topics<'a>(&self, topics: impl Iterator<Item = &'a Topic>) -> BTreeSet<Topic> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut fresh, mut last) = (BTreeSet::new(), None);
        for topic in topics {
            // Neighbours are mostly on one topic.
            if last.replace(topic) != Some(topic) && !known.contains(topic) {
                fresh.insert(topic.clone());
            }
        }
        fresh
    }

    /// The marks of these topics are set.
    fn name(&self, topics: BTreeSet<Topic>) {
        if topics.is_empty() {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > KNOWN_TOPICS_MAX {
            known.clear();
        }
        known.extend(topics);
    }

    /// What an append error means for the messages of a piece. A piece of more than one is never taken in part.
    async fn outcome(&self, batch: &[Message], piece: &[usize], error: AppendError) -> Published {
        match (error, piece) {
            (AppendError::IdTaken { position, .. }, [one]) => self.compare(&batch[*one], position).await,
            (AppendError::Invalid(reason), _) => Published::Refused(reason),
            (error, _) => Published::Unknown(error.to_string()),
        }
    }

    /// A message whose id is there already: it is stored, if what is there is that message.
    async fn compare(&self, message: &Message, position: Position) -> Published {
        let mut read = Read::new(Query::all(), position).limit(1);
        read.to = position.next();
        let page = match self.store.read(read).await {
            Ok(page) => page,
            Err(error) => return Published::Unknown(format!("the message may be there already: {error}")),
        };
        let there = page.events.into_iter().next();
        let there = there.and_then(|recorded| to_message(recorded.event));
        let Message { topic, event } = message;
        match there {
            Some(there)
                if there.topic == *topic
                    && there.event.event_type == event.event_type
                    && there.event.data == event.data =>
            {
                Published::Stored
            }
            _ => Published::Refused(format!(
                "the id {} is taken by another message, at position {position}; use new ids for new messages",
                event.id
            )),
        }
    }
}

/// The marks that name topics.
fn marks(topics: &BTreeSet<Topic>) -> Vec<Mark> {
    let name = |topic: &Topic| Mark::set(MarkKey::new(TOPIC_SPACE, topic.clone()), Bytes::from_static(b"1"));
    topics.iter().map(name).collect()
}

/// Parts a batch into what one append can hold; usually that is the whole batch.
fn pieces(messages: Vec<Numbered>) -> Vec<Vec<Numbered>> {
    let all: usize = messages.iter().map(|message| bytes_max(&message.event)).sum();
    if (1..=limits::APPEND_EVENTS_MAX).contains(&messages.len()) && all <= PIECE_BYTES_MAX {
        return vec![messages];
    }
    let mut pieces = Vec::new();
    let (mut piece, mut bytes) = (Vec::new(), 0);
    for message in messages {
        let more = bytes_max(&message.event);
        let full = piece.len() == limits::APPEND_EVENTS_MAX || bytes + more > PIECE_BYTES_MAX;
        if full && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            bytes = 0;
        }
        bytes += more;
        piece.push(message);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// An upper bound of what a message takes in an append, for all but outlandish metadata; where it is wrong the store
/// refuses and the piece is halved.
fn bytes_max(event: &NewEvent) -> usize {
    const FRAME: usize = 512;
    let tags: usize = event.tags.iter().map(|tag| tag.as_str().len() + 4).sum();
    FRAME + event.event_type.as_str().len() + tags + event.data.len()
}
