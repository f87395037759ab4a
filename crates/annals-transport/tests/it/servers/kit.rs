//! What the cases share: a transport in a namespace of its own, messages, short ways to publish, take and settle.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::port::transport::{
    Bundle, Consumer, Delivery, Message, Published, SettleBundle, Settlement, Start, Subscribe, Transport,
};
use annals_core::tag::Tag;
use annals_core::time::SystemClock;
use annals_store::{EmbeddedStore, Options};
use annals_testkit::proxy::Proxy;
use annals_transport::connect::connect;
use annals_transport::embedded::EmbeddedBroker;
use annals_transport::namespace::Namespace;
use smol_str::SmolStr;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use uuid::Uuid;

/// Longer than any broker may take for what is there; some notice a lost consumer only after a while.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);
/// Long enough to believe that nothing comes.
pub(super) const QUIET: Duration = Duration::from_millis(1_500);
pub(super) const TOPIC: &str = "things";

/// A number that a variable may ask for.
pub(super) fn asked(variable: &str, otherwise: u64) -> u64 {
    let Ok(text) = std::env::var(variable) else {
        return otherwise;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{variable} is to be a number, found {text:?}"))
}

/// The address of a server, as whoever started it says.
pub(super) fn url(server: &str) -> String {
    let variable = format!("ANNALS_{}_URL", server.to_uppercase());
    std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} names no server"))
}

/// The embedded broker, on a store of its own in a folder that is left to the system.
pub(super) fn embedded() -> Arc<dyn Transport> {
    embedded_in(&tempfile::tempdir().unwrap().keep())
}

/// The embedded broker on the store of a folder.
pub(super) fn embedded_in(folder: &Path) -> Arc<dyn Transport> {
    let store = EmbeddedStore::open(folder, Options::new()).unwrap();
    Arc::new(EmbeddedBroker::new(Arc::new(store), Arc::new(SystemClock)))
}

/// A name that nobody had before.
pub(super) fn fresh(case: &str) -> String {
    format!("{case}-{}", &Uuid::new_v4().simple().to_string()[..12])
}

pub(super) fn open(server: &str, case: &str) -> Arc<dyn Transport> {
    inside(server, &fresh(case))
}

pub(super) fn inside(server: &str, namespace: &str) -> Arc<dyn Transport> {
    if server == "embedded" {
        return Arc::new(Namespace::new(embedded(), namespace));
    }
    by_way_of(&url(server), namespace)
}

/// The transport of an address, in a namespace.
pub(super) fn by_way_of(url: &str, namespace: &str) -> Arc<dyn Transport> {
    connect(&format!("{url}?namespace={namespace}").parse().unwrap()).unwrap()
}

/// A way to a server that a proxy may stand on: where the proxy listens, and where the server does. Kafka tells its clients
/// where to come back to, so there it is the way by its second door, and only one may use it at a time.
pub(super) struct Road {
    scheme: String,
    pub(super) here: SocketAddr,
    pub(super) there: SocketAddr,
    _alone: Option<MutexGuard<'static, ()>>,
}

/// Held by whoever uses the only way to Kafka.
static ONLY: Mutex<()> = Mutex::const_new(());

impl Road {
    pub(super) async fn to(server: &str) -> Self {
        let url = url(server);
        let (scheme, rest) = url.split_once("://").unwrap();
        let host = rest.rsplit('@').next().unwrap().trim_end_matches('/');
        let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let (here, there) = match server {
            "kafka" => (at(port + 3), at(port + 2)),
            // Nobody listens there until a proxy does.
            _ => (free(), at(port)),
        };
        Self {
            scheme: scheme.to_owned(),
            here,
            there,
            _alone: if server == "kafka" {
                Some(ONLY.lock().await)
            } else {
                None
            },
        }
    }

    pub(super) async fn proxy(&self) -> Proxy {
        Proxy::start(self.here, self.there).await.unwrap()
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.here)
    }
}

/// An address that nobody has just now.
fn free() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

pub(super) fn message(number: u64, key: u64, data: Vec<u8>) -> Message {
    Message {
        topic: TOPIC.into(),
        event: NewEvent {
            id: EventId::from_uuid(Uuid::new_v4()),
            event_type: EventType::from_static("thing.happened"),
            version: 2,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags: vec![Tag::of("key", key).unwrap(), Tag::of("number", number).unwrap()],
            occurred: None,
            metadata: Metadata::default(),
            data: data.into(),
        },
    }
}

