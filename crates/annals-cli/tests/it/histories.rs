//! Many clients of one node at once, over HTTP, judged exactly: see [`annals_testkit::history`].
//!
//! Deliveries arrive at the warehouse, some only at the revision of an article that the client saw last, some again under
//! the same key; others read the history. Nobody else writes there.

// A test may stop at the first surprise.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use annals_core::condition::{Condition, Conflict};
use annals_core::event::EventType;
use annals_core::id::EventId;
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_testkit::history::judge::judge;
use annals_testkit::history::operation::{Asked, Logged, Operation, Place, Seen, What};
use annals_testkit::seed::Seed;
use serde_json::{Value, json};

use crate::outside::http::Client;
use crate::run::Node;

const CLIENTS: u64 = 12;
const OPERATIONS: u64 = 1_500;
/// Few, so that clients race for them.
const ARTICLES: u64 = 10;

struct Customer {
    client: Client,
    seed: Seed,
    began: Instant,
    next: Arc<AtomicU64>,
    /// The revisions of articles that it saw last.
    seen: Vec<Option<u64>>,
    /// Where the log ended when it last looked or brought something.
    end: u64,
    /// The delivery under a key that it brought last, and what came of it.
    before: Option<(String, String, Asked)>,
    operations: Vec<Operation>,
}

fn article(number: u64) -> Tag {
    Tag::of("sku", format!("a{number}")).unwrap()
}

fn ids(answer: &Value) -> Vec<EventId> {
    let ids = answer["events"].as_array().expect("an answer lists its events");
    ids.iter()
        .map(|id| id.as_str().expect("an id is text").parse().unwrap())
        .collect()
}

impl Customer {
    fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    fn step(&mut self) {
        match self.seed.below(10) {
            0..4 => self.bring_at_a_revision(),
            4..6 => self.bring(),
            6 => self.bring_again(),
            _ => self.look(),
        }
    }

    fn body(&self, number: u64, article: u64) -> String {
        let other = (article + 1) % ARTICLES;
        let mut pieces = vec![json!({ "sku": format!("a{article}"), "quantity": 1 })];
        if number.is_multiple_of(3) {
            pieces.push(json!({ "sku": format!("a{other}"), "quantity": 2 }));
        }
        json!({ "delivery": format!("d{number}"), "pieces": pieces, "received": null }).to_string()
    }

    fn tell(&mut self, called: u64, what: What) {
        let returned = self.now();
        self.operations.push(Operation {
            called,
            returned,
            what,
        });
    }

    fn bring_at_a_revision(&mut self) {
        let (number, article_number) = (
            self.next.fetch_add(1, Ordering::Relaxed),
            self.seed.below(ARTICLES),
        );
        let expected = self.seen[article_number as usize];
        let revision = expected.map(|revision| format!("\"{revision}\""));
        let header = match &revision {
            Some(revision) => ("if-match", revision.as_str()),
            None => ("if-none-match", "*"),
        };
        let tag = article(article_number);
        let path = format!("/services/stock/commands/stock.receive?entity={tag}");
        let body = self.body(number, article_number);
        let called = self.now();
        let answer = self
            .client
            .ask("POST", &path, &[header], &body)
            .expect("it answers");
        let (status, told) = (answer.status, answer.json());
        let condition = Condition::TagAt {
            tag: tag.clone(),
            expected: expected.map(Revision::new),
        };
        let asked = |ids| Asked {
            ids,
            conditions: vec![condition],
            marks: Vec::new(),
        };
        match status {
            200 => {
                let end = told["position"].as_u64().expect("an answer has a position");
                self.end = self.end.max(end);
                self.seen[article_number as usize] = Some(expected.map_or(0, |revision| revision + 1));
                self.tell(
                    called,
                    What::Appended(asked(ids(&told)), Place::Before(Position::new(end))),
                );
            }
            412 => {
                let found = told["actual"].as_u64();
                self.seen[article_number as usize] = found;
                let conflict = Conflict::Tag {
                    condition: 0,
                    tag,
                    expected: expected.map(Revision::new),
                    found: found.map(Revision::new),
                };
                self.tell(called, What::Refused(asked(Vec::new()), conflict));
            }
            other => panic!("{other}: {told}"),
        }
    }

