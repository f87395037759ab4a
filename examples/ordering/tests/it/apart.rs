//! Every service a process of its own, over a real broker: orders go on while one after the other is killed, and the
//! broker too. In the end every acknowledged order is shipped and was charged once, or is cancelled, because payment was
//! out of reach for longer than its patience, and was paid back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ordering::money::Money;
use ordering::provider::{Config, Provider, serve};
use serde_json::{Value, json};

const PARTS: [&str; 5] = ["recorder", "shipping", "stock", "payments", "orders"];
/// Until every order has come to its end after the last kill.
const REST: Duration = Duration::from_secs(150);
const ORDERS_PER_ROUND: u64 = 12;

struct Process {
    child: Child,
    address: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        // Killed: nothing of it may depend on an end in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Town {
    folder: PathBuf,
    broker: String,
    provider: String,
    running: BTreeMap<&'static str, Process>,
}

impl Town {
    fn start(&mut self, part: &'static str) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ordering"))
            .args([
                part,
                "--broker",
                &self.broker,
                "--provider",
                &self.provider,
                "--data",
            ])
            .arg(self.folder.join(part))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let (_, address) = line
            .trim()
            .split_once("http://")
            .unwrap_or_else(|| panic!("{part}: {line:?}"));
        let address = address.to_owned();
        self.running.insert(part, Process { child, address });
    }

    fn kill(&mut self, part: &'static str) {
        drop(self.running.remove(part));
        self.start(part);
    }

    fn ask(&self, part: &str, method: &str, path: &str, key: &str, body: &str) -> Option<(u16, Value)> {
        request(&self.running[part].address, method, path, key, body)
    }

