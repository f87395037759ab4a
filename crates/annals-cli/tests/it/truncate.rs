//! The oldest events of a store moved to an archive, and what goes on without them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::outside::http::Client;
use crate::run::{Node, annals_fed, annals_on, file};

pub(crate) const EVENTS: usize = 4_000;

/// A data folder with a store of more than one segment, and its events as they are exported.
pub(crate) fn imported(data: &Path) -> String {
    let line = |number: usize| {
        let note = format!("{number:06} ").repeat(50);
        let head =
            format!(r#""specversion":"1.0","id":"N-{number}","source":"/shop","type":"com.example.sold""#);
        format!(
            r#"{{{head},"subject":"till:{}","data":{{"note":"{note}"}}}}"#,
            number % 7
        )
    };
    let lines: String = (0..EVENTS).map(|number| line(number) + "\n").collect();
    annals_fed(data, &["import", "-", "--service", "old", "-q"], &lines).ended(0);
    annals_on(data, &["export", "-"]).ended(0).out
}

#[test]
fn what_is_archived_can_be_restored_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = folder.path().join("data");
    let all = imported(&data);
    assert_eq!(all.lines().count(), EVENTS);
    let truncate = [
        "truncate",
        "--before",
        "3900",
        "--archive",
        &at("archive"),
        "--json",
    ];
    let done = annals_on(&data, &truncate).ended(0).json();
    let begins = done["begins"].as_u64().unwrap();
    assert!(begins > 1_000 && begins <= 3_900, "{done}");
    assert_eq!(
        (&done["service"], &done["events"]),
        (&"old".into(), &begins.into())
    );

    // The archive is a backup of what went, and says so itself.
    let archive = done["archive"].as_str().unwrap();
    assert!(archive.starts_with(&at("archive/old/")), "{archive}");
    let files: u64 = fs::read_dir(archive)
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(done["bytes"], files);
    let old = folder.path().join("past/old");
    annals_on(&old, &["restore", archive]).ended(0);
    let (before, behind) = (begins as usize, EVENTS - begins as usize);
    assert!(
        annals_on(&old, &["export", "-"])
            .ended(0)
            .out
            .lines()
            .eq(all.lines().take(before))
    );
    annals_on(&old, &["verify"]).ended(0);

    // The rest is as it was, at the positions it had.
    annals_on(&data, &["verify"]).ended(0);
    let from = begins.to_string();
    let rest = annals_on(&data, &["export", "-", "--from", &from]).ended(0).out;
    assert!(rest.lines().eq(all.lines().skip(before)));
    let listed = annals_on(
        &data,
        &["event", "ls", "--from", &from, "--limit", "9999", "-o", "jsonl"],
    )
    .ended(0);
    assert_eq!(listed.out.lines().count(), behind);
    annals_on(&data, &["event", "show", &format!("old:{begins}")]).ended(0);

    // What is before is not there, and it is said where it is.
    let file = folder.path().join("none.ndjson");
    for gone in [
        vec!["export", "-"],
        vec!["export", file.to_str().unwrap()],
        vec!["event", "show", "old:5"],
        vec!["event", "ls", "--from", "5"],
        vec!["event", "ls", "--tag", "till:3"],
    ] {
        let ran = annals_on(&data, &gone).ended(4);
        assert!(
            ran.err
                .contains(&format!("position {begins} was archived to {archive}")),
            "{gone:?}: {ran:?}"
        );
    }
    assert!(!file.exists(), "an export of nothing left a file");

    // Nothing more can go: only whole segments do.
    let again = annals_on(&data, &truncate).ended(4);
    assert!(
        again.err.contains(&format!("the store begins at {begins}")),
        "{again:?}"
    );
    annals_fed(&data, &["import", "-", "--service", "old", "-q"], &rest).ended(0);
    let end = annals_on(&data, &["export", "-", "--from", &from]).ended(0).out;
    assert!(end == rest, "what was there came a second time");
}

#[test]
fn what_nobody_has_read_yet_stays() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    imported(&data);
    let archive = folder.path().join("archive");
    let archive = archive.to_str().unwrap();
    let nothing = annals_on(&data, &["truncate", "--before", "10", "--archive", archive]).ended(4);
    assert!(
        nothing.err.contains("no segment ends before position 10"),
        "{nothing:?}"
    );
    assert!(!Path::new(archive).exists());
    annals_on(&data, &["truncate", "--before", "10"]).ended(2);
    annals_on(
        &data,
        &[
            "truncate",
            "--before",
            "3900",
            "--archive",
            archive,
            "--service",
            "new",
        ],
    )
    .ended(4);
}

