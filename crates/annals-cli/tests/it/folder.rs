//! Verbs that read a data folder on which no node runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use crate::run::{annals, annals_on, command, fed, feed};

#[test]
fn events_are_listed_in_order_with_all_that_they_carry() {
    let page = annals_on(fed(), &["event", "ls", "-o", "json", "--limit", "1000"])
        .ended(0)
        .json();
    assert_eq!(
        (&page["service"], &page["finished"]),
        (&"recorder".into(), &true.into())
    );
    let events = page["events"].as_array().unwrap();
    let positions: Vec<u64> = events
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    assert_eq!(positions, (0..page["end"].as_u64().unwrap()).collect::<Vec<_>>());
    let first = events
        .iter()
        .find(|event| event["type"] == "order.placed")
        .unwrap();
    assert_eq!(first["origin"]["service"], "orders");
    for field in [
        "id",
        "tags",
        "recorded",
        "correlation",
        "data",
        "visibility",
        "purpose",
    ] {
        assert!(!first[field].is_null(), "{field} in {first}");
    }
}

#[test]
fn filters_narrow_the_list() {
    let list = |options: &[&str]| {
        let mut all = vec!["event", "ls", "-o", "jsonl", "--service", "orders"];
        all.extend(options);
        let ran = annals_on(fed(), &all).ended(0);
        ran.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect::<Vec<serde_json::Value>>()
    };
    let placed = list(&["--type", "order.placed"]);
    assert_eq!(placed.len(), 3);
    let begins = list(&["--type", "order.*"]);
    assert!(
        begins
            .iter()
            .all(|event| event["type"].as_str().unwrap().starts_with("order."))
            && begins.len() >= 3
    );
    assert_eq!(
        list(&["--type", "order.placed", "--tag", "order/536367"]).len(),
        1
    );
    assert_eq!(list(&["--type", "no.such"]).len(), 0);
    let correlation = placed[1]["correlation"].as_str().unwrap();
    let of_request = list(&["--correlation", correlation]);
    assert!(of_request.len() > 1 && of_request.iter().all(|event| event["correlation"] == correlation));
    let backward = list(&["--type", "order.placed", "--backward", "--limit", "1"]);
    assert_eq!(backward[0]["position"], placed[2]["position"]);
    let end = placed[1]["position"].as_u64().unwrap();
    assert_eq!(
        list(&["--type", "order.placed", "--at", &end.to_string()]).len(),
        1,
        "the end as it was, exclusive"
    );
    assert_eq!(
        list(&["--type", "order.placed", "--from", &(end + 1).to_string()]).len(),
        1
    );
    assert_eq!(list(&["--at", "2001-01-01T00:00:00Z"]).len(), 0);
    assert_eq!(
        list(&["--from", "2001-01-01T00:00:00Z", "--limit", "1000"]).len(),
        list(&["--limit", "1000"]).len()
    );
}

#[test]
fn pages_are_put_together_beyond_what_one_page_holds() {
    let all = annals_on(fed(), &["event", "ls", "--limit", "1000000", "-o", "json"])
        .ended(0)
        .json();
    let end = all["end"].as_u64().unwrap();
    assert_eq!(all["events"].as_array().unwrap().len() as u64, end);
    let some = annals_on(fed(), &["event", "ls", "--limit", "3"]).ended(0);
    assert_eq!(
        some.out.lines().count(),
        4,
        "a heading and three rows: {}",
        some.out
    );
    assert!(some.err.contains("--from 3"), "{}", some.err);
}

#[test]
fn one_event_is_shown_by_place_and_by_id() {
    let list = "event ls --service orders --type order.placed --tag order:536365 -o json";
    let list: Vec<&str> = list.split(' ').collect();
    let listed = annals_on(fed(), &list).ended(0).json()["events"][0].clone();
    let position = format!("orders:{}", listed["position"]);
    let place = annals_on(fed(), &["event", "show", &position, "-o", "json"])
        .ended(0)
        .json();
    assert_eq!(place, listed);
    let id = place["id"].as_str().unwrap();
    let by_id = annals_on(fed(), &["event", "show", id, "-o", "json"])
        .ended(0)
        .json();
    assert_eq!(by_id, place, "the original, not a copy");
    let text = annals_on(fed(), &["event", "show", id]).ended(0);
    assert!(
        text.out.contains(&position) && text.out.contains("\"customer\": \"17850\""),
        "{}",
        text.out
    );
    annals_on(fed(), &["event", "show", "orders:999999"]).ended(4);
    annals_on(fed(), &["event", "show", "nobody:0"]).ended(4);
    annals_on(fed(), &["event", "show", "0199f2ab-0000-7000-8000-000000000000"]).ended(4);
    annals_on(fed(), &["event", "show", "what"]).ended(2);
}

