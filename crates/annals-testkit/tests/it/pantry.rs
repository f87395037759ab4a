//! A pantry whose jars are filled and emptied for years: a service of one model that keeps snapshots, and a store that counts
//! what is read of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use annals::{
    Command, Event, Events, Key, Model, Place, Refusal, Service, ServiceBuilder, Snapshot, StartError, World,
    command,
};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError};
use annals_store::MemoryStore;
use annals_transport::embedded::EmbeddedBroker;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Key)]
#[key("jar")]
pub(crate) struct Jar(String);

pub(crate) fn jar(number: u64) -> Jar {
    Jar::from(number.to_string())
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("jar.filled", private)]
pub(crate) struct Filled {
    #[tag]
    pub(crate) jar: Jar,
    pub(crate) grams: u64,
    pub(crate) note: String,
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("jar.emptied", private)]
pub(crate) struct Emptied {
    #[tag]
    pub(crate) jar: Jar,
    pub(crate) grams: u64,
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("jar.labelled", private)]
pub(crate) struct Labelled {
    #[tag]
    pub(crate) jar: Jar,
    pub(crate) label: String,
}

#[derive(Events, Debug, PartialEq)]
pub(crate) enum JarFact {
    Filled(Filled),
    Emptied(Emptied),
    #[commutes]
    Labelled(Labelled),
}

/// The order in which it heard matters, so a missing event and one that is told twice are both seen.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) grams: u64,
    pub(crate) events: u64,
    pub(crate) trace: u64,
    pub(crate) label: Option<String>,
}

impl Content {
    fn heard(&mut self, what: u64) {
        self.events += 1;
        self.trace = self.trace.wrapping_mul(31).wrapping_add(what) % 1_000_003;
    }

    fn take(&mut self, event: &JarFact) {
        match event {
            JarFact::Filled(filled) => {
                self.grams += filled.grams;
                self.heard(filled.grams);
            }
            JarFact::Emptied(emptied) => {
                self.grams -= emptied.grams;
                self.heard(1_000 + emptied.grams);
            }
            JarFact::Labelled(labelled) => {
                self.label = Some(labelled.label.clone());
                self.heard(5_000 + labelled.label.len() as u64);
            }
        }
    }
}

impl Model for Content {
    type Key = Jar;
    type Event = JarFact;
    const SNAPSHOT: Option<Snapshot<Self>> = Some(Snapshot::named("content", 1));

    fn apply(&mut self, event: &JarFact) {
        self.take(event);
    }
}

/// The same without snapshots.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Plain(pub(crate) Content);

impl Model for Plain {
    type Key = Jar;
    type Event = JarFact;

    fn apply(&mut self, event: &JarFact) {
        self.0.take(event);
    }
}

/// The same under the same name, of another version: weighs twice.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Doubled(pub(crate) Content);

impl Model for Doubled {
    type Key = Jar;
    type Event = JarFact;
    const SNAPSHOT: Option<Snapshot<Self>> = Some(Snapshot::named("content", 2));

    fn apply(&mut self, event: &JarFact) {
        self.0.take(event);
        self.0.take(event);
    }
}

/// The same state of fewer events, under the same name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Inflow {
    pub(crate) grams: u64,
    pub(crate) events: u64,
    pub(crate) trace: u64,
    pub(crate) label: Option<String>,
}

impl Model for Inflow {
    type Key = Jar;
    type Event = Filled;
    const SNAPSHOT: Option<Snapshot<Self>> = Some(Snapshot::named("content", 1));

    fn apply(&mut self, event: &Filled) {
        self.grams += event.grams;
    }
}

#[derive(Debug, Error, Refusal)]
pub(crate) enum No {
    #[error("there are only {0} grams in it")]
    TooLittle(u64),
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("pantry.fill")]
pub(crate) struct Fill {
    #[key]
    pub(crate) jar: Jar,
    pub(crate) grams: u64,
}

#[command]
fn fill(Fill { jar, grams }: Fill, _content: &Content) -> Result<Filled, No> {
    let note = "from the sack in the cellar, which is to be watched for mice; ".repeat(4);
    Ok(Filled { jar, grams, note })
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("pantry.empty")]
pub(crate) struct Empty {
    #[key]
    pub(crate) jar: Jar,
    pub(crate) grams: u64,
}

#[command]
fn empty(Empty { jar, grams }: Empty, content: &Content) -> Result<Emptied, No> {
    match content.grams >= grams {
        true => Ok(Emptied { jar, grams }),
        false => Err(No::TooLittle(content.grams)),
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("pantry.label")]
pub(crate) struct Label {
    #[key]
    pub(crate) jar: Jar,
    pub(crate) label: String,
}

#[command]
fn label(Label { jar, label }: Label, _content: &Content) -> Result<Labelled, No> {
    Ok(Labelled { jar, label })
}

pub(crate) fn pantry(every: u64) -> ServiceBuilder {
    Service::builder("pantry")
        .command::<Fill>()
        .command::<Empty>()
        .command::<Label>()
        .snapshots_every(every)
}

/// A store that counts the events it gives, and takes no snapshot while it is told not to.
#[derive(Clone)]
pub(crate) struct Counting {
    pub(crate) store: Arc<dyn EventStore>,
    given: Arc<AtomicU64>,
    pub(crate) refuses: Arc<AtomicBool>,
}

impl Counting {
    pub(crate) fn new(store: impl EventStore) -> Self {
        Self {
            store: Arc::new(store),
            given: Arc::default(),
            refuses: Arc::default(),
        }
    }

    pub(crate) fn given(&self) -> u64 {
        self.given.swap(0, Ordering::Relaxed)
    }

    pub(crate) async fn start(&self, service: ServiceBuilder) -> Service {
        self.try_start(service).await.unwrap()
    }

    pub(crate) async fn try_start(&self, service: ServiceBuilder) -> Result<Service, StartError> {
        let world = World::default();
        let broker = EmbeddedBroker::new(Arc::new(MemoryStore::new()), Arc::clone(&world.clock));
        let place = Place {
            store: Arc::new(self.clone()),
            transport: Arc::new(broker),
            world,
            journal: None,
        };
        service.start(place).await
    }

    pub(crate) async fn snapshot(&self, number: u64) -> Option<Bytes> {
        self.store.mark(snapshot_key(number)).await.unwrap()
    }

    pub(crate) async fn put(&self, key: MarkKey, value: impl Into<Bytes>) {
        let append = Append {
            marks: vec![Mark::set(key, value)],
            ..Append::default()
        };
        self.store.append(append).await.unwrap();
    }

    /// Waits for the writer, who works behind everybody's back.
    pub(crate) async fn until_kept(&self, number: u64) -> Bytes {
        for _ in 0..1_000 {
            if let Some(value) = self.snapshot(number).await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no snapshot of jar {number} was written")
    }
}

pub(crate) fn snapshot_key(number: u64) -> MarkKey {
    MarkKey::new("snapshot", format!("content jar:{number}"))
}

impl EventStore for Counting {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        let snapshots = append.marks.iter().any(|mark| mark.key.space == "snapshot");
        if snapshots && self.refuses.load(Ordering::Relaxed) {
            return Box::pin(async { Err(AppendError::Full("no room for what can be folded again".into())) });
        }
        self.store.append(append)
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            let page = self.store.read(read).await?;
            self.given.fetch_add(page.events.len() as u64, Ordering::Relaxed);
            Ok(page)
        })
    }

    annals_testkit::pass_on!(store);
}
