//! A whole service behind each broker: tries again, puts aside, takes up again, and stops in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use annals::ground::backoff::Backoff;
use annals::{Command, Context, Dep, Event, Key, OnFailure, Place, Service, World, handler};
use annals_core::event::{EventType, Purpose};
use annals_core::id::{CorrelationId, EventId};
use annals_core::port::transport::{Message, Start, Subscribe, SubscribeError, Transport};
use annals_core::position::Position;
use annals_core::time::SystemClock;
use annals_store::{EmbeddedStore, Options};
use annals_transport::durable::DurableInbox;
use annals_transport::embedded::EmbeddedBroker;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use uuid::Uuid;

use super::kit::{DEADLINE, done, fresh, inside, message, publish, take};

/// What the service is told, and where; its events travel on its name.
const COMMANDS: &str = "post.commands";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// The waits before the second, third and fourth try, a fifth more or less.
const WAITS: [Duration; 3] = [
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];
/// A wait may be a tenth longer, and the machine late by so much.
const LATE: Duration = Duration::from_millis(400);

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("post.deliver")]
struct Deliver {
    #[key]
    to: PersonId,
    number: u32,
}

#[derive(Key)]
#[key("person")]
struct PersonId(String);

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("letter.delivered")]
struct Delivered {
    #[tag]
    to: PersonId,
    number: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("there is a dog")]
struct Dog;

/// A try: when, whose letter, which, and the how manyth try it is.
type Try = (Instant, String, u32, u32);

/// Fails as often as it is told, and notes every try.
#[derive(Default)]
struct Postman {
    fails: Mutex<BTreeMap<(String, u32), u32>>,
    tries: Mutex<Vec<Try>>,
    /// Each letter takes so long.
    work: Mutex<Duration>,
}

impl Postman {
    fn fails(&self, to: &str, number: u32, times: u32) {
        self.fails.lock().unwrap().insert((to.to_owned(), number), times);
    }

    fn tries(&self, to: &str, number: u32) -> Vec<(Instant, u32)> {
        let tries = self.tries.lock().unwrap();
        let of_it = tries
            .iter()
            .filter(|(_, who, which, _)| who == to && *which == number);
        of_it.map(|(at, .., attempt)| (*at, *attempt)).collect()
    }
}

#[handler(retry = 3)]
async fn deliver(message: Deliver, cx: Context, Dep(postman): Dep<Postman>) -> Result<Delivered, Dog> {
    let Deliver { to, number } = message;
    let letter = (to.to_string(), number);
    let work = *postman.work.lock().unwrap();
    postman
        .tries
        .lock()
        .unwrap()
        .push((Instant::now(), letter.0.clone(), number, cx.attempt()));
    tokio::time::sleep(work).await;
    let mut fails = postman.fails.lock().unwrap();
    let left = fails.entry(letter).or_default();
    if *left > 0 {
        *left -= 1;
        return Err(Dog);
    }
    Ok(Delivered { to, number })
}

fn store(folder: &Path, name: &str) -> EmbeddedStore {
    EmbeddedStore::open(folder.join(name), Options::new()).unwrap()
}

/// A post office over a broker, with what it keeps in a folder.
struct Post {
    remote: Arc<dyn Transport>,
    service: Service,
    stores: [EmbeddedStore; 2],
    postman: Arc<Postman>,
}

impl Post {
    async fn open(
        server: &str,
        namespace: &str,
        folder: &Path,
        postman: &Arc<Postman>,
        on_failure: OnFailure,
    ) -> Self {
        let remote = inside(server, namespace);
        let stores = [store(folder, "log"), store(folder, "inbox")];
        let copy = EmbeddedBroker::new(Arc::new(stores[1].clone()), Arc::new(SystemClock));
        let backoff = Backoff {
            first: WAITS[0],
            longest: Duration::from_secs(8),
        };
        let service = Service::builder("post")
            .handler::<Deliver>()
            .provide(Arc::clone(postman))
            .on_failure(on_failure)
            .backoff(backoff);
        let place = Place {
            store: Arc::new(stores[0].clone()),
            transport: Arc::new(DurableInbox::new(Arc::clone(&remote), copy)),
            world: World::default(),
            journal: None,
        };
        Self {
            service: service.start(place).await.unwrap(),
            remote,
            stores,
            postman: Arc::clone(postman),
        }
    }

