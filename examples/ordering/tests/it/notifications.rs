//! A service in Python takes part in the order system, over a real broker: it is killed and started again, the broker is
//! killed, and every message comes twice. In the end each order has one notification, the event that says so is on the broker with
//! the correlation of its order, and the recorder has it once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use annals::core::event::NewEvent;
use annals::core::port::transport::{
    Consumer, Message, Published, Settlement, Start, Subscribe, Topic, Transport,
};
use annals_transport::connect::connect;
use ordering::BrokerUrl;
use ordering::carrier::Carrier;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::town::{PARTS, READY, REST, Town, services, url_of};

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../notifications");
const ORDERS_PER_ROUND: u64 = 20;
/// How orders end, and where that is told.
const ENDS: [(&str, &str); 2] = [("parcel.shipped", "shipped"), ("order.cancelled", "cancelled")];
const SENT: &str = "notification.sent";

/// The service in Python.
struct Notifier {
    child: Child,
}

impl Notifier {
    /// Starts it; it hears what is published when this returns.
    fn start(broker: &str, out: &Path) -> Self {
        let python =
            std::env::var("ANNALS_PYTHON").expect("ANNALS_PYTHON is an interpreter that has what it needs");
        let mut child = Command::new(python)
            .args(["-m", "notifications", "--broker", broker, "--out"])
            .arg(out)
            .current_dir(PROJECT)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (say, said) = mpsc::channel();
        std::thread::spawn(move || say.send(stdout.lines().next()));
        let line = said
            .recv_timeout(READY)
            .expect("it says within its time that it hears");
        let line = line.expect("it does not end before it hears").unwrap();
        assert!(line.starts_with("notifications hears"), "{line:?}");
        Self { child }
    }

    /// SIGTERM: it finishes what is in hand.
    fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(told.success());
        let mut ended = None;
        wait_until("it has ended", || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }
}

impl Drop for Notifier {
    /// SIGKILL, where it still runs.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A group of its own that hears how orders end, and what their customers are told.
struct Listener {
    transport: Arc<dyn Transport>,
    heard: Arc<Mutex<Vec<Message>>>,
}

impl Listener {
    /// From now on it hears everything. The groups of the services are made known too, before anybody publishes.
    async fn open(broker: &str) -> Self {
        let transport = connect(&broker.parse::<BrokerUrl>().unwrap()).unwrap();
        for part in PARTS {
            transport
                .declare(part.into(), Carrier::topics(part))
                .await
                .unwrap();
        }
        let subscribe = Subscribe {
            group: "listener".into(),
            topics: ["orders", "shipping", "notifications"]
                .map(Topic::new_static)
                .to_vec(),
            start: Start::Group,
        };
        let first = transport.subscribe(subscribe.clone()).await.unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(listen(
            first,
            Arc::clone(&transport),
            subscribe,
            Arc::clone(&heard),
        ));
        Self { transport, heard }
    }

    /// Messages of this type by id, each with how often it came; one that comes again is the same.
    fn heard(&self, event_type: &str) -> BTreeMap<String, (Message, usize)> {
        let mut found: BTreeMap<String, (Message, usize)> = BTreeMap::new();
        for message in self.heard.lock().unwrap().iter() {
            if message.event.event_type.as_str() == event_type {
                let id = message.event.id.to_string();
                let (first, times) = found.entry(id).or_insert((message.clone(), 0));
                assert_eq!(first, message);
                *times += 1;
            }
        }
        found
    }

    /// The events with which orders ended, by id.
    fn ends(&self) -> BTreeMap<String, (Message, &'static str)> {
        let heard = ENDS.iter().flat_map(|(event_type, outcome)| {
            let heard = self.heard(event_type).into_iter();
            heard.map(|(id, (message, _))| (id, (message, *outcome)))
        });
        heard.collect()
    }

