//! The real node under load: several clients over HTTP, and readers of its histories.
//!
//! In: the binary `annals` and a data folder. Out: every event it serves after a start, and what clients are told while it
//! works. No client writes anything to the disk that is cut.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    http::Client,
    process::Process,
    witness::{At, Contents, Told, Witness},
};

/// Nobody listens there: payments wait and are asked for again, which is traffic of its own.
const NO_PROVIDER: &str = "http://127.0.0.1:9";
/// Clients that order and clients that bring goods, so many of each.
const CLIENTS: u64 = 6;
/// Events of a page; as many as a node gives.
const PAGE: usize = 1_000;

/// A node that answers.
pub(crate) struct Node {
    process: Process,
    address: SocketAddr,
    names: Vec<String>,
    threads: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts one and does not wait for it.
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) fn spawn(binary: &Path, data: &Path, complaints: &Path) -> Result<Process> {
        let data = data.to_str().context("a folder with a plain name")?;
        let args = [
            "--data",
            data,
            "demo",
            "--port",
            "0",
            "--rate",
            "0",
            "--provider",
            NO_PROVIDER,
        ];
        Process::start(binary, &args, complaints)
    }

    /// Starts one, waits until it answers, and reads everything it has.
    ///
    /// # Errors
    /// It ends or does not serve what it has.
    pub(crate) fn start(binary: &Path, data: &Path, complaints: &Path) -> Result<(Self, Contents)> {
        let mut process = Self::spawn(binary, data, complaints)?;
        let lines = process.lines.as_mut().context("it was started with a pipe")?;
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| address_in(&line))
            .with_context(|| {
                let said = std::fs::read_to_string(complaints).unwrap_or_default();
                format!("the node ended without an address: {}", said.trim())
            })?;
        let mut client = Client::new(address);
        let services = client
            .get("/services")?
            .context("the node does not say what it has")?;
        let mut contents = Contents::new();
        for name in names(&services) {
            let mut ids = Vec::new();
            while page(&mut client, &name, &mut ids)? > 0 {}
            contents.insert(name, ids);
        }
        let node = Self {
            process,
            address,
            names: contents.keys().cloned().collect(),
            threads: Vec::new(),
        };
        Ok((node, contents))
    }

    /// Lets clients and readers work until the witness says that the cut has begun.
    pub(crate) fn work(&mut self, contents: &Contents, witness: &Arc<Witness>, next: &Arc<AtomicU64>) {
        for number in 0..CLIENTS * 2 {
            let (address, witness, next) = (self.address, witness.clone(), next.clone());
            self.threads.push(thread::spawn(move || {
                while !witness.is_cut() {
                    let number = next.fetch_add(1, Ordering::Relaxed) * 2 + number % 2;
                    // An error is an outcome that nobody knows; the next order is another.
                    let _unknown = ask(address, &witness, number);
                }
            }));
        }
        for name in &self.names {
            let (address, witness, name) = (self.address, witness.clone(), name.clone());
            let mut ids = vec![String::new(); contents.get(&name).map_or(0, Vec::len)];
            self.threads.push(thread::spawn(move || {
                let mut client = Client::new(address);
                while !witness.is_cut() {
                    let before = ids.len();
                    if page(&mut client, &name, &mut ids).is_err() {
                        return;
                    }
                    if let Some(new) = ids.get(before..).filter(|new| !new.is_empty()) {
                        let (log, at) = (name.clone(), At::First(before as u64));
                        let ids = new.to_vec();
                        witness.shown(Told { log, at, ids });
                    }
                    thread::sleep(Duration::from_millis(10));
                }
            }));
        }
    }

    /// Kills it, and waits for everybody who asked it.
    pub(crate) fn kill(mut self) {
        self.process.kill();
        for thread in self.threads {
            // One that panicked has told nothing.
            let _ended = thread.join();
        }
    }
}

/// The address in a line of the banner, such as `http://127.0.0.1:4000/sales`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://")?;
    let is_of_address = |c: char| c.is_ascii_digit() || matches!(c, '.' | ':');
    let end = rest.find(|c| !is_of_address(c)).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Names of everything that has a history.
fn names(services: &Value) -> Vec<String> {
    let all = services.as_array().into_iter().flatten();
    all.filter_map(|one| one["name"].as_str().map(str::to_owned))
        .collect()
}

/// Reads on from where `ids` end, and answers how many came.
fn page(client: &mut Client, name: &str, ids: &mut Vec<String>) -> Result<usize> {
    let path = format!("/services/{name}/events?from={}&limit={PAGE}", ids.len());
    let page = client
        .get(&path)?
        .with_context(|| format!("{path} is not answered"))?;
    let events = page["events"]
        .as_array()
        .with_context(|| format!("{path} has no events"))?;
    for event in events {
        let (position, id) = (event["position"].as_u64(), event["id"].as_str());
        if position != Some(ids.len() as u64) {
            bail!("{name}: expected position {}, found {position:?}", ids.len());
        }
        ids.push(id.context("an event without an id")?.to_owned());
    }
    Ok(events.len())
}

/// One command; its acknowledgement goes to the witness.
fn ask(address: SocketAddr, witness: &Witness, number: u64) -> Result<()> {
    thread_local! {
        static CLIENT: std::cell::RefCell<Option<Client>> = const { std::cell::RefCell::new(None) };
    }
    let pieces = json!([{ "sku": format!("s{}", number % 50), "quantity": 1 + number % 3 }]);
    let (log, path, body) = if number.is_multiple_of(2) {
        let line = json!({ "sku": "cup", "quantity": 1, "price": "1.00", "goods": true });
        let body = json!({ "order": format!("p{number}"), "customer": null, "country": "Norway", "lines": [line], "placed": null });
        ("orders", "/services/orders/commands/orders.place", body)
    } else {
        let body = json!({ "delivery": format!("d{number}"), "pieces": pieces, "received": null });
        ("stock", "/services/stock/commands/stock.receive", body)
    };
    CLIENT.with_borrow_mut(|client| {
        let client = client.get_or_insert_with(|| Client::new(address));
        let (status, answer) = client.ask("POST", path, &format!("k{number}"), &body.to_string())?;
        if status >= 300 {
            bail!("{status}: {answer}");
        }
        let ids: Vec<String> = answer["events"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect();
        let end = answer["position"].as_u64();
        let at = At::Before(end.context("an answer without a position")?);
        let log = log.to_owned();
        witness.acknowledged(Told { log, at, ids });
        Ok(())
    })
}

/// What `annals verify` finds wrong on the disk; it changes nothing.
///
/// # Errors
/// It cannot be run.
pub(crate) fn verify(binary: &Path, data: &Path) -> Result<Vec<String>> {
    let output = std::process::Command::new(binary)
        .arg("verify")
        .arg(data)
        .args(["-o", "json"])
        .output()
        .context("cannot run `annals verify`")?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Ok(vec![format!("annals verify: {}", said.trim())])
}

/// The binary that was built.
pub(crate) fn binary(folder: &Path) -> PathBuf {
    folder.join("annals")
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn the_address_is_found_in_a_banner() {
        let address = |line| address_in(line).map(|address| address.port());
        assert_eq!(
            address("  curl http://127.0.0.1:4021/sales/countries"),
            Some(4021)
        );
        assert_eq!(address(r#"{"address":"http://127.0.0.1:80"}"#), Some(80));
        assert_eq!(address("no address"), None);
    }
}
