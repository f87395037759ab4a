//! A recorder as a process of its own, over real brokers: killed while messages come, it has each of them once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::port::transport::{Message, Published};
use annals_core::tag::Tag;
use annals_transport::connect::connect;
use uuid::Uuid;

use crate::outside::http::Client;
use crate::run::{annals, annals_on, command, signal, until};

/// Messages of each part: while it runs, after it was killed, and when it runs again.
const PART: u64 = 200;

struct Recorder {
    child: Child,
    address: String,
}

impl Recorder {
    fn start(data: &Path, broker: &str) -> Self {
        let mut command = command(&["record", "--topics", "orders,payments", "--broker", broker]);
        command.env("ANNALS_DATA", data).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be run");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("it prints UTF-8");
        let (_, address) = line
            .trim()
            .split_once("listening on ")
            .unwrap_or_else(|| panic!("{line:?}"));
        let address = address.to_owned();
        Self { child, address }
    }

    fn is_ready(&self) -> bool {
        let asked = Client::new(&self.address).ask("GET", "/readyz", &[], "");
        asked.is_ok_and(|answer| answer.status == 200)
    }

    /// Stops it in order; how it ended.
    fn stop(mut self) -> Option<i32> {
        signal(&self.child, "-TERM");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn message(number: u64) -> Message {
    Message {
        topic: if number.is_multiple_of(3) {
            "payments"
        } else {
            "orders"
        }
        .into(),
        event: NewEvent {
            id: EventId::from_uuid(Uuid::new_v4()),
            event_type: EventType::from_static("thing.happened"),
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags: vec![Tag::of("thing", number % 7).expect("a tag")],
            occurred: None,
            metadata: Metadata::default(),
            data: format!("{{\"number\":{number}}}").into(),
        },
    }
}

/// Publishes until all are stored; what is unknown is sent again.
fn publish(broker: &str, mut messages: Vec<Message>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let transport = connect(&broker.parse().expect("an address")).expect("a transport");
        // ActiveMQ takes nothing for which nobody is known.
        let declared = transport.declare("recorder".into(), vec!["orders".into(), "payments".into()]);
        declared.await.expect("the server is there");
        for _ in 0..100 {
            let outcomes = transport.publish(messages.clone()).await;
            let open = messages.into_iter().zip(outcomes);
            messages = open
                .filter(|(_, outcome)| *outcome != Published::Stored)
                .map(|(message, _)| message)
                .collect();
            if messages.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} messages were not stored", messages.len());
    });
}

/// The ids that the recorder shows, and how many events that is.
fn recorded(data: &Path) -> (BTreeSet<String>, usize) {
    let shown = annals_on(data, &["event", "ls", "--limit", "1000", "-o", "jsonl"]);
    let events: Vec<serde_json::Value> = shown
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let ids = events
        .iter()
        .map(|event| event["id"].as_str().expect("an id").to_owned());
    (ids.collect(), events.len())
}

fn records(server: &str) {
    let variable = format!("ANNALS_{}_URL", server.to_uppercase());
    let url = std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} names no server"));
    let broker = format!("{url}?namespace=record-{}", std::process::id());
    let data = tempfile::tempdir().expect("a temporary folder");
    let messages: Vec<Message> = (0..3 * PART).map(message).collect();
    let ids: BTreeSet<String> = messages
        .iter()
        .map(|message| message.event.id.to_string())
        .collect();
    let mut parts = messages.chunks(PART as usize).map(<[Message]>::to_vec);
    let mut part = || parts.next().expect("three parts");

    let recorder = Recorder::start(data.path(), &broker);
    until("the recorder hears", || recorder.is_ready());
    publish(&broker, part());
    drop(recorder);
    publish(&broker, part());
    let recorder = Recorder::start(data.path(), &broker);
    publish(&broker, part());
    until("everything is recorded", || {
        recorded(data.path()).0.len() >= ids.len()
    });
    assert_eq!(recorded(data.path()), (ids.clone(), ids.len()));

    assert_eq!(recorder.stop(), Some(0));
    annals_on(data.path(), &["verify"]).ended(0);
    assert_eq!(
        recorded(data.path()),
        (ids.clone(), ids.len()),
        "without the node"
    );
}

#[test]
fn a_recorder_of_its_own_needs_a_server_and_topics() {
    let embedded = annals(&["record", "--broker", "embedded:"]).ended(2);
    assert!(embedded.err.contains("needs a server"), "{embedded:?}");
    let nameless = annals(&["record", "--broker", "activemq://127.0.0.1"]).ended(2);
    assert!(nameless.err.contains("hint: name them: --topics"), "{nameless:?}");
}

#[test]
#[ignore = "broker: rabbitmq: records from it"]
fn rabbitmq_is_recorded() {
    records("rabbitmq");
}

#[test]
#[ignore = "broker: kafka: records from it"]
fn kafka_is_recorded() {
    records("kafka");
}

#[test]
#[ignore = "broker: activemq: records from it"]
fn activemq_is_recorded() {
    records("activemq");
}

#[test]
#[ignore = "broker: artemis: records from it"]
fn artemis_is_recorded() {
    records("artemis");
}

#[test]
#[ignore = "broker: nats: records from it"]
fn nats_is_recorded() {
    records("nats");
}
