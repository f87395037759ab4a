//! What is in the logs of a data folder that nobody works in: everything once, and everything recorded.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use annals_core::event::{RecordedEvent, Visibility};
use annals_core::id::EventId;
use annals_core::port::store::{EventStore, Read};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_store::EmbeddedStore;

const SERVICES: [&str; 4] = ["orders", "payments", "stock", "shipping"];
/// What happens to an order at most once, with the service that says so.
const ONCE: [(&str, &str); 9] = [
    ("orders", "order.placed"),
    ("orders", "order.cancelled"),
    ("payments", "payment.taken"),
    ("payments", "payment.declined"),
    ("payments", "payment.refunded"),
    ("stock", "stock.allotted"),
    ("stock", "stock.freed"),
    ("shipping", "parcel.shipped"),
    ("shipping", "parcel.recalled"),
];

/// What the logs hold.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Events of the services' own, by type.
    pub(crate) types: BTreeMap<String, u64>,
    /// Parcels that left and were not fetched back, by order.
    pub(crate) parcels: HashSet<String>,
    /// Of the recorder.
    pub(crate) recorded: usize,
    /// Messages that the broker holds more than once.
    pub(crate) resent: usize,
}

/// Reads every log; everything happened once, and the recorder has every public message.
#[track_caller]
pub(crate) fn check(data: &Path) -> Held {
    let mut held = Held::default();
    let mut public = HashSet::new();
    let mut ids = HashSet::new();
    for service in SERVICES {
        let own = |event: &RecordedEvent| event.metadata.origin.is_none();
        let events: Vec<RecordedEvent> = all(data, service).into_iter().filter(own).collect();
        once(service, &events);
        for event in events {
            assert!(ids.insert(event.id), "{service}: {} is there twice", event.id);
            if event.visibility == Visibility::Public {
                public.insert(event.id);
            }
            note(&mut held, &event);
            *held.types.entry(event.event_type.to_string()).or_default() += 1;
        }
    }
    let recorded: Vec<EventId> = all(data, "recorder").iter().map(|event| event.id).collect();
    held.recorded = recorded.len();
    let unique: HashSet<EventId> = recorded.into_iter().collect();
    assert_eq!(unique.len(), held.recorded, "the recorder keeps a message once");
    let missing = public.difference(&unique).count();
    assert_eq!(missing, 0, "messages that were never recorded");
    held.resent = resent(data);
    held
}

fn note(held: &mut Held, event: &RecordedEvent) {
    match event.event_type.as_str() {
        "parcel.shipped" => held.parcels.insert(order(event)),
        "parcel.recalled" => held.parcels.remove(&order(event)),
        _ => false,
    };
}

fn order(event: &RecordedEvent) -> String {
    let tag = event.tags.iter().find(|tag| tag.kind() == "order");
    tag.expect("it is about an order").value().to_owned()
}

#[track_caller]
fn once(service: &str, events: &[RecordedEvent]) {
    let mut seen = HashSet::new();
    for event in events {
        let name = event.event_type.as_str();
        if ONCE.contains(&(service, name)) {
            let order = order(event);
            assert!(
                seen.insert((name.to_owned(), order.clone())),
                "{name} of order {order} happened twice"
            );
        }
    }
}

/// How many messages the broker keeps beyond the first of their id.
fn resent(data: &Path) -> usize {
    let messages = all(data, "broker");
    let unique: HashSet<EventId> = messages.iter().map(|message| message.id).collect();
    messages.len() - unique.len()
}

fn all(data: &Path, service: &str) -> Vec<RecordedEvent> {
    let folder = data.join(service).join("log");
    let store = EmbeddedStore::open_read_only(&folder).unwrap_or_else(|error| panic!("{service}: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime of one thread");
    runtime.block_on(async {
        let (mut events, mut from) = (Vec::new(), Position::ZERO);
        loop {
            let page = store.read(Read::new(Query::all(), from)).await;
            let page = page.unwrap_or_else(|error| panic!("{service}: {error}"));
            events.extend(page.events);
            if page.finished {
                return events;
            }
            from = page.next;
        }
    })
}
