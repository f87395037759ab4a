//! The demo: a file of invoices in, a report out; and the shop that plays.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Stdio;

use crate::run::{INVOICES, Node, Ran, annals_on, command, feed, file, signal};

fn feed_file(text: &str, options: &[&str]) -> Ran {
    let (_folder, path) = file("invoices.csv", text);
    let data = tempfile::tempdir().unwrap();
    let mut all = vec!["demo", "--port", "0", "--orders", path.to_str().unwrap()];
    all.extend(options);
    annals_on(data.path(), &all)
}

#[test]
fn a_file_ends_in_one_document() {
    let ran = feed_file(INVOICES, &["-o", "json"]).ended(0);
    let report = ran.json();
    assert_eq!(report["lines"]["read"], 6);
    assert_eq!(report["lines"]["taken"], 5);
    assert_eq!(report["lines"]["refused"], 1);
    assert_eq!(report["lines"]["refused_by_reason"]["zero_quantity"], 1);
    assert_eq!(report["orders"]["placed"], 3);
    assert_eq!(report["orders"]["paid"], 3);
    assert_eq!(report["orders"]["cancelled"], 0);
    assert_eq!(report["returns"], 1);
    // 6 × 2.55 + 6 × 3.39 + 6 × 1.85 + 32 × 1.69, and one piece back at 2.55.
    assert_eq!(report["money"]["revenue"], "100.82");
    assert_eq!(report["money"]["refunded"], "2.55");
    for service in ["orders", "payments", "stock", "shipping", "recorder"] {
        assert!(
            report["stores"][service]["events"].as_u64().unwrap() > 0,
            "{service} in {report}"
        );
    }
    assert!(report["broker"]["messages"].as_u64().unwrap() > 0);
    assert!(report["conflicts"].is_u64() && report["redecisions"].is_u64());
    assert!(report["seconds"].as_f64().unwrap() > 0.0 && report["events_per_second"].as_f64().unwrap() > 0.0);
    assert!(
        ran.err.contains("http://127.0.0.1:"),
        "notes go to stderr: {}",
        ran.err
    );
}

#[test]
fn the_report_is_a_table_for_people_and_quiet_says_nothing_else() {
    let ran = feed_file(INVOICES, &["-q"]).ended(0);
    assert!(
        ran.out
            .lines()
            .any(|line| line.split_whitespace().eq(["revenue", "100.82"])),
        "{}",
        ran.out
    );
    assert_eq!(ran.err, "");
}

#[test]
fn every_payment_declined_cancels_every_order() {
    let report = feed_file(INVOICES, &["-o", "json", "--decline", "1"])
        .ended(0)
        .json();
    assert_eq!(report["orders"]["cancelled"], 3, "{report}");
    assert_eq!(report["orders"]["paid"], 0);
}

