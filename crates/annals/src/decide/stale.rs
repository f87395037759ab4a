//! Stale builds: old code must not decide about a history that holds what it does not know.

use std::collections::{BTreeSet, HashSet};
use std::sync::{PoisonError, RwLock};

use annals_core::event::{EventType, Purpose};
use annals_core::port::store::{EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};

use crate::decide::snapshot;
use crate::define::boundary::Wanted;

/// The event types of this build, and those of the store that it does not know.
pub struct KnownTypes {
    known: HashSet<EventType>,
    seen: RwLock<Seen>,
}

#[derive(Default)]
struct Seen {
    /// How many types the store held when `unknown` was worked out.
    types: usize,
    unknown: BTreeSet<EventType>,
}

impl KnownTypes {
    /// These types are in some set of this build.
    pub fn new(known: impl IntoIterator<Item = EventType>) -> Self {
        Self {
            known: known.into_iter().collect(),
            seen: RwLock::default(),
        }
    }

    /// Whether a type is in some set of this build.
    pub fn knows(&self, event_type: &EventType) -> bool {
        self.known.contains(event_type)
    }

    /// The first event type within a boundary that no set of this build knows and its model does not ignore.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn unknown_within(
        &self,
        store: &dyn EventStore,
        wanted: &[Wanted],
        to: Position,
    ) -> Result<Option<EventType>, ReadError> {
        self.refresh(store).await?;
        let unknown = self
            .seen
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .unknown
            .clone();
        if unknown.is_empty() {
            return Ok(None);
        }
        for wanted in wanted {
            let types: Vec<EventType> = unknown
                .iter()
                .filter(|name| !wanted.fold.ignored.contains(&name.as_str()))
                .cloned()
                .collect();
            if types.is_empty() {
                continue;
            }
            let query = Query::any(vec![QueryItem::of(types, wanted.tag.clone())]);
            let read = Read::new(query, Position::ZERO).to(to).limit(1);
            let page = match store.read(read.clone()).await {
                // Whoever kept a snapshot of it asked about what was archived.
                Err(ReadError::Gone { boundary, .. }) if stands(store, wanted, to).await => {
                    let from = boundary;
                    store.read(Read { from, ..read }).await?
                }
                page => page?,
            };
            if let Some(event) = page.events.into_iter().next() {
                return Ok(Some(event.event.event_type));
            }
        }
        Ok(None)
    }

    async fn refresh(&self, store: &dyn EventStore) -> Result<(), ReadError> {
        let count = store.type_count();
        if self.seen.read().unwrap_or_else(PoisonError::into_inner).types == count {
            return Ok(());
        }
        let mut unknown = BTreeSet::new();
        for held in store.types().await? {
            if !self.knows(&held.event_type) && is_event(store, &held.event_type).await? {
                unknown.insert(held.event_type);
            }
        }
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Seen {
            types: count,
            unknown,
        };
        Ok(())
    }
}

/// Whether a snapshot of this build's model stands for what was archived.
async fn stands(store: &dyn EventStore, wanted: &Wanted, to: Position) -> bool {
    let found = snapshot::find(store, &wanted.fold, &wanted.tag, to).await;
    found.is_ok_and(|found| found.is_some())
}

/// Commands that were recorded before they were sent change no state; only events count. What can no longer be told, because
/// all of the type were archived, counts as well.
async fn is_event(store: &dyn EventStore, event_type: &EventType) -> Result<bool, ReadError> {
    let read = Read::new(Query::types(vec![event_type.clone()]), Position::ZERO).limit(1);
    let (page, otherwise) = match store.read(read.clone()).await {
        Err(ReadError::Gone { boundary, .. }) => {
            let from = boundary;
            (store.read(Read { from, ..read }).await?, true)
        }
        page => (page?, false),
    };
    let first = page.events.first();
    Ok(first.map_or(otherwise, |event| event.purpose == Purpose::Event))
}
