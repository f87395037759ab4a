//! The payment provider within this process, over real connections: answers, limits, misbehaviour.

use std::time::{Duration, Instant};

use ordering::money::Money;
use ordering::provider::{
    AskError, Behaviour, ChargeOutcome, ChargeRequest, Client, Config, DeclineReason, Doubt, Provider,
    Refund, RefundOutcome, RefundRequest, RefundStatus, serve,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(20);

struct Started {
    provider: Provider,
    client: Client,
    folder: TempDir,
}

async fn start(behaviour: Behaviour) -> Started {
    let folder = tempfile::tempdir().expect("a folder");
    start_in(folder, |config| Config { behaviour, ..config }).await
}

async fn start_in(folder: TempDir, change: impl Fn(Config) -> Config) -> Started {
    let provider = serve(change(Config::new(folder.path())))
        .await
        .expect("a provider");
    let client = Client::new(&format!("http://{}", provider.address()), 64).expect("a client");
    Started {
        provider,
        client,
        folder,
    }
}

fn charge(key: &str, order: &str, amount: &str) -> ChargeRequest {
    let amount = amount.parse().expect("an amount");
    ChargeRequest {
        key: key.to_owned(),
        order: order.to_owned(),
        amount,
    }
}

fn refund(key: &str, charge: &str) -> RefundRequest {
    RefundRequest {
        key: key.to_owned(),
        charge: charge.to_owned(),
    }
}

fn code(error: &AskError) -> (u16, &str) {
    match error {
        AskError::Refused { status, code, .. } => (*status, code),
        other => panic!("{other}"),
    }
}

/// One request as it goes over the wire, and everything that comes back.
async fn raw(started: &Started, request: &str) -> String {
    let mut stream = TcpStream::connect(started.provider.address())
        .await
        .expect("a connection");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a sent request");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
    read.expect("an end in time").expect("a whole answer");
    String::from_utf8(answer).expect("text")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn charges_and_refunds_have_one_effect_per_key() {
    let Started {
        provider,
        client,
        folder,
    } = start(Behaviour::default()).await;
    for _ in 0..3 {
        let found = client.charge(&charge("a", "1", "12.50"), SOON).await.unwrap();
        assert_eq!(found, ChargeOutcome::Captured);
    }
    assert_eq!(
        client.charge(&charge("b", "1", "2.5"), SOON).await.unwrap(),
        ChargeOutcome::Captured
    );
    let expected = Refund {
        key: "r".to_owned(),
        charge: "a".to_owned(),
        status: RefundStatus::Refunded,
        amount: "12.5".parse().unwrap(),
    };
    for _ in 0..2 {
        assert_eq!(
            client.refund(&refund("r", "a"), SOON).await.unwrap(),
            RefundOutcome::Done(expected.clone())
        );
    }
    client.refund(&refund("v", "c"), SOON).await.unwrap();
    let voided = client.charge(&charge("c", "2", "1"), SOON).await.unwrap();
    assert_eq!(
        voided,
        ChargeOutcome::Declined {
            reason: DeclineReason::Voided
        }
    );

    let report = client.ledger(SOON).await.unwrap();
    assert_eq!(
        (report.totals.captured, report.totals.captured_amount),
        (2, Money::from(15))
    );
    assert_eq!(
        (report.totals.refunded, report.totals.refunded_amount.to_string()),
        (1, "12.5".to_owned())
    );
    assert_eq!(
        (
            report.totals.declined,
            report.totals.voided,
            report.totals.entries
        ),
        (1, 1, 5)
    );
    assert_eq!(report.orders.len(), 2);
    assert_eq!(report.voids.len(), 1);
    let account = client.account("1", SOON).await.unwrap().unwrap();
    assert_eq!(account, report.orders[0]);
    assert_eq!((account.charges.len(), account.refunds), (2, vec![expected]));
    assert_eq!(client.account("9", SOON).await.unwrap(), None);

    provider.stop().await;
    let again = start_in(folder, |config| config).await;
    assert_eq!(
        (
            again.provider.replayed().entries,
            again.provider.replayed().cut_bytes
        ),
        (5, 0)
    );
    assert_eq!(again.client.ledger(SOON).await.unwrap(), report);
}

#[tokio::test]
async fn statuses_on_the_wire() {
    let started = start(Behaviour {
        decline: 0.5,
        ..Behaviour::default()
    })
    .await;
    // Of these two keys the first is declined, whatever machine this runs on.
    let declined = post("/charges", r#"{"key":"k0","order":"1","amount":"10"}"#);
    let captured = post("/charges", r#"{"key":"k2","order":"1","amount":"10.0"}"#);
    for status in ["402", "402"] {
        let answer = raw(&started, &declined).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let body = r#"{"key":"k0","order":"1","amount":"10","status":"declined","reason":"card_declined"}"#;
        assert!(answer.ends_with(&format!("\r\n\r\n{body}\n")), "{answer}");
    }
    for status in ["201", "200"] {
        let answer = raw(&started, &captured).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(
            answer.ends_with("{\"key\":\"k2\",\"order\":\"1\",\"amount\":\"10\",\"status\":\"captured\"}\n"),
            "{answer}"
        );
    }
    for status in ["201", "200"] {
        let answer = raw(&started, &post("/refunds", r#"{"key":"r","charge":"k2"}"#)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let alive = raw(
        &started,
        "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        alive.starts_with("HTTP/1.1 200 ") && alive.ends_with("ok\n"),
        "{alive}"
    );
}

#[tokio::test]
async fn requests_that_cannot_be_are_refused_and_leave_nothing() {
    let started = start(Behaviour::default()).await;
    let long = "x".repeat(129);
    for (body, status, error) in [
        (
            r#"{"key":"a","order":"1","amount":"0"}"#.to_owned(),
            400,
            "not_positive",
        ),
        (
            r#"{"key":"a","order":"1","amount":"-1"}"#.to_owned(),
            400,
            "not_positive",
        ),
        (
            r#"{"key":"a","order":"1","amount":12.5}"#.to_owned(),
            400,
            "not_understood",
        ),
        (r#"{"key":"a","order":"1"}"#.to_owned(), 400, "not_understood"),
        (
            r#"{"key":"a","order":"1","amount":"1","more":1}"#.to_owned(),
            400,
            "not_understood",
        ),
        (
            r#"{"key":"","order":"1","amount":"1"}"#.to_owned(),
            400,
            "bad_name",
        ),
        (
            format!(r#"{{"key":"a","order":"{long}","amount":"1"}}"#),
            400,
            "bad_name",
        ),
        (" ".repeat(5_000), 413, "too_large"),
    ] {
        let answer = raw(&started, &post("/charges", &body)).await;
        let head = format!("HTTP/1.1 {status} ");
        assert!(
            answer.starts_with(&head) && answer.contains(&format!("\"error\":\"{error}\"")),
            "{body}: {answer}"
        );
    }
    assert_eq!(started.client.ledger(SOON).await.unwrap().totals.entries, 0);

    started.client.charge(&charge("a", "1", "1"), SOON).await.unwrap();
    let reused = started
        .client
        .charge(&charge("a", "2", "1"), SOON)
        .await
        .unwrap_err();
    assert_eq!(code(&reused), (409, "key_reused"));
    started.client.refund(&refund("r", "a"), SOON).await.unwrap();
    let reused = started.client.refund(&refund("r", "b"), SOON).await.unwrap_err();
    assert_eq!(code(&reused), (409, "key_reused"));
}

#[tokio::test]
async fn a_full_ledger_says_so_and_still_knows_its_answers() {
    let folder = tempfile::tempdir().unwrap();
    let started = start_in(folder, |config| Config {
        entries_max: 1,
        ..config
    })
    .await;
    started.client.charge(&charge("a", "1", "1"), SOON).await.unwrap();
    let full = started
        .client
        .charge(&charge("b", "1", "1"), SOON)
        .await
        .unwrap_err();
    assert_eq!(code(&full), (507, "ledger_full"));
    assert_eq!(
        started.client.charge(&charge("a", "1", "1"), SOON).await.unwrap(),
        ChargeOutcome::Captured
    );
}

#[tokio::test]
async fn silence_and_lateness_are_unknown_until_asked_again() {
    for behaviour in [
        Behaviour {
            silent: 1.0,
            silent_for: SOON,
            ..Behaviour::default()
        },
        Behaviour {
            late: 1.0,
            late_by: SOON,
            ..Behaviour::default()
        },
    ] {
        let Started {
            provider,
            client,
            folder: _folder,
        } = start(behaviour).await;
        let short = Duration::from_millis(300);
        let found = client.charge(&charge("a", "1", "1"), short).await.unwrap();
        assert_eq!(
            found,
            ChargeOutcome::Unknown {
                doubt: Doubt::TimedOut { deadline: short }
            }
        );
        assert_eq!(
            client.charge(&charge("a", "1", "1"), SOON).await.unwrap(),
            ChargeOutcome::Captured
        );
        assert_eq!(client.ledger(SOON).await.unwrap().totals.captured, 1);
        provider.stop().await;
    }
}

#[tokio::test]
async fn late_and_slow_answers_come_in_the_end_and_silent_connections_close() {
    let wait = Duration::from_millis(200);
    let late = start(Behaviour {
        late: 1.0,
        late_by: wait,
        ..Behaviour::default()
    })
    .await;
    let slow = start(Behaviour {
        slow: 1.0,
        slow_by: wait,
        ..Behaviour::default()
    })
    .await;
    for started in [late, slow] {
        let begun = Instant::now();
        let found = started.client.charge(&charge("a", "1", "1"), SOON).await.unwrap();
        assert_eq!(found, ChargeOutcome::Captured);
        assert!(begun.elapsed() >= wait);
    }
    let silent = start(Behaviour {
        silent: 1.0,
        silent_for: wait,
        ..Behaviour::default()
    })
    .await;
    let answer = raw(
        &silent,
        &post("/charges", r#"{"key":"a","order":"1","amount":"1"}"#),
    )
    .await;
    assert_eq!(answer, "", "the connection is closed without a word");
    let lost = silent.client.charge(&charge("b", "1", "1"), SOON).await.unwrap();
    assert!(
        matches!(
            lost,
            ChargeOutcome::Unknown {
                doubt: Doubt::ConnectionLost { .. }
            }
        ),
        "{lost:?}"
    );
    assert_eq!(silent.client.ledger(SOON).await.unwrap().totals.captured, 2);
}

#[tokio::test]
async fn a_slow_charge_is_carried_out_though_the_asker_has_gone() {
    let wait = Duration::from_millis(300);
    let Started {
        provider: _provider,
        client,
        folder: _folder,
    } = start(Behaviour {
        slow: 1.0,
        slow_by: wait,
        ..Behaviour::default()
    })
    .await;
    let found = client
        .charge(&charge("a", "1", "1"), Duration::from_millis(50))
        .await
        .unwrap();
    assert!(matches!(found, ChargeOutcome::Unknown { .. }));
    let begun = Instant::now();
    while client.ledger(SOON).await.unwrap().totals.captured == 0 {
        assert!(begun.elapsed() < SOON, "the charge is never carried out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn charges_held_back_are_bounded() {
    let behaviour = Behaviour {
        silent: 1.0,
        silent_for: SOON,
        ..Behaviour::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let started = start_in(folder, |config| Config {
        behaviour,
        held_max: 2,
        ..config
    })
    .await;
    let mut askers = tokio::task::JoinSet::new();
    for n in 0..10 {
        let client = started.client.clone();
        askers.spawn(async move {
            client
                .charge(&charge(&format!("k{n}"), "1", "1"), Duration::from_secs(2))
                .await
        });
    }
    let answers = askers.join_all().await;
    let captured = answers
        .iter()
        .filter(|answer| **answer == Ok(ChargeOutcome::Captured))
        .count();
    assert_eq!(
        captured, 8,
        "two are left without answer, the others are prompt: {answers:?}"
    );
}

#[tokio::test]
async fn connections_are_bounded_and_freed() {
    let folder = tempfile::tempdir().unwrap();
    let started = start_in(folder, |config| Config {
        connections_max: 2,
        ..config
    })
    .await;
    let address = started.provider.address();
    let idle = [
        TcpStream::connect(address).await.unwrap(),
        TcpStream::connect(address).await.unwrap(),
    ];
    let short = Duration::from_millis(300);
    let found = started
        .client
        .charge(&charge("a", "1", "1"), short)
        .await
        .unwrap();
    assert_eq!(
        found,
        ChargeOutcome::Unknown {
            doubt: Doubt::TimedOut { deadline: short }
        }
    );
    drop(idle);
    assert_eq!(
        started.client.charge(&charge("a", "1", "1"), SOON).await.unwrap(),
        ChargeOutcome::Captured
    );
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_unknown() {
    let Started {
        provider,
        client,
        folder,
    } = start(Behaviour::default()).await;
    provider.stop().await;
    let found = client.charge(&charge("a", "1", "1"), SOON).await.unwrap();
    assert!(
        matches!(
            found,
            ChargeOutcome::Unknown {
                doubt: Doubt::ConnectionLost { .. }
            }
        ),
        "{found:?}"
    );
    let found = client.refund(&refund("r", "a"), SOON).await.unwrap();
    assert!(matches!(found, RefundOutcome::Unknown { .. }), "{found:?}");
    assert!(matches!(client.ledger(SOON).await, Err(AskError::Unknown(_))));
    drop(folder);
    for base in [
        "",
        "127.0.0.1:1",
        "https://127.0.0.1:1",
        "http://",
        "http://127.0.0.1:1/path",
    ] {
        assert!(Client::new(base, 1).is_err(), "{base}");
    }
}

#[tokio::test]
async fn a_provider_does_not_start_on_what_cannot_be() {
    let started = start(Behaviour::default()).await;
    let second = serve(Config::new(started.folder.path()))
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(
        second.to_string().contains("in use by another program"),
        "{second}"
    );
    let taken = Config {
        port: started.provider.address().port(),
        ..Config::new(started.folder.path().join("b"))
    };
    let taken = serve(taken).await.map(|_| ()).unwrap_err();
    assert!(taken.to_string().contains("choose another port"), "{taken}");
    let behaviour = Behaviour {
        decline: 2.0,
        ..Behaviour::default()
    };
    let wrong = serve(Config {
        behaviour,
        ..Config::new("/unused")
    })
    .await
    .map(|_| ())
    .unwrap_err();
    assert!(
        wrong
            .to_string()
            .contains("expected a share from 0 to 1 for decline"),
        "{wrong}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_on_few_keys_charge_each_key_once() {
    let Started {
        provider: _provider,
        client,
        folder: _folder,
    } = start(Behaviour {
        decline: 0.3,
        ..Behaviour::default()
    })
    .await;
    let mut askers = tokio::task::JoinSet::new();
    for n in 0..400 {
        let client = client.clone();
        askers.spawn(async move {
            let key = format!("key-{}", n % 40);
            (
                n % 40,
                client
                    .charge(&charge(&key, &format!("{}", n % 10), "1.25"), SOON)
                    .await
                    .unwrap(),
            )
        });
    }
    let answers = askers.join_all().await;
    for (key, answer) in &answers {
        let first = answers
            .iter()
            .find(|(other, _)| other == key)
            .expect("itself at least");
        assert_eq!(answer, &first.1, "the same key has the same answer");
    }
    let totals = client.ledger(SOON).await.unwrap().totals;
    assert_eq!((totals.entries, totals.captured + totals.declined), (40, 40));
    assert_eq!(
        totals.captured_amount,
        "1.25"
            .parse::<Money>()
            .unwrap()
            .checked_mul(totals.captured as i64)
            .unwrap()
    );
}
