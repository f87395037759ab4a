//! The payment provider as a program, killed in the middle of its work and started again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ordering::money::Money;
use ordering::provider::{ChargeOutcome, ChargeRequest, ChargeStatus, Client, Report};

const SOON: Duration = Duration::from_secs(20);
const ASKERS: u64 = 32;
const ROUNDS: u64 = 4;

struct Program {
    child: Child,
    address: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(folder: &Path) -> Program {
    let mut child = Command::new(env!("CARGO_BIN_EXE_payment-provider"))
        .args([
            "--port",
            "0",
            "--decline",
            "0.2",
            "--late",
            "0.02",
            "--late-ms",
            "200",
            "--data",
        ])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output is ours");
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("a line of text");
    let address = line
        .trim()
        .strip_prefix("listening on ")
        .expect("its address")
        .to_owned();
    Program { child, address }
}

fn request(n: u64) -> ChargeRequest {
    ChargeRequest {
        key: format!("charge-{n}"),
        order: format!("{}", n / 2),
        amount: format!("{}.{:02}", n % 90 + 1, n % 100)
            .parse()
            .expect("an amount"),
    }
}

/// Charges one key after another until the program is gone, and tells what was answered.
async fn ask(client: Client, next: Arc<AtomicU64>) -> Vec<(u64, ChargeOutcome)> {
    let mut answers = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let outcome = client
            .charge(&request(n), SOON)
            .await
            .expect("a request that can be");
        let lost = matches!(outcome, ChargeOutcome::Unknown { .. });
        answers.push((n, outcome));
        if lost {
            return answers;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_is_missing_and_no_key_is_charged_twice_after_kills() {
    let folder = tempfile::tempdir().unwrap();
    let next = Arc::new(AtomicU64::new(0));
    let mut answered: HashMap<u64, ChargeOutcome> = HashMap::new();
    let mut unknown = Vec::new();
    for round in 0..ROUNDS {
        let mut program = start(folder.path());
        let client = Client::new(&program.address, 64).unwrap();
        check(&client.ledger(SOON).await.unwrap(), &answered);
        for n in std::mem::take(&mut unknown) {
            let outcome = client.charge(&request(n), SOON).await.unwrap();
            assert!(!matches!(outcome, ChargeOutcome::Unknown { .. }), "{outcome:?}");
            answered.insert(n, outcome);
        }
        let begun_at = next.load(Ordering::Relaxed);
        let mut askers = tokio::task::JoinSet::new();
        for _ in 0..ASKERS {
            askers.spawn(ask(client.clone(), Arc::clone(&next)));
        }
        wait_for(&next, begun_at + 300 * (round + 1)).await;
        program.child.kill().unwrap();
        for (n, outcome) in askers.join_all().await.into_iter().flatten() {
            match outcome {
                ChargeOutcome::Unknown { .. } => unknown.push(n),
                known => assert_eq!(answered.insert(n, known), None),
            }
        }
        assert!(
            !unknown.is_empty(),
            "the program was killed in the middle of its work"
        );
    }
    let program = start(folder.path());
    let client = Client::new(&program.address, 64).unwrap();
    for n in unknown {
        answered.insert(n, client.charge(&request(n), SOON).await.unwrap());
    }
    // Asked again, every key has the answer it had before it was killed.
    for (n, outcome) in &answered {
        assert_eq!(&client.charge(&request(*n), SOON).await.unwrap(), outcome);
    }
    let report = client.ledger(SOON).await.unwrap();
    check(&report, &answered);
    assert_eq!(
        report.totals.entries,
        answered.len() as u64,
        "nothing but what was asked"
    );
    println!("{} charges answered over {ROUNDS} kills", answered.len());
}

async fn wait_for(next: &AtomicU64, count: u64) {
    let begun = Instant::now();
    while next.load(Ordering::Relaxed) < count {
        assert!(begun.elapsed() < SOON, "too few charges are answered");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Every answer is in the ledger as it was given, every key once, and the totals are those of the charges.
fn check(report: &Report, answered: &HashMap<u64, ChargeOutcome>) {
    let mut charges = HashMap::new();
    let mut captured = Money::ZERO;
    for charge in report.orders.iter().flat_map(|account| &account.charges) {
        if charge.status == ChargeStatus::Captured {
            captured = captured.checked_add(charge.amount).expect("a small sum");
        }
        assert!(
            charges.insert(charge.key.as_str(), charge).is_none(),
            "{} is there twice",
            charge.key
        );
    }
    assert_eq!(report.totals.captured_amount, captured);
    assert_eq!(report.totals.entries, charges.len() as u64);
    for (n, outcome) in answered {
        let asked = request(*n);
        let kept = charges
            .get(asked.key.as_str())
            .unwrap_or_else(|| panic!("{} is missing", asked.key));
        assert_eq!((&kept.order, kept.amount), (&asked.order, asked.amount));
        let expected = match outcome {
            ChargeOutcome::Captured => None,
            ChargeOutcome::Declined { reason } => Some(*reason),
            ChargeOutcome::Unknown { doubt } => panic!("{doubt}"),
        };
        assert_eq!(kept.reason, expected);
    }
}
