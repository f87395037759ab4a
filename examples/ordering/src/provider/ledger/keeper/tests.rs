use std::io;
use std::sync::mpsc;
use std::time::Duration;

use super::super::super::protocol::{ChargeRequest, RefundRequest};
use super::super::book::Book;
use super::{Ledger, LedgerError};
use crate::money::Money;

fn charge(key: &str) -> ChargeRequest {
    ChargeRequest {
        key: key.to_owned(),
        order: "1".to_owned(),
        amount: Money::from(10),
    }
}

/// A ledger whose writes are reported and then take until their result is given.
fn held() -> (Ledger, mpsc::Receiver<usize>, mpsc::Sender<io::Result<()>>) {
    let (written, writes) = mpsc::channel();
    let (results, result) = mpsc::channel::<io::Result<()>>();
    let append = move |lines: &[u8]| {
        written
            .send(lines.iter().filter(|byte| **byte == b'\n').count())
            .expect("the test listens");
        result.recv().expect("the test decides")
    };
    let (ledger, _thread) = Ledger::start(Book::new(1_000), append).expect("a thread");
    (ledger, writes, results)
}

#[tokio::test]
async fn no_answer_and_no_look_into_the_ledger_before_the_flush() {
    let (ledger, writes, results) = held();
    let asker = ledger.clone();
    let mut first = tokio::spawn(async move { asker.charge(charge("a"), false).await });
    let lines = tokio::task::spawn_blocking(move || (writes.recv(), writes))
        .await
        .unwrap();
    assert_eq!(lines.0, Ok(1));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), &mut first)
            .await
            .is_err(),
        "not flushed yet"
    );
    assert_eq!((ledger.totals().entries, ledger.account("1")), (0, None));

    // What comes during the flush waits for the next one, together; an old key adds no line.
    let askers: Vec<_> = ["b", "c", "a", "b"]
        .map(|key| (ledger.clone(), charge(key)))
        .map(|(ledger, request)| tokio::spawn(async move { ledger.charge(request, false).await }))
        .into();
    while ledger.queue.capacity() > ledger.queue.max_capacity() - askers.len() {
        tokio::task::yield_now().await;
    }
    results.send(Ok(())).unwrap();
    assert!(first.await.unwrap().unwrap().first);
    assert_eq!(
        lines.1.recv_timeout(Duration::from_secs(20)),
        Ok(2),
        "one flush for all that waited"
    );
    assert_eq!(ledger.totals().entries, 1);
    results.send(Ok(())).unwrap();
    let mut firsts = Vec::new();
    for asker in askers {
        firsts.push(asker.await.unwrap().unwrap().first);
    }
    assert_eq!(firsts, [true, true, false, false]);
    assert_eq!(ledger.totals().entries, 3);
}

#[tokio::test]
async fn after_a_failed_write_nothing_is_answered_or_shown() {
    let (ledger, _writes, results) = held();
    results.send(Ok(())).unwrap();
    ledger.charge(charge("a"), false).await.unwrap();
    results.send(Err(io::Error::other("the disk is gone"))).unwrap();
    assert_eq!(ledger.charge(charge("b"), false).await, Err(LedgerError::Stopped));
    assert_eq!(ledger.charge(charge("a"), false).await, Err(LedgerError::Stopped));
    let refund = RefundRequest {
        key: "r".to_owned(),
        charge: "a".to_owned(),
    };
    assert_eq!(ledger.refund(refund).await, Err(LedgerError::Stopped));
    assert!(!ledger.is_open());
    assert_eq!(ledger.totals().entries, 1, "what was flushed is still shown");
}
