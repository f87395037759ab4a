//! Events carried from one store to another as lines of CloudEvents.

use std::fs;

use crate::run::{annals_fed, annals_on, fed, file};

#[test]
fn what_is_exported_is_imported_once_and_exported_as_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("orders.ndjson");
    let path = lines.to_str().unwrap();
    annals_on(fed(), &["export", path, "--service", "orders"]).ended(0);
    let text = fs::read_to_string(&lines).unwrap();
    let count = text.lines().count();
    assert!(count > 10, "{text}");
    assert!(text.lines().all(|line| line.contains("\"originservice\":")));
    // A file that is there is not written over.
    annals_on(fed(), &["export", path, "--service", "orders"]).ended(5);

    let other = folder.path().join("data");
    let half: String = text
        .lines()
        .take(count / 2)
        .map(|line| format!("{line}\n"))
        .collect();
    let first = annals_fed(&other, &["import", "-", "--service", "orders", "--json"], &half).ended(0);
    assert_eq!(first.json()["taken"], count / 2);
    let second = annals_on(&other, &["import", path, "--service", "orders", "--json"]).ended(0);
    let expected = serde_json::json!({ "lines": count, "taken": count - count / 2, "known": count / 2 });
    assert_eq!(second.json(), expected);
    assert_eq!(annals_on(&other, &["export", "-"]).ended(0).out, text);
    annals_on(&other, &["verify"]).ended(0);
    let rest = annals_on(&other, &["export", "-", "--from", "3", "--to", "5"])
        .ended(0)
        .out;
    assert!(rest.lines().eq(text.lines().skip(3).take(2)), "{rest}");
}

#[test]
fn a_line_that_is_no_event_is_named_and_what_came_before_it_stays() {
    let good =
        r#"{"specversion":"1.0","id":"A-1","source":"/shop","type":"com.example.sold","data":{"a":1.10}}"#;
    let (folder, path) = file("mixed.ndjson", &format!("{good}\n\nrubbish\n{good}\n"));
    let data = folder.path().join("data");
    let arguments = ["import", path.to_str().unwrap(), "--service", "shop"];
    let ran = annals_on(&data, &arguments).ended(1);
    assert!(
        ran.err.contains("mixed.ndjson, line 3: expected a CloudEvent"),
        "{ran:?}"
    );
    let told = annals_on(&data, &["export", "-"]).ended(0).out;
    assert_eq!(told.lines().count(), 1);
    assert!(told.contains("{\"a\":1.10}"), "{told}");
    annals_on(&data, &["import", "nothing-there", "--service", "shop"]).ended(4);
}
