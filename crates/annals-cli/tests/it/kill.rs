//! The order system killed in the middle of its work, again and again, and its payment provider too.
//!
//! Sixteen customers order without a pause and write down what was acknowledged. Whatever is killed and whenever, in
//! the end every acknowledged order exists, is shipped or cancelled, and was charged accordingly and once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use annals_testkit::seed::Seed;
use serde_json::{Value, json};

use crate::outside::books::{self, Asked};
use crate::outside::http::Client;
use crate::outside::provider::Provider;
use crate::outside::{logs, money, rest};
use crate::run::{Node, annals_on};

const CUSTOMERS: u64 = 16;
/// Between two orders of one customer: what is done keeps up with what is asked for.
const PAUSE: Duration = Duration::from_millis(30);
/// A payment without an answer may take as long as an order's patience, and the queue behind it once more.
const REST: Duration = Duration::from_secs(75);
const ARTICLES: [&str; 6] = ["cup", "pot", "scale", "kettle", "tin", "rare"];
/// Of all articles but the rare one.
const PLENTY: u32 = 10_000_000;
const RARE: u32 = 1_500;
/// Declined, later than the patience of a call, carried out after a while, carried out and never answered.
const MOODS: [&str; 14] = [
    "--decline",
    "0.08",
    "--late",
    "0.02",
    "--late-ms",
    "3500",
    "--slow",
    "0.05",
    "--slow-ms",
    "400",
    "--silent",
    "0.01",
    "--silent-ms",
    "5000",
];

/// Why a lock is never poisoned.
const HELD: &str = "nobody panics while he holds it";

/// What the customers share.
struct Street {
    /// Where the shop is; another place after a restart.
    shop: RwLock<String>,
    next: AtomicU64,
    closed: AtomicBool,
    /// Orders that were acknowledged.
    told: Mutex<BTreeMap<String, Asked>>,
    /// Answers that never came.
    unknown: AtomicU64,
    /// Orders that were acknowledged as placed before.
    repeated: AtomicU64,
    cancelled: AtomicU64,
}

impl Street {
    fn new(shop: &str) -> Self {
        Self {
            shop: RwLock::new(shop.to_owned()),
            next: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            told: Mutex::default(),
            unknown: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
        }
    }

    fn moved(&self, shop: &str) {
        shop.clone_into(&mut self.shop.write().expect(HELD));
    }

    fn told(&self) -> usize {
        self.told.lock().expect(HELD).len()
    }

    /// Asks until there is an answer, wherever the shop is by then.
    fn ask(&self, client: &mut Option<(String, Client)>, path: &str, key: &str, body: &str) -> (u16, Value) {
        loop {
            let shop = self.shop.read().expect(HELD).clone();
            if client.as_ref().is_none_or(|(of, _)| *of != shop) {
                *client = Some((shop.clone(), Client::new(&shop)));
            }
            let (_, asked) = client.as_mut().expect("it was just made");
            match asked.ask("POST", path, &[("idempotency-key", key)], body) {
                Ok(answer) if answer.status < 500 => return (answer.status, answer.json()),
                _ => {
                    self.unknown.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(30));
                }
            }
        }
    }

    /// A customer: orders, sometimes the same again, sometimes changes his mind.
    fn customer(&self) {
        let mut client = None;
        while !self.closed.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let (id, body, asked) = order(number);
            let key = format!("place-{id}");
            let times = if number.is_multiple_of(10) { 2 } else { 1 };
            for _ in 0..times {
                let (status, answer) = self.ask(&mut client, "/orders", &key, &body);
                assert!(matches!(status, 200 | 201), "{status}: {answer}");
                assert_eq!(answer["order"], id.as_str());
                self.repeated
                    .fetch_add(u64::from(status == 200), Ordering::Relaxed);
                self.told.lock().expect(HELD).insert(id.clone(), asked.clone());
            }
            if number.is_multiple_of(12) {
                // At another moment of its fulfilment each time.
                std::thread::sleep(Duration::from_millis(number % 11 * 4));
                let path = format!("/orders/{id}/cancel");
                let (status, answer) = self.ask(&mut client, &path, &format!("cancel-{id}"), "");
                assert!(
                    status == 200 || status == 409 && answer["code"] == "already_shipped",
                    "{status}: {answer}"
                );
                self.cancelled
                    .fetch_add(u64::from(status == 200), Ordering::Relaxed);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The order of this number: always the same.
fn order(number: u64) -> (String, String, Asked) {
    let seed = Seed::new(number);
    let id = format!("k{number}");
    let mut asked = Asked::default();
    let mut line = || {
        // The rare article is wanted rarely.
        let article = ARTICLES[seed.below(16).min(seed.below(6)) as usize];
        let (quantity, price) = (1 + seed.below(4) as i64, 10 + i128::from(seed.below(50_000)));
        asked.amount += i128::from(quantity) * price;
        *asked.pieces.entry(article.to_owned()).or_default() += quantity;
        json!({ "sku": article, "quantity": quantity, "price": money::text(price) })
    };
    let lines: Vec<Value> = (0..=number % 3).map(|_| line()).collect();
    let customer = (!number.is_multiple_of(5)).then(|| (number % 50).to_string());
    let body = json!({ "order": id, "customer": customer, "country": "Norway", "lines": lines });
    (id, body.to_string(), asked)
}

/// Fills the warehouse; how many pieces of each article.
fn fill(shop: &str) -> BTreeMap<String, i64> {
    let quantity = |article: &str| if article == "rare" { RARE } else { PLENTY };
    let pieces: Vec<Value> = ARTICLES
        .iter()
        .map(|sku| json!({ "sku": sku, "quantity": quantity(sku) }))
        .collect();
    let body = json!({ "delivery": "d1", "pieces": pieces }).to_string();
    let path = "/services/stock/commands/stock.receive";
    let answer = Client::new(shop).ask("POST", path, &[("idempotency-key", "d1")], &body);
    let answer = answer.expect("it answers");
    assert!(answer.status < 300, "{}", String::from_utf8_lossy(&answer.body));
    ARTICLES
        .iter()
        .map(|sku| ((*sku).to_owned(), i64::from(quantity(sku))))
        .collect()
}

fn start(data: &Path, provider: &Provider) -> Node {
    Node::start(data, &["--quiet", "--rate", "0", "--provider", &provider.url])
}

/// Everything is looked at from outside, while the system runs and after it was killed once more.
fn check(data: &Path, node: Node, provider: &Provider, street: &Street, received: &BTreeMap<String, i64>) {
    let mut shop = Client::new(&node.url);
    let took = rest::of(&mut shop, REST);
    let told = street.told.lock().expect(HELD).clone();
    assert_eq!(
        told.len() as u64,
        street.next.load(Ordering::Relaxed),
        "every order has an answer"
    );
    let ended = books::check_orders(&mut shop, &provider.ledger(), &told);
    books::check_stock(&mut shop, &ended, received);
    drop(node);
    let held = logs::check(data);
    assert_eq!(
        held.parcels.len() as u64,
        ended.shipped,
        "a parcel for every order that was shipped, and for no other"
    );
    assert_eq!(
        held.types["order.placed"],
        told.len() as u64,
        "what was placed and what was acknowledged"
    );
    annals_on(data, &["verify"]).ended(0);
    println!(
        "{} orders acknowledged, {} answers lost, {} acknowledged again, {} cancelled by their customers",
        told.len(),
        street.unknown.load(Ordering::Relaxed),
        street.repeated.load(Ordering::Relaxed),
        street.cancelled.load(Ordering::Relaxed)
    );
    println!(
        "at rest after {took:.1?}: {} shipped, {} cancelled {:?}; the broker holds {} messages twice, the recorder {} once",
        ended.shipped,
        ended.cancelled(),
        ended.cancelled,
        held.resent,
        held.recorded
    );
}

fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn wait(seed: &Seed, from: u64, to: u64) {
    std::thread::sleep(Duration::from_millis(from + seed.below(to - from)));
}

/// Closes the street however the story ends, or its customers would wait for ever.
struct Closing<'a>(&'a Street);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Relaxed);
    }
}

