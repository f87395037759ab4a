//! A town: every service of the order system a process of its own, over a real broker, and a payment provider inside
//! the test. What happens in it is looked at over HTTP, from outside.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The services, in the order in which they are started.
pub(crate) const PARTS: [&str; 5] = ["recorder", "shipping", "stock", "payments", "orders"];
/// Until everything has come to its end.
pub(crate) const REST: Duration = Duration::from_secs(150);

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

/// The services that run, and what they need.
pub(crate) struct Town {
    folder: PathBuf,
    /// The address of the broker, with a namespace of the town's own.
    pub(crate) broker: String,
    provider: String,
    running: BTreeMap<&'static str, Process>,
}

impl Town {
    /// A town in which nothing runs yet; over the broker that the environment names.
    pub(crate) fn new(server: &str, name: &str, folder: &Path, provider: String) -> Self {
        let variable = format!("ANNALS_{}_URL", server.to_uppercase());
        let url = std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} names no server"));
        Self {
            folder: folder.to_owned(),
            broker: format!("{url}?namespace={name}-{}-{server}", std::process::id()),
            provider,
            running: BTreeMap::new(),
        }
    }

    /// Starts every service, and fills the warehouse.
    pub(crate) fn open(&mut self) {
        PARTS.iter().for_each(|part| self.start(part));
        let delivery = json!({ "delivery": "d1", "pieces": [{ "sku": "cup", "quantity": 1_000_000 }] });
        self.insist("stock", "stock.receive", "d1", &delivery);
    }

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

    pub(crate) fn kill(&mut self, part: &'static str) {
        drop(self.running.remove(part));
        self.start(part);
    }

    pub(crate) fn ask(
        &self,
        part: &str,
        method: &str,
        path: &str,
        key: &str,
        body: &str,
    ) -> Option<(u16, Value)> {
        request(&self.running[part].address, method, path, key, body)
    }

    /// What the payment provider has in its ledger.
    pub(crate) fn provider_report(&self) -> Value {
        let address = self.provider.trim_start_matches("http://");
        request(address, "GET", "/ledger", "", "").unwrap().1
    }

    /// Asks until it is acknowledged.
    pub(crate) fn insist(&self, part: &str, command: &str, key: &str, body: &Value) {
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

    pub(crate) fn order(&self, number: u64) {
        let order = json!({
            "order": format!("o{number}"), "customer": format!("{}", number % 5), "country": "Norway",
            "lines": [{ "sku": "cup", "quantity": 1 + number % 3, "price": "2.50", "goods": true }],
        });
        self.insist("orders", "orders.place", &format!("place-{number}"), &order);
    }

    pub(crate) fn stage(&self, number: u64) -> String {
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
    pub(crate) fn settle(&self, orders: u64) -> Vec<u64> {
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
pub(crate) fn services(verb: &str, server: &str) {
    let xtask = std::env::var("ANNALS_XTASK").expect("ANNALS_XTASK is the project's own command");
    let done = Command::new(xtask)
        .args(["services", verb, server])
        .status()
        .unwrap();
    assert!(done.success(), "services {verb} {server}");
}
