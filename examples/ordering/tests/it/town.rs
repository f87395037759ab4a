//! The order system as a town of processes: five parts, a payment provider, and a broker between them.
//!
//! In: where the broker is. Out: orders that are placed from outside, processes that are killed, stopped and paused, and
//! books that are compared from outside in the end: what orders say, what the provider has in its ledger, what the
//! warehouse has left, and what the recorder has seen.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ordering::money::Money;
use serde_json::{Value, json};
use tempfile::TempDir;

/// In the order in which they start: who hears before who speaks.
pub(crate) const PARTS: [&str; 5] = ["recorder", "shipping", "stock", "payments", "orders"];
/// The payment provider, which is no part of the system.
pub(crate) const PROVIDER: &str = "provider";
/// Until the next order comes to its end: when none does for so long, those that are open are stuck.
pub(crate) const REST: Duration = Duration::from_secs(150);
/// Until every order has come to its end, however many have piled up behind a slow disk.
const REST_OF_ALL: Duration = Duration::from_secs(900);
/// Until everybody is connected and known.
pub(crate) const READY: Duration = Duration::from_secs(60);
/// Of the log of each part, when all is lost.
const LINES_TOLD: usize = 20;
/// Pieces in the warehouse at the beginning.
const SUPPLY: u64 = 1_000_000;

/// The address of a server, as whoever started it says.
pub(crate) fn url_of(server: &str) -> String {
    let variable = format!("ANNALS_{}_URL", server.to_uppercase());
    std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} names no server"))
}

/// A verb of the project's own command for servers.
pub(crate) fn services(verb: &str, server: &str) {
    let xtask = std::env::var("ANNALS_XTASK").expect("ANNALS_XTASK is the project's own command");
    let done = Command::new(xtask)
        .args(["services", verb, server])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success(), "services {verb} {server}");
}

/// The pieces of an order.
fn pieces(number: u64) -> u64 {
    1 + number % 3
}

struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts it and waits until it says where it is.
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let (_, address) = line
            .trim()
            .split_once("http://")
            .unwrap_or_else(|| panic!("{command:?}: {line:?}"));
        let address = address.to_owned();
        Self { child, address }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Killed: nothing of it may depend on an end in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The system in processes. Dropped, all of them are killed.
pub(crate) struct Town {
    folder: TempDir,
    broker: String,
    /// The share of charges that the provider declines.
    decline: f64,
    /// `127.0.0.1:PORT` of each, also of those that are just not there.
    addresses: BTreeMap<&'static str, String>,
    running: BTreeMap<&'static str, Process>,
    /// Deliveries copied by inboxes of processes that are gone, and how many of those were there already.
    counted: (u64, u64),
}

