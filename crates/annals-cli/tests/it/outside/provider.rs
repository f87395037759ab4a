//! The payment provider as a process of its own, and its ledger.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;

use super::http::Client;
use super::money;
use crate::run::command;

/// A running provider; killed when dropped.
pub(crate) struct Provider {
    child: Child,
    data: PathBuf,
    moods: Vec<String>,
    /// `http://127.0.0.1:PORT`; the same after a restart.
    pub(crate) url: String,
}

impl Provider {
    /// Starts one on a ledger, with options that say how it misbehaves.
    pub(crate) fn start(data: &Path, moods: &[&str]) -> Self {
        let moods: Vec<String> = moods.iter().map(|mood| (*mood).to_owned()).collect();
        let (child, url) = spawn(data, "0", &moods);
        Self {
            child,
            data: data.to_owned(),
            moods,
            url,
        }
    }

    /// Ends it where it stands.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Starts it again after a kill, at the same address.
    pub(crate) fn restart(&mut self) {
        let port = self.url.rsplit(':').next().expect("an address ends in a port");
        let (child, url) = spawn(&self.data, port, &self.moods);
        assert_eq!(url, self.url);
        self.child = child;
    }

    /// Its whole ledger.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::of(&Client::new(&self.url).get("/ledger"))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have been killed before; it must not outlive the test.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn spawn(data: &Path, port: &str, moods: &[String]) -> (Child, String) {
    let mut program = command(&["provider", "--port", port]);
    program
        .args(moods)
        .env("ANNALS_DATA", data)
        .stdout(Stdio::piped());
    let mut child = program.spawn().expect("the binary can be run");
    let mut line = String::new();
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("it says a line");
    let url = line
        .trim()
        .strip_prefix("listening on ")
        .expect("it says where it listens");
    let url = url.to_owned();
    (child, url)
}

/// What one order was charged and given back, in thousandths.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// Charges asked for under any key.
    pub(crate) charges: usize,
    /// Charges that were captured.
    pub(crate) captures: usize,
    pub(crate) captured: i128,
    pub(crate) refunded: i128,
}

/// Every order's account, as the provider keeps it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) captured: i128,
    pub(crate) refunded: i128,
    pub(crate) declined: u64,
}

impl Ledger {
    #[track_caller]
    fn of(report: &Value) -> Self {
        let mut ledger = Self {
            captured: money::of(&report["totals"]["captured_amount"]),
            refunded: money::of(&report["totals"]["refunded_amount"]),
            declined: report["totals"]["declined"].as_u64().expect("a count"),
            ..Self::default()
        };
        for order in report["orders"].as_array().expect("a list of orders") {
            let name = order["order"].as_str().expect("a name").to_owned();
            let before = ledger.accounts.insert(name, account(order));
            assert_eq!(before, None, "the order has one account: {order}");
        }
        let sums = ledger.accounts.values().fold((0, 0), |sums, account| {
            (sums.0 + account.captured, sums.1 + account.refunded)
        });
        assert_eq!(
            sums,
            (ledger.captured, ledger.refunded),
            "the ledger adds up by itself"
        );
        ledger
    }
}

fn account(order: &Value) -> Account {
    let charges = order["charges"].as_array().expect("a list of charges");
    let captured: Vec<&Value> = charges
        .iter()
        .filter(|charge| charge["status"] == "captured")
        .collect();
    let refunds = order["refunds"].as_array().expect("a list of refunds");
    Account {
        charges: charges.len(),
        captures: captured.len(),
        captured: captured.iter().map(|charge| money::of(&charge["amount"])).sum(),
        refunded: refunds.iter().map(|refund| money::of(&refund["amount"])).sum(),
    }
}