    /// What the provider kept is what was shipped; a late compensation may still be on its way.
    fn check_books(&self, shipped: &[u64]) {
        let hundredths: u64 = shipped.iter().map(|number| (1 + number % 3) * 250).sum();
        let expected: Money = format!("{}.{:02}", hundredths / 100, hundredths % 100)
            .parse()
            .unwrap();
        let began = Instant::now();
        loop {
            let totals = self.provider_report()["totals"].clone();
            let count = |name: &str| totals[name].as_u64().unwrap();
            let amount = |name: &str| serde_json::from_value::<Money>(totals[name].clone()).unwrap();
            let kept = amount("refunded_amount").checked_add(expected);
            if count("captured") == count("refunded") + shipped.len() as u64
                && kept == Some(amount("captured_amount"))
            {
                return;
            }
            assert!(began.elapsed() < REST, "{totals}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// What the payment provider has in its ledger.
    fn provider_report(&self) -> Value {
        let address = self.provider.trim_start_matches("http://");
        request(address, "GET", "/ledger", "", "").unwrap().1
    }

    /// Asks until it is acknowledged.
    fn insist(&self, part: &str, command: &str, key: &str, body: &Value) {
        let path = format!("/services/{part}/commands/{command}");
        let began = Instant::now();
        loop {
            match self.ask(part, "POST", &path, key, &body.to_string()) {
                Some((status, _)) if (200..300).contains(&status) => return,
                Some((status, answer)) if status < 500 => panic!("{command}: {status} {answer}"),
                _ => assert!(began.elapsed() < REST, "{command} is not taken"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn order(&self, number: u64) {
        let order = json!({
            "order": format!("o{number}"), "customer": format!("{}", number % 5), "country": "Norway",
            "lines": [{ "sku": "cup", "quantity": 1 + number % 3, "price": "2.50", "goods": true }],
        });
        self.insist("orders", "orders.place", &format!("place-{number}"), &order);
    }

    fn stage(&self, number: u64) -> String {
        let found = self.ask(
            "orders",
            "GET",
            &format!("/services/orders/entities/order:o{number}"),
            "",
            "",
        );
        let Some((200, body)) = found else {
            return format!("{found:?}");
        };
        let text = body.to_string();
        let stages = ["shipped", "cancelled", "allotted", "paid", "placed"];
        let stage = stages
            .iter()
            .find(|stage| text.contains(&format!("\"stage\":\"{stage}\"")));
        stage.map_or(text.clone(), |stage| (*stage).to_owned())
    }

    /// Waits until every order has come to its end, and answers how many were shipped.
    fn settle(&self, orders: u64) -> Vec<u64> {
        let began = Instant::now();
        loop {
            let stages: Vec<(u64, String)> = (0..orders).map(|number| (number, self.stage(number))).collect();
            let (ended, open): (Vec<_>, Vec<_>) = stages
                .into_iter()
                .partition(|(_, stage)| stage == "shipped" || stage == "cancelled");
            if open.is_empty() {
                println!("settled after {:.1} s", began.elapsed().as_secs_f64());
                let shipped = ended.into_iter().filter(|(_, stage)| stage == "shipped");
                return shipped.map(|(number, _)| number).collect();
            }
            if began.elapsed() > REST {
                for part in PARTS {
                    println!("{part}: {:?}", self.ask(part, "GET", "/status", "", ""));
                    println!("{part}: {:?}", self.ask(part, "GET", "/readyz", "", ""));
                }
                panic!(
                    "{} of {orders} orders are open: {:?}",
                    open.len(),
                    &open[..open.len().min(5)]
                );
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// One request on a connection of its own; nothing when nobody knows what happened.
fn request(address: &str, method: &str, path: &str, key: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let key = match key {
        "" => String::new(),
        key => format!("idempotency-key: {key}\r\n"),
    };
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nhost: {address}\r\nconnection: close\r\n{key}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// A verb of the project's own command for servers.
fn services(verb: &str, server: &str) {
    let xtask = std::env::var("ANNALS_XTASK").expect("ANNALS_XTASK is the project's own command");
    let done = Command::new(xtask)
        .args(["services", verb, server])
        .status()
        .unwrap();
    assert!(done.success(), "services {verb} {server}");
}

async fn provider(folder: &Path) -> Provider {
    serve(Config::new(folder.join("provider"))).await.unwrap()
}

fn survives(server: &str) {
    let variable = format!("ANNALS_{}_URL", server.to_uppercase());
    let url = std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} names no server"));
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let provider = runtime.block_on(provider(folder.path()));
    let mut town = Town {
        folder: folder.path().to_owned(),
        broker: format!("{url}?namespace=apart-{}-{}", std::process::id(), server),
        provider: format!("http://{}", provider.address()),
        running: BTreeMap::new(),
    };
    PARTS.iter().for_each(|part| town.start(part));
    let delivery = json!({ "delivery": "d1", "pieces": [{ "sku": "cup", "quantity": 1_000_000 }] });
    town.insist("stock", "stock.receive", "d1", &delivery);
    let mut orders = 0;
    let mut place = |town: &Town| {
        (orders..orders + ORDERS_PER_ROUND).for_each(|number| town.order(number));
        orders += ORDERS_PER_ROUND;
    };
    place(&town);
    for part in PARTS {
        town.kill(part);
        place(&town);
    }
    services("kill", server);
    place(&town);
    services("up", server);
    place(&town);
    let placed = ORDERS_PER_ROUND * (PARTS.len() as u64 + 3);
    let shipped = town.settle(placed);
    assert!(shipped.len() as u64 > placed / 2, "{shipped:?}");
    town.check_books(&shipped);
    drop(town);
    runtime.block_on(provider.stop());
}

#[test]
#[ignore = "broker: rabbitmq: kills it and every service"]
fn rabbitmq_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("rabbitmq");
}

#[test]
#[ignore = "broker: kafka: kills it and every service"]
fn kafka_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("kafka");
}

#[test]
#[ignore = "broker: activemq: kills it and every service"]
fn activemq_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("activemq");
}

#[test]
#[ignore = "broker: artemis: kills it and every service"]
fn artemis_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("artemis");
}

#[test]
#[ignore = "broker: nats: kills it and every service"]
fn nats_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("nats");
}
