//! A data folder backed up while its node runs, and a node that goes on from the backup.

use std::fs;

use crate::run::{Node, annals_on, fed, until};

#[test]
fn a_node_goes_on_from_a_backup_that_was_taken_while_it_worked() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = folder.path().join("data");
    let node = Node::start(&data, &["--rate", "20"]);
    let events = || {
        let ran = annals_on(
            &data,
            &[
                "event",
                "ls",
                "--service",
                "orders",
                "--limit",
                "100",
                "-o",
                "jsonl",
            ],
        );
        ran.out.lines().count()
    };
    until("it has done something", || events() >= 30);
    let taken = annals_on(&data, &["backup", &at("backup"), "--json"])
        .ended(0)
        .json();
    let stores = taken["stores"].as_array().unwrap();
    assert_eq!(stores.len(), 7, "{taken}");
    assert!(
        stores.iter().any(|store| store["events"].as_u64() >= Some(30)),
        "{taken}"
    );
    assert_eq!(node.interrupt(), 0);

    let checked = annals_on(&data, &["restore", &at("backup"), "--check", "--json"])
        .ended(0)
        .json();
    assert_eq!(checked, taken);
    annals_on(&data, &["restore", &at("backup")]).ended(5);
    let other = folder.path().join("other");
    assert_eq!(
        annals_on(&other, &["restore", &at("backup"), "--json"])
            .ended(0)
            .json(),
        taken
    );
    annals_on(&other, &["verify"]).ended(0);
    // The ledger of the provider is no store of ours; a node without it pays with a new one.
    let node = Node::start(&other, &["--rate", "20"]);
    let before = taken["stores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|store| store["events"].as_u64().unwrap())
        .max();
    until("it goes on", || {
        let status = annals_on(&other, &["status", "--json"]).json();
        let ends = status["services"].as_array().cloned().unwrap_or_default();
        ends.iter().filter_map(|service| service["end"].as_u64()).max() > before
    });
    assert_eq!(node.interrupt(), 0);
}

#[test]
fn what_is_no_backup_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let target = folder.path().join("target");
    annals_on(&target, &["restore", &at("nothing")]).ended(4);
    annals_on(fed(), &["backup", &at("one"), "--service", "stock"]).ended(0);
    annals_on(fed(), &["backup", &at("one"), "--service", "stock"]).ended(5);
    let segment = folder.path().join("one/stock/log/0000000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[600] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let ran = annals_on(&target, &["restore", &at("one")]).ended(1);
    assert!(ran.err.contains("0000000000.seg: expected"), "{ran:?}");
}