/// So many invoices, each of every article, as a wholesaler's might be.
fn invoices(month: u32, numbers: std::ops::Range<u32>) -> String {
    let mut text =
        String::from("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n");
    for number in numbers {
        for article in 0..ARTICLES {
            writeln!(
                text,
                "{},A{article:04},BOX OF MANY THINGS,2,2011-{month:02}-{:02} 08:26:00,1.25,17850,Norway",
                600_000 + number,
                number % 28 + 1
            )
            .unwrap();
        }
    }
    text
}

const ARTICLES: u32 = 150;

#[test]
fn articles_live_on_by_their_snapshots_when_their_history_was_archived() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let archive = folder.path().join("archive");
    let archive = archive.to_str().unwrap();
    let (_first, invoices_before) = file("before.csv", &invoices(2, 0..40));
    let (_second, invoices_after) = file("after.csv", &invoices(3, 40..43));
    let feed = |path: &Path| {
        [
            "demo",
            "--port",
            "0",
            "-o",
            "json",
            "--orders",
            path.to_str().unwrap(),
        ]
        .map(str::to_owned)
    };
    let fed = |path: &Path| {
        let arguments = feed(path);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        annals_on(&data, &arguments).ended(0).json()
    };
    assert_eq!(fed(&invoices_before)["orders"]["paid"], 40);
    let truncate = stock_before_6000(archive);

    // A node keeps the states; a store on which one runs is not truncated.
    let node = Node::start(&data, &["--rate", "1"]);
    let kept = annals_on(&data, &["snapshot", "--service", "stock", "--json"])
        .ended(0)
        .json();
    assert!(kept["written"].as_u64() >= Some(u64::from(ARTICLES)), "{kept}");
    assert_eq!(kept["failed"], 0);
    let entity = |number: u32| format!("sku/A{number:04}");
    let before = annals_on(&data, &["entity", "show", &entity(7), "--json"])
        .ended(0)
        .json();
    annals_on(&data, &truncate).ended(5);
    assert_eq!(node.interrupt(), 0);

    let done = annals_on(&data, &truncate).ended(0);
    assert!(done.err.contains("annals snapshot"), "{done:?}");
    annals_on(&data, &["verify"]).ended(0);
    // Three more orders of the same articles go through the whole system.
    let report = fed(&invoices_after);
    assert_eq!(
        (&report["orders"]["paid"], &report["orders"]["open"]),
        (&3.into(), &0.into()),
        "{report}"
    );

    let node = Node::start(&data, &["--rate", "1"]);
    let after = annals_on(&data, &["entity", "show", &entity(7), "--json"])
        .ended(0)
        .json();
    assert_ne!(before, after);
    let mut client = Client::new(&node.url);
    let mut gone = |path: &str| {
        let answer = client.ask("GET", path, &[], "").unwrap();
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (410, &"gone".into()),
            "{path}"
        );
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    let said = gone("/services/stock/events?direction=forward");
    assert!(said.contains("was archived to "), "{said}");
    // The delivery of an archived event has no snapshot: it is over.
    let past = folder.path().join("past/stock");
    let set = fs::read_dir(folder.path().join("archive/stock"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    annals_on(&past, &["restore", set.to_str().unwrap()]).ended(0);
    let first = annals_on(&past, &["export", "-", "--to", "1"]).ended(0).json();
    let delivery = first["partitionkey"].as_str().unwrap();
    assert!(delivery.starts_with("delivery:"), "{first}");
    let said = gone(&format!("/services/stock/entities/{delivery}"));
    assert!(
        said.contains(&format!("Delivery of {delivery} cannot be folded: ")),
        "{said}"
    );
    assert!(said.ends_with("and its model keeps no snapshots"), "{said}");
    assert_eq!(node.interrupt(), 0);
}

/// Archives most of what the stock did.
fn stock_before_6000(archive: &str) -> [&str; 7] {
    [
        "truncate",
        "--service",
        "stock",
        "--before",
        "6000",
        "--archive",
        archive,
    ]
}

#[test]
fn articles_without_snapshots_are_gone_with_their_history() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let archive = folder.path().join("archive");
    let (_folder, invoices) = file("before.csv", &invoices(2, 0..40));
    annals_on(
        &data,
        &[
            "demo",
            "--port",
            "0",
            "-q",
            "--orders",
            invoices.to_str().unwrap(),
        ],
    )
    .ended(0);
    let archive = archive.to_str().unwrap();
    annals_on(&data, &stock_before_6000(archive)).ended(0);
    let node = Node::start(&data, &["--rate", "1"]);
    let ran = annals_on(&data, &["entity", "show", "sku/A0007"]).ended(4);
    assert!(
        ran.err
            .contains("and there is no snapshot of it from before that moment"),
        "{ran:?}"
    );
    let kept = annals_on(&data, &["snapshot", "--service", "stock"]).ended(1);
    assert!(
        kept.err.contains("states were not kept; the first: sku:"),
        "{kept:?}"
    );
    assert_eq!(node.interrupt(), 0);
}