    /// A post office with nothing behind it, and somebody who is to hear of every letter.
    async fn new(server: &str, namespace: &str, folder: &Path, on_failure: OnFailure) -> Self {
        let remote = inside(server, namespace);
        for (group, topic) in [("post", COMMANDS), ("watch", "post")] {
            let declared = timeout(DEADLINE, remote.declare(group.into(), vec![topic.into()])).await;
            declared.unwrap().unwrap();
        }
        let post = Self::open(server, namespace, folder, &Arc::default(), on_failure).await;
        // Whoever publishes declares before, also a process that is another.
        for (group, topic) in [("post", COMMANDS), ("watch", "post")] {
            post.remote
                .declare(group.into(), vec![topic.into()])
                .await
                .unwrap();
        }
        post
    }

    /// It dies: nothing is stopped in order.
    async fn dies(self) {
        self.service.kill().await;
        drop(self.service);
        self.stores.iter().for_each(EmbeddedStore::close);
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self).await {
            assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Letters delivered so far, in the order of the record.
    async fn delivered(&self) -> Vec<(String, u32)> {
        use annals_core::port::store::{EventStore, Read};
        use annals_core::query::Query;
        let page = self.stores[0]
            .read(Read::new(Query::all(), Position::ZERO))
            .await
            .unwrap();
        let ours = page
            .events
            .iter()
            .filter(|event| event.event_type.as_str() == "letter.delivered");
        let letters = ours.map(|event| serde_json::from_slice::<Delivered>(&event.data).unwrap());
        letters
            .map(|letter| (letter.to.to_string(), letter.number))
            .collect()
    }

    async fn sends(&self, letters: Vec<Message>) {
        publish(&*self.remote, letters).await;
    }
}

fn letter(to: &str, number: u32) -> Message {
    let command = Deliver {
        to: PersonId::from(to),
        number,
    };
    let mut message = message(u64::from(number), 0, serde_json::to_vec(&command).unwrap());
    message.topic = COMMANDS.into();
    message.event.event_type = EventType::from_static("post.deliver");
    message.event.purpose = Purpose::Command;
    message.event.version = 1;
    message.event.tags = vec![annals_core::tag::Tag::of("person", to).unwrap()];
    message.event.metadata.correlation = Some(correlation());
    message.event.metadata.trace_parent = Some(TRACE.into());
    message
}

fn correlation() -> CorrelationId {
    CorrelationId::from_uuid(Uuid::from_u128(77))
}

/// The waits between the tries of a letter are those that were asked for, and each try is counted once.
fn assert_schedule(tries: &[(Instant, u32)]) {
    assert!(
        tries
            .iter()
            .map(|(_, attempt)| *attempt)
            .eq(1..=tries.len() as u32),
        "{tries:?}"
    );
    for (pair, wait) in tries.windows(2).zip(WAITS) {
        let waited = pair[1].0 - pair[0].0;
        let (least, most) = (wait.mul_f64(0.8 * 0.9), wait.mul_f64(1.2 * 1.1) + LATE);
        assert!(
            (least..most).contains(&waited),
            "asked for {wait:?}, waited {waited:?}"
        );
    }
}

/// Tries are counted and come when they should, and a key waits for them; what fails for good is put aside with its reason,
/// others go on; taken up again, once, twice or too late, it is delivered once, and all of it is traced to its cause.
pub(super) async fn tried_parked_and_requeued(server: &'static str) {
    let (namespace, folder) = (fresh("tried"), tempfile::tempdir().unwrap());
    let post = Post::new(server, &namespace, folder.path(), OnFailure::Park).await;
    post.postman.fails("ann", 1, 2);
    post.postman.fails("eve", 1, u32::MAX);
    let poison = letter("eve", 1);
    let (poison_id, sent) = (
        poison.event.id,
        [letter("ann", 1), letter("ann", 2), letter("bob", 1)],
    );
    let causes: BTreeMap<(String, u32), EventId> = BTreeMap::from([
        (("ann".into(), 1), sent[0].event.id),
        (("ann".into(), 2), sent[1].event.id),
        (("bob".into(), 1), sent[2].event.id),
        (("eve".into(), 1), poison_id),
    ]);
    let mut all = vec![poison];
    all.extend(sent);
    post.sends(all).await;
    post.until("one is parked and the others are delivered", async |post| {
        post.service.parked().await.unwrap().len() == 1 && post.delivered().await.len() == 3
    })
    .await;
    assert_schedule(&post.postman.tries("ann", 1));
    assert_eq!(post.postman.tries("ann", 1).len(), 3);
    assert_schedule(&post.postman.tries("eve", 1));
    let delivered = post.delivered().await;
    let place = |who: &str, number: u32| {
        delivered
            .iter()
            .position(|one| *one == (who.to_owned(), number))
            .unwrap()
    };
    assert!(place("ann", 1) < place("ann", 2), "{delivered:?}");
    let parked = post.service.parked().await.unwrap().remove(0);
    assert_eq!(
        (parked.id, parked.attempts, parked.topic.as_str()),
        (poison_id, 4, COMMANDS)
    );
    assert_eq!(parked.reason, "there is a dog");
    assert_eq!(parked.key.unwrap().to_string(), "person:eve");

    post.postman.fails("eve", 1, 0);
    post.service.requeue(poison_id).await;
    post.service.requeue(poison_id).await;
    post.until("it is delivered", async |post| post.delivered().await.len() == 4)
        .await;
    post.service.requeue(poison_id).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(post.postman.tries("eve", 1).len(), 5);
    assert_eq!(post.delivered().await.len(), 4);
    assert!(post.service.parked().await.unwrap().is_empty());
    traced(&*post.remote, &causes).await;
    timeout(DEADLINE, post.service.stop()).await.unwrap();
}

/// What was published of each letter says what it followed from, and in which trace.
async fn traced(remote: &dyn Transport, causes: &BTreeMap<(String, u32), EventId>) {
    let subscribe = Subscribe {
        group: "watch".into(),
        topics: vec!["post".into()],
        start: Start::Group,
    };
    let mut watching = remote.subscribe(subscribe).await.unwrap();
    let mut missing = causes.clone();
    while !missing.is_empty() {
        for delivery in take(&mut *watching, 1).await {
            let event = delivery.message.event.clone();
            done(vec![delivery]).await;
            if event.event_type.as_str() != "letter.delivered" {
                continue;
            }
            let letter: Delivered = serde_json::from_slice(&event.data).unwrap();
            let cause = missing.remove(&(letter.to.to_string(), letter.number));
            assert_eq!(event.metadata.causation, cause, "{letter:?}");
            assert_eq!(event.metadata.correlation, Some(correlation()));
            let trace = event.metadata.trace_parent.unwrap_or_default();
            // The same trace, perhaps another span of it.
            assert!(trace.starts_with(&TRACE[..35]), "{trace}");
        }
    }
}

/// A key that blocks waits for its message; tries are counted on over a crash.
pub(super) async fn blocked_over_a_crash(server: &'static str) {
    let (namespace, folder) = (fresh("blocked"), tempfile::tempdir().unwrap());
    let post = Post::new(server, &namespace, folder.path(), OnFailure::Block).await;
    post.postman.fails("ann", 1, 2);
    post.sends(vec![letter("ann", 1), letter("ann", 2), letter("bob", 1)])
        .await;
    post.until("the second try has failed", async |post| {
        post.postman.tries("ann", 1).len() == 2 && post.delivered().await.len() == 1
    })
    .await;
    // The note of the failure is durable a moment after it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(post.delivered().await, [("bob".to_owned(), 1)]);
    let postman = Arc::clone(&post.postman);
    post.dies().await;
    let post = Post::open(server, &namespace, folder.path(), &postman, OnFailure::Block).await;
    post.until("all are delivered", async |post| {
        post.delivered().await.len() == 3
    })
    .await;
    let expected = [("bob", 1), ("ann", 1), ("ann", 2)].map(|(who, number)| (who.to_owned(), number));
    assert_eq!(post.delivered().await, expected);
    let attempts: Vec<u32> = postman
        .tries("ann", 1)
        .iter()
        .map(|(_, attempt)| *attempt)
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
    timeout(DEADLINE, post.service.stop()).await.unwrap();
}

/// Who is asked to stop finishes what is under way, in time, and leaves the rest; asked twice he stops once. Nothing is
/// lost and nothing is done twice.
pub(super) async fn drained(server: &'static str) {
    const COUNT: u32 = 200;
    let (namespace, folder) = (fresh("drained"), tempfile::tempdir().unwrap());
    let post = Post::new(server, &namespace, folder.path(), OnFailure::Park).await;
    *post.postman.work.lock().unwrap() = Duration::from_millis(100);
    // Of ten keys each has one message under way at most.
    let letters = (0..COUNT).map(|number| letter(&format!("p{}", number % 10), number));
    post.sends(letters.collect()).await;
    post.until("work is under way", async |post| {
        !post.delivered().await.is_empty()
    })
    .await;
    let began = Instant::now();
    timeout(DEADLINE, post.service.stop()).await.unwrap();
    let stopping = began.elapsed();
    assert!(stopping < Duration::from_secs(5), "it took {stopping:?}");
    timeout(Duration::from_secs(1), post.service.stop())
        .await
        .unwrap();
    let (before, tried) = (
        post.delivered().await.len(),
        post.postman.tries.lock().unwrap().len(),
    );
    assert!(before < COUNT as usize, "there was nothing left to leave");
    assert_eq!(tried, before, "what was begun was finished");
    let postman = Arc::clone(&post.postman);
    *postman.work.lock().unwrap() = Duration::ZERO;
    post.dies().await;
    let post = Post::open(server, &namespace, folder.path(), &postman, OnFailure::Park).await;
    post.until("all are delivered", async |post| {
        post.delivered().await.len() >= COUNT as usize
    })
    .await;
    assert_eq!(postman.tries.lock().unwrap().len(), COUNT as usize);
    timeout(DEADLINE, post.service.stop()).await.unwrap();
    println!("{server}: stopped after {stopping:?} with {before} of {COUNT} done");
}

/// What a broker cannot do is refused when it is asked for, with the reason; nothing that needs it starts.
pub(super) async fn asked_and_absent(server: &'static str) {
    let transport = inside(server, &fresh("absent"));
    let can = transport.capabilities();
    let ask = async |topics: &[&'static str], start: Start| {
        let subscribe = Subscribe {
            group: "one".into(),
            topics: topics.iter().map(|topic| (*topic).into()).collect(),
            start,
        };
        timeout(DEADLINE, transport.subscribe(subscribe))
            .await
            .unwrap()
            .map(drop)
    };
    let unsupported = |asked: Result<(), SubscribeError>| matches!(asked, Err(SubscribeError::Unsupported(why)) if !why.is_empty());
    assert!(!can.replay && unsupported(ask(&["things"], Start::At(Position::ZERO)).await));
    if !can.every_topic {
        assert!(unsupported(ask(&[], Start::Group).await));
    }
    let start = async |service: annals::ServiceBuilder| {
        let place = Place {
            store: Arc::new(annals_store::MemoryStore::new()),
            transport: Arc::clone(&transport),
            world: World::default(),
            journal: None,
        };
        service
            .start(place)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let told = start(Service::builder("post")).await.unwrap_err();
    assert!(
        told.contains("read again from a position") && told.contains("durable inbox"),
        "{told}"
    );
    let recorder = start(Service::builder("recorder").records_everything()).await;
    if !can.every_topic {
        let told = recorder.unwrap_err();
        assert!(told.contains("hear every topic"), "{told}");
    }
}