impl Town {
    /// A town in which nothing runs yet, in a namespace of its own. The provider declines that share of charges.
    pub(crate) fn new(name: &str, url: &str, decline: f64) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            broker: format!("{url}?namespace=town-{}-{name}", std::process::id()),
            decline,
            addresses: BTreeMap::new(),
            running: BTreeMap::new(),
            counted: (0, 0),
        }
    }

    /// Starts everything, and fills the warehouse.
    pub(crate) fn open(&mut self) {
        self.start(PROVIDER);
        PARTS.iter().for_each(|part| self.start(part));
        let delivery = json!({ "delivery": "d1", "pieces": [{ "sku": "cup", "quantity": SUPPLY }] });
        self.insist("stock", "stock.receive", "d1", &delivery);
    }

    /// The address of the broker, for whoever else takes part.
    pub(crate) fn broker(&self) -> &str {
        &self.broker
    }

    /// A folder for whoever else takes part.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a process, for the second time at the address of the first.
    pub(crate) fn start(&mut self, part: &'static str) {
        let known = self.addresses.get(part).map(String::as_str);
        let port = known
            .and_then(|address| address.rsplit(':').next())
            .unwrap_or("0");
        let folder = self.folder.path().join(part);
        let mut command;
        if part == PROVIDER {
            command = Command::new(env!("CARGO_BIN_EXE_payment-provider"));
            command.args(["--decline", &self.decline.to_string()]);
        } else {
            command = Command::new(env!("CARGO_BIN_EXE_ordering"));
            let provider = format!("http://{}", self.addresses[PROVIDER]);
            command.args([part, "--broker", &self.broker, "--provider", &provider]);
            command.arg("--clock-error").arg(self.clock_error(part));
            // One part without a copy between it and the broker: what holds is to hold for both kinds.
            if part == "payments" {
                command.arg("--settle-after-handling");
            }
        }
        command.arg("--data").arg(folder).args(["--port", port]);
        let log = File::options().create(true).append(true).open(self.log(part));
        command.stderr(log.unwrap());
        let process = Process::start(command);
        self.addresses.insert(part, process.address.clone());
        self.running.insert(part, process);
    }

    /// What a part said of itself.
    fn log(&self, part: &str) -> PathBuf {
        self.folder.path().join(format!("{part}.log"))
    }

    fn clock_error(&self, part: &str) -> PathBuf {
        self.folder.path().join(format!("{part}.clock"))
    }

    /// Sets the clock of a part wrong by so many seconds.
    pub(crate) fn set_clock(&self, part: &str, seconds: i64) {
        std::fs::write(self.clock_error(part), seconds.to_string()).unwrap();
    }

    /// SIGKILL, and gone.
    pub(crate) fn kill(&mut self, part: &'static str) {
        self.count(part);
        drop(self.running.remove(part));
    }

    /// Asks a process to end, and waits for that.
    pub(crate) fn stop(&mut self, part: &'static str) {
        self.count(part);
        let mut process = self.running.remove(part).unwrap();
        signal(&process.child, if part == PROVIDER { "-INT" } else { "-TERM" });
        let ended = process.child.wait().unwrap();
        assert!(ended.success(), "{part} ended with {ended}");
    }

    /// Stops the clock of a process, or lets it go on.
    pub(crate) fn pause(&self, part: &str, paused: bool) {
        signal(&self.running[part].child, if paused { "-STOP" } else { "-CONT" });
    }

    /// Adds what the inbox of a part has counted.
    fn count(&mut self, part: &str) {
        let of = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        let Some((200, text)) = self.text(part, "/metrics") else {
            return;
        };
        self.counted.0 += of(&text, "annals_inbox_copied_total ");
        self.counted.1 += of(&text, "annals_inbox_duplicates_total ");
    }

    /// How many deliveries the inboxes copied as far as is known, and how many of those they had already.
    pub(crate) fn copied(&mut self) -> (u64, u64) {
        for part in PARTS {
            self.count(part);
        }
        self.counted
    }

    fn text(&self, part: &str, path: &str) -> Option<(u16, String)> {
        request(self.addresses.get(part)?, "GET", path, "", "")
    }

    /// What a part answers, if it answers well.
    pub(crate) fn get(&self, part: &str, path: &str) -> Option<Value> {
        let (status, body) = self.text(part, path)?;
        (status == 200).then(|| serde_json::from_str(&body).unwrap())
    }

    /// Asks until it is acknowledged.
    fn insist(&self, part: &str, command: &str, key: &str, body: &Value) {
        let path = format!("/services/{part}/commands/{command}");
        let began = Instant::now();
        loop {
            match request(&self.addresses[part], "POST", &path, key, &body.to_string()) {
                Some((status, _)) if (200..300).contains(&status) => return,
                Some((status, answer)) if status < 500 => panic!("{command}: {status} {answer}"),
                _ => assert!(began.elapsed() < REST, "{command} is not taken"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Places an order; it is acknowledged when this returns.
    pub(crate) fn order(&self, number: u64) {
        order(&self.addresses["orders"], number);
    }

    /// Where orders are taken, for whoever places them beside.
    pub(crate) fn till(&self) -> String {
        self.addresses["orders"].clone()
    }

    /// Whether each part says that all is well.
    pub(crate) fn is_ready(&self) -> bool {
        let ready = |part: &&str| matches!(self.text(part, "/readyz"), Some((200, _)));
        PARTS.iter().all(ready)
    }

    /// Waits until a part knows that these are there, by their announcements, and no other.
    pub(crate) fn announced(&self, at: &str, expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let began = Instant::now();
        loop {
            let nodes = self.get(at, "/nodes").unwrap_or_default();
            let nodes = nodes.as_array().cloned().unwrap_or_default();
            if nodes
                .iter()
                .filter_map(|node| node["service"].as_str())
                .eq(expected.iter().copied())
            {
                return;
            }
            assert!(
                began.elapsed() < READY,
                "expected {expected:?} at {at}, found {nodes:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn stage(&self, number: u64) -> String {
        let path = format!("/services/orders/entities/order:o{number}");
        let Some((200, body)) = self.text("orders", &path) else {
            return "unknown".to_owned();
        };
        let stages = ["shipped", "cancelled", "allotted", "paid", "placed"];
        let stage = stages
            .iter()
            .find(|stage| body.contains(&format!("\"stage\":\"{stage}\"")));
        stage.map_or(body.clone(), |stage| (*stage).to_owned())
    }

    /// Waits until an order has come to its end.
    pub(crate) fn ended(&self, number: u64) {
        let began = Instant::now();
        while !["shipped", "cancelled"].contains(&self.stage(number).as_str()) && began.elapsed() < REST {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until each of the first so many orders has come to its end, and answers which were shipped.
    pub(crate) fn settle(&self, orders: u64) -> Vec<u64> {
        let began = Instant::now();
        let mut progress = began;
        let mut open: Vec<u64> = (0..orders).collect();
        let mut shipped = Vec::new();
        loop {
            let (before, mut left) = (open.len(), Vec::new());
            for number in open {
                match self.stage(number).as_str() {
                    "shipped" => shipped.push(number),
                    "cancelled" => {}
                    stage => left.push((number, stage.to_owned())),
                }
            }
            if left.is_empty() {
                shipped.sort_unstable();
                return shipped;
            }
            if left.len() < before {
                progress = Instant::now();
            }
            if progress.elapsed() > REST || began.elapsed() > REST_OF_ALL {
                self.tell();
                let (some, since) = (&left[..left.len().min(5)], progress.elapsed());
                panic!(
                    "{} of {orders} orders are open, for {since:.0?}: {some:?}",
                    left.len()
                );
            }
            open = left.into_iter().map(|(number, _)| number).collect();
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// How everything stands, for whoever has to find out why.
    fn tell(&self) {
        for part in PARTS {
            for path in ["/status", "/readyz", &format!("/services/{part}/parked")] {
                println!("{part}{path}: {:?}", self.text(part, path));
            }
            let log = std::fs::read_to_string(self.log(part)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(LINES_TOLD)..].join("\n"));
        }
    }

    /// Waits until all books agree; what makes up for a cancelled order may still be on its way.
    pub(crate) fn check_books(&self, orders: u64, shipped: &[u64]) {
        let began = Instant::now();
        while let Err(why) = self.books(orders, shipped) {
            if began.elapsed() > REST {
                self.tell();
                panic!("{why}");
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// What is wrong with the books.
    fn books(&self, orders: u64, shipped: &[u64]) -> Result<(), String> {
        let sold: u64 = shipped.iter().map(|number| pieces(*number)).sum();
        let totals = self.get(PROVIDER, "/ledger").ok_or("no ledger")?["totals"].clone();
        let count = |name: &str| totals[name].as_u64().unwrap();
        let amount = |name: &str| serde_json::from_value::<Money>(totals[name].clone()).unwrap();
        let revenue: Money = format!("{}.{:02}", sold * 250 / 100, sold * 250 % 100)
            .parse()
            .unwrap();
        let kept = amount("refunded_amount").checked_add(revenue);
        if count("captured") != count("refunded") + shipped.len() as u64
            || kept != Some(amount("captured_amount"))
        {
            return Err(format!(
                "{} were shipped for {revenue}, the provider has {totals}",
                shipped.len()
            ));
        }
        let left = self
            .get("stock", "/services/stock/entities/sku:cup")
            .ok_or("no stock")?;
        if !left.to_string().contains(&format!("\"left\":{}", SUPPLY - sold)) {
            return Err(format!(
                "{sold} of {SUPPLY} pieces were shipped, the warehouse says {left}"
            ));
        }
        self.recorded("order.placed", orders)?;
        self.recorded("parcel.shipped", shipped.len() as u64)
    }

    /// Whether the recorder has that many events of a type, which are messages of other services.
    fn recorded(&self, event_type: &str, expected: u64) -> Result<(), String> {
        let status = self.get("recorder", "/status").ok_or("no recorder")?;
        let types = status["services"][0]["types"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let found = types.iter().find(|count| count["type"] == event_type);
        let found = found.and_then(|count| count["events"].as_u64()).unwrap_or(0);
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "expected {expected} of {event_type} at the recorder, found {found}"
        ))
    }
}

/// Places an order at an address; it is acknowledged when this returns.
pub(crate) fn order(till: &str, number: u64) {
    let body = json!({
        "order": format!("o{number}"), "customer": format!("{}", number % 5), "country": "Norway",
        "lines": [{ "sku": "cup", "quantity": pieces(number), "price": "2.50", "goods": true }],
    });
    let (key, body) = (format!("place-{number}"), body.to_string());
    let began = Instant::now();
    loop {
        match request(
            till,
            "POST",
            "/services/orders/commands/orders.place",
            &key,
            &body,
        ) {
            Some((status, _)) if (200..300).contains(&status) => return,
            Some((status, answer)) if status < 500 => panic!("order {number}: {status} {answer}"),
            _ => assert!(began.elapsed() < REST, "order {number} is not taken"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success(), "kill {signal}");
}

/// One request on a connection of its own; nothing when nobody knows what happened.
fn request(address: &str, method: &str, path: &str, key: &str, body: &str) -> Option<(u16, String)> {
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
    Some((status, body.to_owned()))
}
