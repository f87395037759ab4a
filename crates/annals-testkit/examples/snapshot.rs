//! What a snapshot saves: a load of one thing of many events, from the first of them and from a snapshot.
//!
//! `cargo run --release -p annals-testkit --example snapshot [events]`; 10,000 events of about 256 bytes unless said otherwise,
//! in a store on disk under the system's temporary folder. The page cache is warm, the service's cache of states is not used. The
//! state must be the same both ways.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::core::event::{Metadata, NewEvent, Purpose, Visibility};
use annals::core::id::{EventId, uuid_v7};
use annals::core::port::store::{Append, EventStore};
use annals::core::position::Position;
use annals::core::time::{Clock, SystemClock};
use annals::{Event, Key, Message, Model, Place, Service, Snapshot, World};
use annals_store::{EmbeddedStore, MemoryStore, Options};
use annals_transport::embedded::EmbeddedBroker;
use serde::{Deserialize, Serialize};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const RUNS: usize = 101;

#[derive(Key)]
#[key("meter")]
struct Meter(u32);

#[derive(Event, Serialize, Deserialize)]
#[event("meter.read", private)]
struct MeterRead {
    #[tag]
    meter: Meter,
    watts: u64,
    by: String,
}

/// What went through a meter.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Reading {
    watts: u64,
    times: u64,
}

impl Model for Reading {
    type Key = Meter;
    type Event = MeterRead;
    const SNAPSHOT: Option<Snapshot<Self>> = Some(Snapshot::named("reading", 1));

    fn apply(&mut self, event: &MeterRead) {
        self.watts += event.watts;
        self.times += 1;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let events = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let store = EmbeddedStore::open(folder.path().join("store"), Options::new())?;
    fill(&store, events).await?;
    let world = World::default();
    let broker = EmbeddedBroker::new(Arc::new(MemoryStore::new()), Arc::clone(&world.clock));
    let place = Place {
        store: Arc::new(store.clone()),
        transport: Arc::new(broker),
        world,
        journal: None,
    };
    let service = Service::builder("meters")
        .model::<Reading>()
        .snapshots_every(u64::MAX);
    let service = service.start(place).await?;
    let folded = measure(&service, &format!("{events} events from the first on")).await?;
    let began = Instant::now();
    let kept = service.keep_snapshots(Position::MAX).await?;
    println!(
        "a snapshot written: {:?} ({} of them)",
        began.elapsed(),
        kept.written
    );
    let kept = measure(&service, "from the snapshot").await?;
    service.stop().await;
    store.close();
    match folded == kept {
        true => Ok(()),
        false => Err(format!("expected {folded:?}, found {kept:?}").into()),
    }
}

/// The state, and the median of the times it took to load it.
async fn measure(service: &Service, what: &str) -> Outcome<Reading> {
    let mut times = Vec::with_capacity(RUNS);
    let mut state = Reading::default();
    for _ in 0..RUNS {
        let began = Instant::now();
        state = service.load::<Reading>(&Meter(1)).await?.state;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let (median, worst): (Duration, Duration) = (times[RUNS / 2], times[RUNS - 1]);
    println!("a load, {what}: median {median:?}, worst of {RUNS} {worst:?}");
    Ok(state)
}

async fn fill(store: &EmbeddedStore, events: u64) -> Outcome<()> {
    let numbers: Vec<u64> = (0..events).collect();
    for batch in numbers.chunks(1_000) {
        let events = batch
            .iter()
            .map(|number| event(*number))
            .collect::<Outcome<_>>()?;
        let append = Append {
            events,
            ..Append::default()
        };
        store.append(append).await?;
    }
    Ok(())
}

fn event(number: u64) -> Outcome<NewEvent> {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    let read = MeterRead {
        meter: Meter(1),
        watts: number % 977,
        by: format!("{number:0200}"),
    };
    Ok(NewEvent {
        id: EventId::from_uuid(uuid_v7(SystemClock.now(), random)),
        event_type: MeterRead::TYPE,
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Private,
        tags: vec![Meter(1).tag()?],
        occurred: None,
        metadata: Metadata::default(),
        data: serde_json::to_vec(&read)?.into(),
    })
}
