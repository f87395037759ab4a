//! Replay equals live: whatever is held in memory or in a database is the fold of what was recorded.
//!
//! In: a service that has settled. Out: how much was compared, or a panic that names the first difference.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals::boundary::Fold;
use annals::decide::cache::Folded;
use annals::decide::fold::{FoldError, fold_to};
use annals::define::projection::{Projection, Recorded};
use annals::ground::record::PROCESS_STEPPED;
use annals::process::Process;
use annals::react::instance::{Instance, Stepped, inputs};
use annals::{EventSet, Key, Service};
use annals_core::event::RecordedEvent;
use annals_core::port::sink::{Sink, SinkView};
use annals_core::port::store::{EventStore, Page, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;

/// So often a store is asked that does not answer.
const TRIES_MAX: usize = 1_000;

/// Every state that decisions of this service would start from equals the fold from the beginning. Says how many there
/// are.
///
/// # Panics
/// If one does not, or the store does not answer.
pub async fn states(service: &Service) -> usize {
    let held = service.held_states();
    let count = held.len();
    for (fold, tag, end, live) in held {
        let again = folded(&**service.store(), &fold, &tag, end).await;
        let again = (fold.show)(&again.state);
        assert_eq!(
            live, again,
            "{} of {tag} at position {end}: held (left) is not what was recorded",
            fold.name
        );
    }
    count
}

/// Every step that a process recorded is the step it takes when it is told the same again. Says how many steps there
/// are.
///
/// # Panics
/// If one is not, if there are more or fewer, or the store does not answer.
pub async fn process<P: Process>(service: &Service) -> usize {
    let store = &**service.store();
    let process = Tag::of("process", P::NAME).expect("a running process has a name that makes a tag");
    let recorded = all(
        store,
        Query::any(vec![QueryItem::of(vec![PROCESS_STEPPED], process)]),
    )
    .await;
    let mut recorded = recorded.into_iter();
    let mut instances: BTreeMap<Tag, Instance<P>> = BTreeMap::new();
    let mut count = 0;
    for event in all(store, inputs::<P>()).await {
        for tag in event
            .tags
            .iter()
            .filter(|tag| tag.kind() == <P::Key as Key>::KIND)
        {
            let instance = instances.entry(tag.clone()).or_default();
            let told = instance.tell(&event);
            let (effects, _) = told.unwrap_or_else(|error| panic!("{tag} at {}: {error}", event.position));
            if effects.is_empty() {
                continue;
            }
            let step = recorded.next();
            let step =
                step.unwrap_or_else(|| panic!("the step of {tag} at {} was not recorded", event.position));
            let stepped: Stepped =
                serde_json::from_slice(&step.data).expect("the framework reads what it wrote");
            assert_eq!(
                step.metadata.causation,
                Some(event.id),
                "{tag} at {}: another step was recorded",
                event.position
            );
            assert_eq!(
                stepped.effects, effects,
                "{tag} at {}: recorded (left) is not what follows",
                event.position
            );
            instance.sent(&stepped.sent);
            count += 1;
        }
    }
    let left: Vec<Position> = recorded.map(|step| step.position).collect();
    assert!(left.is_empty(), "steps without a reason at {left:?}");
    count
}

/// Builds a read model again from the beginning in a sink of its own, to be compared with the live one.
///
/// # Panics
/// If the sink refuses, or the store does not answer.
pub async fn projection<P: Projection>(
    store: &Arc<dyn EventStore>,
    mut projection: P,
    sink: &P::Sink,
) -> <P::Sink as Sink>::View {
    let view = sink
        .open(P::NAME, P::VERSION)
        .await
        .expect("the sink opens a view");
    let mut tx = view.begin().await.expect("a new view takes a transaction");
    projection
        .create(&mut tx)
        .await
        .expect("the projection creates its tables");
    for record in all(&**store, Query::types(P::Event::TYPES)).await {
        let event = P::Event::decode(&record.event_type, record.version, &record.data);
        if let Some(event) =
            event.unwrap_or_else(|error| panic!("{} at {}: {error}", P::NAME, record.position))
        {
            let outcome = projection.project(Recorded::new(&event, &record), &mut tx).await;
            outcome.unwrap_or_else(|error| panic!("{} at {}: {error}", P::NAME, record.position));
        }
    }
    view.commit(tx, store.end()).await.expect("the sink commits");
    view
}

/// Everything that matches, in order.
async fn all(store: &dyn EventStore, query: Query) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    let mut from = Position::ZERO;
    loop {
        let page = page(store, Read::new(query.clone(), from)).await;
        events.extend(page.events);
        if page.finished {
            return events;
        }
        from = page.next;
    }
}

/// The fold from the beginning. A store of a chain may refuse a read by the dice; it is asked again.
async fn folded(store: &dyn EventStore, fold: &Fold, tag: &Tag, end: Position) -> Folded {
    let mut outcome = fold_to(store, fold, tag, None, end).await;
    for _ in 1..TRIES_MAX {
        match outcome {
            Err(FoldError::Read(ReadError::Unavailable(_))) => {
                outcome = fold_to(store, fold, tag, None, end).await
            }
            outcome => {
                return outcome
                    .unwrap_or_else(|error| panic!("{} of {tag} cannot be folded: {error}", fold.name));
            }
        }
    }
    panic!("the store does not answer")
}

/// As for folds.
async fn page(store: &dyn EventStore, read: Read) -> Page {
    for _ in 0..TRIES_MAX {
        if let Ok(page) = store.read(read.clone()).await {
            return page;
        }
    }
    panic!("the store does not answer")
}