#[test]
fn feeding_the_same_file_again_changes_nothing() {
    let data = feed();
    let (_folder, path) = file("invoices.csv", INVOICES);
    let before = annals_on(data.path(), &["status", "-o", "json"]).ended(0).json();
    let again = [
        "demo",
        "--port",
        "0",
        "--orders",
        path.to_str().unwrap(),
        "-o",
        "json",
        "-q",
    ];
    let report = annals_on(data.path(), &again).ended(0).json();
    assert_eq!(report["orders"]["placed"], 3);
    let after = annals_on(data.path(), &["status", "-o", "json"]).ended(0).json();
    let ends = |status: &serde_json::Value| {
        let stores = status["stores"].as_array().unwrap().clone();
        let services = stores.into_iter().filter(|store| store["name"] != "journal");
        services
            .map(|store| store["end"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ends(&before), ends(&after));
}

#[test]
fn a_malformed_file_is_refused_with_its_place_before_anything_is_written() {
    let broken = INVOICES.replace(",32,2010-12-01", ",many,2010-12-01");
    let (_folder, path) = file("broken.csv", &broken);
    let data = tempfile::tempdir().unwrap();
    let ran = annals_on(
        data.path(),
        &["demo", "--port", "0", "--orders", path.to_str().unwrap()],
    )
    .ended(1);
    assert!(ran.err.starts_with("error: "), "{}", ran.err);
    assert!(
        ran.err.contains("broken.csv: line 5, column Quantity"),
        "{}",
        ran.err
    );
    assert_eq!(
        (ran.out.as_str(), std::fs::read_dir(data.path()).unwrap().count()),
        ("", 0)
    );
}

#[test]
fn a_file_that_is_not_there_is_not_found() {
    let data = tempfile::tempdir().unwrap();
    let ran = annals_on(data.path(), &["demo", "--port", "0", "--orders", "no-such.csv"]).ended(4);
    assert!(ran.err.contains("no-such.csv"), "{}", ran.err);
}

#[test]
fn a_running_demo_says_where_it_is_in_a_dozen_lines_and_stops_in_order() {
    let data = feed();
    let node = Node::start(data.path(), &["--rate", "20"]);
    assert!(node.banner.len() <= 12, "{:#?}", node.banner);
    assert!(node.banner[0].contains(env!("CARGO_PKG_VERSION")) && node.banner[0].contains(&node.url));
    assert!(node.banner[1].contains("it stays"), "{}", node.banner[1]);
    for service in ["orders", "payments", "stock", "shipping"] {
        assert!(
            node.banner.iter().any(|line| line.trim().starts_with(service)),
            "{:#?}",
            node.banner
        );
    }
    assert_eq!(
        node.banner.iter().filter(|line| line.contains("annals ")).count(),
        3,
        "{:#?}",
        node.banner
    );
    let placed = || {
        let page = annals_on(
            data.path(),
            &[
                "event",
                "ls",
                "--service",
                "orders",
                "--type",
                "order.placed",
                "-o",
                "json",
            ],
        );
        page.ended(0).json()["events"].as_array().unwrap().len()
    };
    crate::run::until("the shop plays", || placed() > 3);
    assert_eq!(node.interrupt(), 0);
    let after = placed();
    assert!(after > 3, "what was played stays");
    annals_on(data.path(), &["verify"]).ended(0);
}

#[test]
fn a_second_node_on_one_folder_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path(), &["--rate", "0"]);
    let ran = annals_on(data.path(), &["demo", "--port", "0"]).ended(5);
    assert!(
        ran.err.contains("belongs to a running node") && ran.err.contains("hint: "),
        "{}",
        ran.err
    );
    let port = node.url.rsplit(':').next().unwrap().to_owned();
    let other = tempfile::tempdir().unwrap();
    let ran = annals_on(other.path(), &["demo", "--port", &port]).ended(5);
    assert!(ran.err.contains("--port 0"), "{}", ran.err);
}

#[test]
fn an_interrupted_feed_ends_with_130_and_goes_on_the_next_time() {
    let mut lines = INVOICES.to_owned();
    for number in 600_000..604_000 {
        lines.push_str(&format!(
            "{number},22633,HAND WARMER,6,2010-12-02 08:28:00,1.85,17850,United Kingdom\n"
        ));
    }
    let (_folder, path) = file("many.csv", &lines);
    let data = tempfile::tempdir().unwrap();
    let arguments = [
        "demo",
        "--port",
        "0",
        "--orders",
        path.to_str().unwrap(),
        "-o",
        "json",
    ];
    let mut child = command(&arguments);
    child
        .env("ANNALS_DATA", data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let child = child.spawn().unwrap();
    let taken = data.path().join("orders/log");
    crate::run::until("it has begun", || {
        taken.exists() && data.path().join("node.json").exists()
    });
    signal(&child, "-INT");
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(130), 0));
    let report = annals_on(data.path(), &arguments).ended(0).json();
    assert_eq!(report["orders"]["paid"], 4_003, "{report}");
}

#[test]
fn a_provider_on_its_own_serves_until_it_is_asked_to_stop() {
    use std::io::{BufRead, BufReader};
    let data = tempfile::tempdir().unwrap();
    let mut provider = command(&["provider", "--port", "0", "--exit-with-parent"]);
    provider
        .env("ANNALS_DATA", data.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut provider = provider.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(provider.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim()
        .strip_prefix("listening on http://")
        .unwrap()
        .to_owned();
    assert!(std::net::TcpStream::connect(&address).is_ok());
    // Ctrl-C of the terminal is its parent's business; the end of its input is its own.
    signal(&provider, "-INT");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(provider.try_wait().unwrap().is_none(), "it goes on");
    drop(provider.stdin.take());
    assert_eq!(provider.wait().unwrap().code(), Some(0));
}