pub(super) fn numbered(numbers: std::ops::Range<u64>) -> Vec<Message> {
    numbers
        .map(|number| message(number, number % 16, number.to_string().into_bytes()))
        .collect()
}

/// Each of a key of its own: nothing keeps any of them waiting for another.
pub(super) fn apart(numbers: std::ops::Range<u64>) -> Vec<Message> {
    numbers
        .map(|number| message(number, number, number.to_string().into_bytes()))
        .collect()
}

pub(super) fn number(delivery: &Delivery) -> u64 {
    number_of(&delivery.message)
}

pub(super) fn number_of(message: &Message) -> u64 {
    message.event.tags[1].value().parse().unwrap()
}

/// Publishes as a relay does: what is unknown is sent again.
pub(super) async fn publish(transport: &dyn Transport, mut messages: Vec<Message>) {
    let began = Instant::now();
    while !messages.is_empty() {
        assert!(began.elapsed() < DEADLINE, "not published within {DEADLINE:?}");
        let outcomes = transport.publish(messages.clone()).await;
        assert_eq!(outcomes.len(), messages.len());
        let mut again = Vec::new();
        for (message, outcome) in messages.into_iter().zip(outcomes) {
            match outcome {
                Published::Stored => {}
                Published::Unknown(_) => again.push(message),
                Published::Refused(reason) => panic!("refused: {reason}"),
            }
        }
        messages = again;
        if !messages.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

pub(super) async fn join(transport: &dyn Transport, group: &'static str) -> Box<dyn Consumer> {
    let began = Instant::now();
    loop {
        let subscribe = Subscribe {
            group: SmolStr::new_static(group),
            topics: vec![TOPIC.into()],
            start: Start::Group,
        };
        match timeout(DEADLINE, transport.subscribe(subscribe)).await.unwrap() {
            Ok(consumer) => return consumer,
            Err(error) => assert!(began.elapsed() < DEADLINE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

pub(super) async fn take(consumer: &mut dyn Consumer, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = timeout(DEADLINE, consumer.next(count - taken.len())).await;
        let next = next.unwrap_or_else(|_| panic!("{} of {count} came", taken.len()));
        taken.extend(next.expect("the subscription stands"));
    }
    taken
}

pub(super) async fn next_bundle(consumer: &mut dyn Consumer) -> Bundle {
    let next = timeout(DEADLINE, consumer.next_bundle(30)).await;
    let bundle = next.expect("a bundle comes").expect("the subscription stands");
    assert!((1..=30).contains(&bundle.messages.len()));
    bundle
}

/// Settles all of a bundle as done.
pub(super) async fn settle_bundle(bundle: SettleBundle) {
    match bundle {
        SettleBundle::Whole(whole) => timeout(DEADLINE, whole.done()).await.unwrap().unwrap(),
        SettleBundle::OneByOne(settles) => {
            for settle in settles {
                let settling = settle.settle(Settlement::Done, None);
                timeout(DEADLINE, settling).await.unwrap().unwrap();
            }
        }
    }
}

pub(super) async fn done(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        timeout(DEADLINE, delivery.settle(Settlement::Done))
            .await
            .unwrap()
            .unwrap();
    }
}

/// Takes and settles as they come: a broker hands out only so much at once.
pub(super) async fn take_and_settle(consumer: &mut dyn Consumer, count: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.len() < count {
        for delivery in take(consumer, 1).await {
            messages.push(delivery.message.clone());
            done(vec![delivery]).await;
        }
    }
    messages
}

pub(super) async fn declare(transport: &dyn Transport, group: &'static str) {
    timeout(DEADLINE, transport.declare(group.into(), vec![TOPIC.into()]))
        .await
        .unwrap()
        .unwrap();
}

pub(super) fn assert_in_order(messages: &[Message]) {
    let mut last = BTreeMap::new();
    for message in messages {
        let key = message.event.partition_tag().unwrap().clone();
        let before = last.insert(key.clone(), number_of(message));
        let found = Some(number_of(message));
        assert!(before < found, "{key}: {before:?} before {found:?}");
    }
}