    /// Publishes again what was published, under the same ids.
    async fn repeat(&self, messages: Vec<Message>) {
        let outcomes = self.transport.publish(messages).await;
        assert!(
            outcomes.iter().all(|one| *one == Published::Stored),
            "{outcomes:?}"
        );
    }
}

/// Hears until the test is over, over as many subscriptions as that takes.
async fn listen(
    mut consumer: Box<dyn Consumer>,
    transport: Arc<dyn Transport>,
    subscribe: Subscribe,
    heard: Arc<Mutex<Vec<Message>>>,
) {
    loop {
        while let Ok(deliveries) = consumer.next(64).await {
            for delivery in deliveries {
                heard.lock().unwrap().push(delivery.message.clone());
                // An error means that it comes again.
                drop(delivery.settle(Settlement::Done).await);
            }
        }
        consumer = loop {
            match transport.subscribe(subscribe.clone()).await {
                Ok(consumer) => break consumer,
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        };
    }
}

/// The whole lines of its file; it may be at work on another one.
fn lines(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < REST, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("{what}: after {:.1} s", began.elapsed().as_secs_f64());
}

/// Each order that came to its end has one line, which says how.
fn check_lines(out: &Path, shipped: &[u64], orders: u64) {
    let told: Vec<(String, String)> = lines(out)
        .iter()
        .map(|line| {
            (
                line["order"].as_str().unwrap().to_owned(),
                line["outcome"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected: BTreeSet<(String, String)> = (0..orders)
        .map(|number| {
            (
                number,
                if shipped.contains(&number) {
                    "shipped"
                } else {
                    "cancelled"
                },
            )
        })
        .map(|(number, outcome)| (format!("o{number}"), outcome.to_owned()))
        .collect();
    assert_eq!(told.len() as u64, orders, "{told:?}");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// What was published belongs to the request and to the order that it is about.
fn check_messages(listener: &Listener, out: &Path) {
    let (ends, sent) = (listener.ends(), listener.heard(SENT));
    assert_eq!(sent.len(), ends.len());
    let ids: BTreeSet<String> = lines(out)
        .iter()
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(sent.keys().cloned().collect::<BTreeSet<_>>(), ids);
    for (message, _) in sent.values() {
        let NewEvent { metadata, data, .. } = &message.event;
        let cause = metadata.causation.unwrap().to_string();
        let (about, outcome) = &ends[&cause];
        let data: Value = serde_json::from_slice(data).unwrap();
        let tag = format!("order:{}", data["order"].as_str().unwrap());
        assert_eq!(message.topic, "notifications");
        assert_eq!(metadata.service.as_deref(), Some("notifications"));
        assert!(metadata.correlation.is_some());
        assert_eq!(metadata.correlation, about.event.metadata.correlation);
        assert_eq!(metadata.trace_parent, about.event.metadata.trace_parent);
        assert_eq!(message.event.tags, about.event.tags);
        assert_eq!(message.event.partition_tag().unwrap().as_str(), tag);
        assert_eq!(data["outcome"], *outcome);
    }
}

/// The recorder shows each once, as part of the request that it follows from.
fn check_recorder(town: &Town, listener: &Listener) {
    let sent = listener.heard(SENT);
    let recorded = |message: &Message| {
        let correlation = message.event.metadata.correlation.unwrap();
        let path = format!("/requests/{correlation}");
        let body = town.get("recorder", &path).unwrap_or_default();
        let nodes = body["nodes"].as_array().cloned().unwrap_or_default().into_iter();
        let sent = nodes.filter(|node| node["type"] == SENT);
        sent.map(|node| node["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    wait_until("the recorder has everything", || {
        sent.values().all(|(message, _)| !recorded(message).is_empty())
    });
    for (id, (message, _)) in sent {
        assert_eq!(recorded(&message), [id]);
    }
}

fn tells_each_order_once(server: &str) {
    let runtime = Runtime::new().unwrap();
    let mut town = Town::new("notified", &url_of(server), 0.3);
    let listener = runtime.block_on(Listener::open(town.broker()));
    let out: PathBuf = town.folder().join("sent.ndjson");
    let notifier = Notifier::start(town.broker(), &out);
    town.open();

    let mut orders = 0;
    let mut place = |town: &Town| {
        (orders..orders + ORDERS_PER_ROUND).for_each(|number| town.order(number));
        orders += ORDERS_PER_ROUND;
    };
    place(&town);
    wait_until("it is at work", || lines(&out).len() >= 5);
    drop(notifier);
    place(&town);
    let missed = lines(&out).len();
    wait_until("orders end without it", || listener.ends().len() > missed + 5);
    let notifier = Notifier::start(town.broker(), &out);
    place(&town);
    services("kill", server);
    place(&town);
    services("up", server);
    place(&town);
    let shipped = town.settle(orders);
    let cancelled = orders - shipped.len() as u64;
    assert!(
        !shipped.is_empty() && cancelled > 0,
        "{shipped:?} of {orders} shipped"
    );
    wait_until("all is told", || listener.heard(SENT).len() as u64 == orders);

    let before = listener.heard(SENT);
    let ends = listener.ends().into_values().map(|(message, _)| message);
    runtime.block_on(listener.repeat(ends.collect()));
    wait_until("it has answered each of them again", || {
        let again = listener.heard(SENT);
        before.iter().all(|(id, (_, times))| again[id].1 > *times)
    });
    assert!(notifier.stop().success());
    check_lines(&out, &shipped, orders);
    check_messages(&listener, &out);
    check_recorder(&town, &listener);
    assert_eq!(lines(&out.with_extension("ndjson.parked")), Vec::<Value>::new());
}

#[test]
#[ignore = "broker: rabbitmq and python: kills the service in Python"]
fn rabbitmq_and_python_tell_each_order_once() {
    tells_each_order_once("rabbitmq");
}

#[test]
#[ignore = "broker: kafka and python: kills the service in Python"]
fn kafka_and_python_tell_each_order_once() {
    tells_each_order_once("kafka");
}