    fn bring(&mut self) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let key = format!("k{number}");
        let body = self.body(number, self.seed.below(ARTICLES));
        let (called, told) = self.keyed(&key, &body);
        assert_eq!(told["repeated"], false);
        let asked = Asked {
            ids: ids(&told),
            conditions: Vec::new(),
            marks: Vec::new(),
        };
        let place = Place::Before(Position::new(told["position"].as_u64().unwrap()));
        self.tell(called, What::Appended(asked.clone(), place));
        self.before = Some((key, body, asked));
    }

    /// As after an answer that was lost.
    fn bring_again(&mut self) {
        let Some((key, body, asked)) = self.before.take() else {
            return;
        };
        let (called, told) = self.keyed(&key, &body);
        assert_eq!(told["repeated"], true, "{told}");
        assert_eq!(ids(&told), asked.ids, "the first answer again");
        let place = Place::Before(Position::new(told["position"].as_u64().unwrap()));
        self.tell(called, What::Repeated(asked, place));
    }

    fn keyed(&mut self, key: &str, body: &str) -> (u64, Value) {
        let path = "/services/stock/commands/stock.receive";
        let called = self.now();
        let answer = self.client.ask("POST", path, &[("idempotency-key", key)], body);
        let answer = answer.expect("it answers");
        assert_eq!(answer.status, 200, "{}", answer.json());
        (called, answer.json())
    }

    fn look(&mut self) {
        let from = self.end.saturating_sub(self.seed.below(40));
        let (tag, query) = match self.seed.below(2) {
            0 => (String::new(), Query::all()),
            _ => {
                let tag = article(self.seed.below(ARTICLES));
                (format!("&tag={tag}"), Query::tag(tag))
            }
        };
        let called = self.now();
        let page = self
            .client
            .get(&format!("/services/stock/events?from={from}&limit=1000{tag}"));
        let events = page["events"].as_array().expect("a page has events").iter();
        let events = events.map(|event| {
            let id = event["id"].as_str().unwrap().parse().unwrap();
            (Position::new(event["position"].as_u64().unwrap()), id)
        });
        let seen = Seen {
            query,
            from: Position::new(from),
            next: Position::new(page["next"].as_u64().unwrap()),
            finished: page["finished"].as_bool().unwrap(),
            events: events.collect(),
        };
        self.end = self.end.max(seen.next.get());
        self.tell(called, What::Read(seen));
    }
}

fn log(client: &mut Client) -> Vec<Logged> {
    let mut log: Vec<Logged> = Vec::new();
    loop {
        let page = client.get(&format!("/services/stock/events?from={}&limit=1000", log.len()));
        for event in page["events"].as_array().unwrap() {
            assert_eq!(event["position"], log.len());
            let tags = event["tags"].as_array().unwrap().iter();
            log.push(Logged {
                id: event["id"].as_str().unwrap().parse().unwrap(),
                event_type: EventType::new(event["type"].as_str().unwrap()),
                tags: tags.map(|tag| tag.as_str().unwrap().parse().unwrap()).collect(),
            });
        }
        if page["finished"] == true {
            return log;
        }
    }
}

#[test]
fn many_clients_of_a_node_are_told_one_history() {
    let data = tempfile::tempdir().unwrap();
    // Nobody answers there, and nobody is asked: there are no orders.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let provider = format!("http://{}", nobody.local_addr().unwrap());
    let node = Node::start(data.path(), &["--quiet", "--rate", "0", "--provider", &provider]);
    let (began, next) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let (seed, done) = (Seed::new(1), AtomicU64::new(0));
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut customer = Customer {
                client: Client::new(&node.url),
                seed: seed.split(),
                began,
                next: next.clone(),
                seen: vec![None; ARTICLES as usize],
                end: 0,
                before: None,
                operations: Vec::new(),
            };
            let (done, all) = (&done, &all);
            scope.spawn(move || {
                while done.fetch_add(1, Ordering::Relaxed) < OPERATIONS {
                    customer.step();
                }
                all.lock().unwrap().append(&mut customer.operations);
            });
        }
    });
    let log = log(&mut Client::new(&node.url));
    let counts = judge(&log, &all.into_inner().unwrap()).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!(
        "{CLIENTS} clients in {:.1} s: {counts:?}",
        began.elapsed().as_secs_f32()
    );
    let each = [counts.conditional, counts.refused, counts.repeated, counts.reads];
    assert!(each.iter().all(|count| *count >= OPERATIONS / 100), "{counts:?}");
}