#[test]
#[ignore = "long: kills the system 20 times"]
fn killed_in_the_middle_of_its_work_it_owes_nothing() {
    let began = Instant::now();
    let rounds = number_of("ANNALS_KILL_ROUNDS").unwrap_or(20);
    let seed = number_of("ANNALS_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("ANNALS_KILL_SEED={seed} ANNALS_KILL_ROUNDS={rounds}");
    let seed = Seed::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let (data, ledger) = (folder.path().join("data"), folder.path().join("ledger"));
    let mut provider = Provider::start(&ledger, &MOODS);
    let node = start(&data, &provider);
    let received = fill(&node.url);
    let street = Street::new(&node.url);
    let node = std::thread::scope(|scope| {
        let mut node = node;
        let closing = Closing(&street);
        for _ in 0..CUSTOMERS {
            scope.spawn(|| street.customer());
        }
        for round in 0..rounds {
            let before = street.told();
            wait(&seed, 20, 1_800);
            // The provider not too often: a payment that meets too many outages is parked, as it should be.
            if round % 4 == 3 {
                provider.kill();
                wait(&seed, 0, 300);
                drop(node);
                provider.restart();
            } else {
                drop(node);
            }
            println!(
                "round {round}: killed after {} more orders",
                street.told() - before
            );
            wait(&seed, 0, 200);
            node = start(&data, &provider);
            street.moved(&node.url);
        }
        wait(&seed, 500, 1_000);
        drop(closing);
        node
    });
    check(&data, node, &provider, &street, &received);
    println!("{rounds} kills in {:.1?}", began.elapsed());
}

#[test]
#[ignore = "long: kills the payment provider 8 times"]
fn when_only_the_provider_is_killed_nobody_pays_twice() {
    let seed = number_of("ANNALS_KILL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("ANNALS_KILL_SEED={seed}");
    let seed = Seed::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let (data, ledger) = (folder.path().join("data"), folder.path().join("ledger"));
    let mut provider = Provider::start(&ledger, &MOODS);
    let node = start(&data, &provider);
    let received = fill(&node.url);
    let street = Street::new(&node.url);
    std::thread::scope(|scope| {
        let closing = Closing(&street);
        for _ in 0..CUSTOMERS {
            scope.spawn(|| street.customer());
        }
        for _ in 0..8 {
            // Not too often: a payment that meets too many outages is parked, as it should be.
            wait(&seed, 1_200, 3_000);
            provider.kill();
            wait(&seed, 0, 300);
            provider.restart();
        }
        wait(&seed, 500, 1_000);
        drop(closing);
    });
    check(&data, node, &provider, &street, &received);
}