#[test]
fn tail_shows_the_last_and_ends_where_nobody_writes() {
    let ran = annals_on(fed(), &["tail", "--last", "5"]).ended(0);
    assert_eq!(ran.out.lines().count(), 5);
    assert!(ran.err.contains("no node runs"), "{}", ran.err);
    let all = annals_on(fed(), &["tail", "--from", "0", "-q"]).ended(0);
    let end = annals_on(fed(), &["event", "ls", "-o", "json", "--limit", "1"]).json()["end"]
        .as_u64()
        .unwrap();
    assert_eq!(all.out.lines().count() as u64, end);
    assert!(
        all.out.contains("└ payments.take!"),
        "what follows is indented under its cause:\n{}",
        all.out
    );
    assert!(!all.out.contains('\u{1b}'), "no colours where nobody sees them");
    let colours = annals_on(fed(), &["tail", "--last", "1", "--color", "always"]).ended(0);
    assert!(colours.out.contains('\u{1b}'));
}

#[test]
fn status_reads_ends_and_checkpoints() {
    let status = annals_on(fed(), &["status", "-o", "json"]).ended(0).json();
    assert!(status["node"].is_null());
    let orders = status["stores"]
        .as_array()
        .unwrap()
        .iter()
        .find(|store| store["name"] == "orders")
        .unwrap()
        .clone();
    assert!(orders["end"].as_u64().unwrap() > 0 && orders["parked"] == 0);
    let relay = orders["checkpoints"]
        .as_array()
        .unwrap()
        .iter()
        .find(|point| point["name"] == "relay")
        .unwrap()
        .clone();
    assert_eq!(relay["position"], orders["end"], "everything was published");
}

#[test]
fn what_needs_models_says_which_node_to_start() {
    for verb in [
        &["entity", "show", "order/536365"][..],
        &["entity", "history", "order/536365"],
        &["send", "orders.cancel", "{}"],
        &["request", "show", "0199f2ab-0000-7000-8000-000000000000"],
        &["parked", "requeue", "--all"],
    ] {
        let ran = annals_on(fed(), verb).ended(3);
        assert!(ran.err.starts_with("error: no node runs on "), "{}", ran.err);
        assert!(
            ran.err.contains("hint: start one with `annals demo --data "),
            "{}",
            ran.err
        );
    }
    let ran = annals_on(fed(), &["parked", "ls", "-o", "json"]).ended(0);
    assert_eq!(ran.json(), serde_json::json!([]));
}

#[test]
fn verify_finds_a_changed_byte_and_says_where() {
    let data = feed();
    let sound = annals_on(data.path(), &["verify", "-o", "json"]).ended(0).json();
    assert_eq!(
        (&sound["damaged"], &sound["findings"]),
        (&false.into(), &0.into())
    );
    assert_eq!(sound["stores"].as_array().unwrap().len(), 7, "{sound}");
    let log = data.path().join("orders/log");
    let names = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    let segment = names
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .min()
        .unwrap();
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&segment)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 5_000).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], 5_000).unwrap();
    let ran = annals_on(data.path(), &["verify"]).ended(1);
    assert!(
        ran.out.contains("DAMAGED") && ran.out.contains(".seg at byte "),
        "{}",
        ran.out
    );
    assert!(
        ran.err.contains("error: ") && ran.err.contains("hint: "),
        "{}",
        ran.err
    );
    let report = annals(&["verify", log.to_str().unwrap(), "-o", "json"])
        .ended(1)
        .json();
    assert_eq!(
        report["stores"].as_array().unwrap().len(),
        1,
        "one store may be named by itself"
    );
    assert!(report["stores"][0]["findings"][0]["expected"].is_string());
    let listed = annals_on(data.path(), &["event", "ls", "--service", "orders"]).ended(1);
    assert!(listed.err.contains("annals verify"), "{}", listed.err);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(&["tail", "--from", "0", "-o", "jsonl"]);
    child
        .env("ANNALS_DATA", fed())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut line = String::new();
    let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with('{'));
    drop(reader);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(
        !String::from_utf8_lossy(&ended.stderr).contains("error"),
        "{ended:?}"
    );
}
