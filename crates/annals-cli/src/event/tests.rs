use annals_core::time::Timestamp;

use super::{Event, clock, delta, one_line};

const JSON: &str = r#"{"id":"0199","type":"order.placed","version":1,"tags":["order:1"],"position":7,
    "recorded":"2026-01-03T10:00:00.5Z","origin":{"service":"orders","position":3,"recorded":"2026-01-03T10:00:00Z"},
    "visibility":"public","purpose":"event","data":{"amount": 1.10, "note": "two  spaces \" here"}}"#;

#[test]
fn content_keeps_every_digit_and_the_spaces_inside_strings() {
    let event: Event = serde_json::from_str(JSON).unwrap();
    assert_eq!(event.content(), r#"{"amount":1.10,"note":"two  spaces \" here"}"#);
    assert!(
        serde_json::to_string(&event).unwrap().contains("1.10"),
        "a number is not written anew"
    );
    assert_eq!(event.source("recorder"), ("orders".to_owned(), 3));
    assert_eq!(one_line("[1,\n 2]"), "[1,2]");
}

#[test]
fn a_copy_without_origin_is_its_own_source() {
    let mut event: Event = serde_json::from_str(JSON).unwrap();
    event.origin = None;
    assert_eq!(event.source("orders"), ("orders".to_owned(), 7));
    event.purpose = "command".to_owned();
    assert_eq!(event.label(), "order.placed!");
}

#[test]
fn times_of_day_and_spans_are_short() {
    let at: Timestamp = "2026-01-03T23:04:05.678901Z".parse().unwrap();
    assert_eq!(clock(at), "23:04:05.678");
    let later = |micros: i64| delta(at, Timestamp::from_micros(at.as_micros() + micros));
    assert_eq!(later(1_240), "+1.2 ms");
    assert_eq!(later(84_400), "+84 ms");
    assert_eq!(later(2_440_000), "+2.4 s");
    assert_eq!(later(180_000_000), "+3 m");
    assert_eq!(later(-3_000_000), "-3.0 s");
    assert_eq!(later(10_800_000_000), "+3 h");
}
