//! Everything else a store is asked: revisions, times, types, marks, the end.

use std::time::Duration;

use annals_core::mark::{Mark, MarkKey};
use annals_core::port::follow::Follow;
use annals_core::port::store::Append;
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::time::Timestamp;
use bytes::Bytes;

use super::kit::{Rig, event, of, positions, set, some, tag};

pub(super) async fn a_tag_counts_its_revisions(rig: Rig) {
    assert_eq!(rig.revision("k:1", Position::MAX).await, None);
    rig.append(of(vec![
        event(0, "a", &["k:1"]),
        event(1, "a", &["k:2"]),
        event(2, "b", &["k:2", "k:1"]),
    ]))
    .await;
    rig.append(of(some(10, 3, &["k:1"]))).await;
    assert_eq!(rig.revision("k:1", Position::MAX).await, Some(4));
    assert_eq!(rig.revision("k:2", Position::MAX).await, Some(1));
    assert_eq!(rig.revision("k:3", Position::MAX).await, None);
    let mut before = Vec::new();
    for position in 0..8 {
        before.push(rig.revision("k:1", Position::new(position)).await);
    }
    assert_eq!(
        before,
        [
            None,
            Some(0),
            Some(0),
            Some(1),
            Some(2),
            Some(3),
            Some(4),
            Some(4)
        ]
    );
}

pub(super) async fn a_moment_has_an_end(rig: Rig) {
    let end_at = async |micros| {
        let end = rig.store.end_at(Timestamp::from_micros(micros)).await;
        end.expect("a healthy store can be read").get()
    };
    assert_eq!(end_at(99).await, 0);
    for (number, micros) in [10, 20, 20, 30].into_iter().enumerate() {
        rig.clock.set(micros);
        rig.append(of(some(number as u64 * 10, 2, &[]))).await;
    }
    let mut ends = Vec::new();
    for micros in [i64::MIN, 9, 10, 11, 19, 20, 29, 30, i64::MAX] {
        ends.push(end_at(micros).await);
    }
    assert_eq!(ends, [0, 0, 2, 2, 2, 6, 6, 8, 8]);
}

pub(super) async fn types_are_counted_by_name(rig: Rig) {
    assert_eq!(
        (rig.store.types().await.expect("readable"), rig.store.type_count()),
        (vec![], 0)
    );
    let names = ["order.placed", "b", "order.paid", "b", "a", "b"];
    let events = names
        .iter()
        .enumerate()
        .map(|(number, name)| event(number as u64, name, &["b:1"]))
        .collect();
    rig.append(of(events)).await;
    let types = rig.store.types().await.expect("readable");
    let found: Vec<_> = types
        .iter()
        .map(|counted| (counted.event_type.as_str(), counted.events))
        .collect();
    assert_eq!(
        found,
        [("a", 1), ("b", 3), ("order.paid", 1), ("order.placed", 1)]
    );
    assert_eq!(rig.store.type_count(), 4);
}

pub(super) async fn marks_are_set_overwritten_and_removed(rig: Rig) {
    let (one, two) = (
        MarkKey::new("checkpoint", "one"),
        MarkKey::new("checkpoint", "two"),
    );
    let marks = |marks: Vec<Mark>| Append {
        marks,
        ..Append::default()
    };
    let appended = rig.append(marks(vec![set(&one, "1"), set(&two, "2")])).await;
    assert_eq!(
        (appended.first, appended.count, appended.duplicate),
        (Position::ZERO, 0, false)
    );
    rig.append(of(some(0, 2, &[]))).await;
    assert_eq!(
        rig.append(marks(vec![set(&one, "3")])).await.first,
        Position::new(2)
    );
    assert_eq!(
        (rig.mark(&one).await, rig.mark(&two).await),
        (Some(Bytes::from("3")), Some(Bytes::from("2")))
    );
    rig.append(marks(vec![
        Mark::remove(one.clone()),
        Mark::remove(MarkKey::new("nobody", "x")),
    ]))
    .await;
    assert_eq!(
        (rig.mark(&one).await, rig.mark(&two).await),
        (None, Some(Bytes::from("2")))
    );
    rig.append(marks(vec![
        set(&one, "4"),
        Mark::remove(one.clone()),
        set(&one, "5"),
    ]))
    .await;
    assert_eq!(
        rig.mark(&one).await,
        Some(Bytes::from("5")),
        "the last of an append wins"
    );
    assert_eq!(
        rig.mark(&MarkKey::new("checkpointo", "ne")).await,
        None,
        "space and name are apart"
    );
}

pub(super) async fn marks_are_listed_by_prefix(rig: Rig) {
    let keys = [
        ("a", "x"),
        ("b", "x"),
        ("b", "xä"),
        ("b", "y1"),
        ("b", "y2"),
        ("b", ""),
        ("bb", "y"),
    ];
    let marks = keys
        .iter()
        .map(|(space, name)| set(&MarkKey::new(*space, *name), name))
        .collect();
    rig.append(Append {
        marks,
        ..Append::default()
    })
    .await;
    for (space, prefix, expected) in [
        ("b", "", &["", "x", "xä", "y1", "y2"][..]),
        ("b", "x", &["x", "xä"]),
        ("b", "y", &["y1", "y2"]),
        ("b", "z", &[]),
        ("bb", "", &["y"]),
        ("c", "", &[]),
    ] {
        let found = rig.store.marks(space, prefix).await.expect("readable");
        let names: Vec<_> = found.iter().map(|(key, _)| key.name.as_str()).collect();
        assert_eq!(names, expected, "{space}/{prefix}");
        assert!(
            found
                .iter()
                .all(|(key, value)| key.space == space && key.name.as_bytes() == value)
        );
    }
}

pub(super) async fn marks_and_events_of_an_append_come_together(rig: Rig) {
    let key = MarkKey::new("checkpoint", "a");
    let watching = rig.store.clone();
    let seen_by = key.clone();
    let watcher = tokio::spawn(async move {
        loop {
            let mark = watching.mark(seen_by.clone()).await.expect("readable");
            let written: u64 = mark.map_or(0, |value| {
                String::from_utf8_lossy(&value).parse().expect("a number")
            });
            assert!(
                watching.end().get() >= written,
                "a mark without the events of its append"
            );
            if written == 100 {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    for number in 0..100_u64 {
        let marks = vec![set(&key, &(number + 1).to_string())];
        rig.append(Append {
            marks,
            ..of(some(number, 1, &[]))
        })
        .await;
    }
    watcher.await.expect("no panic");
}

pub(super) async fn the_end_moves_with_events_and_not_with_marks(rig: Rig) {
    rig.append(of(some(0, 1, &[]))).await;
    let mut end = rig.store.watch_end();
    assert_eq!(
        (*end.borrow(), end.has_changed().expect("open")),
        (Position::new(1), false),
        "the present is known"
    );
    rig.append(Append {
        marks: vec![set(&MarkKey::new("a", "b"), "c")],
        ..Append::default()
    })
    .await;
    assert!(!end.has_changed().expect("open"), "marks wake nobody");
    rig.append(of(some(10, 3, &[]))).await;
    tokio::time::timeout(Duration::from_secs(10), end.changed())
        .await
        .expect("in time")
        .expect("open");
    assert_eq!(*end.borrow_and_update(), Position::new(4));
    rig.append(of(some(10, 3, &[]))).await;
    assert!(!end.has_changed().expect("open"), "repeats wake nobody");
}

pub(super) async fn a_follower_sees_everything_once(rig: Rig) {
    rig.append(of(some(0, 30, &["k:1"]))).await;
    let mut follow = Follow::new(rig.store.clone(), Query::tag(tag("k:1")), Position::new(5), 7);
    let store = rig.store.clone();
    let writer = tokio::spawn(async move {
        for number in 30..130 {
            let name = if number % 3 == 0 { "k:2" } else { "k:1" };
            store.append(of(some(number, 1, &[name]))).await.expect("taken");
            tokio::task::yield_now().await;
        }
    });
    let expected: Vec<u64> = (5..130).filter(|at| *at < 30 || at % 3 != 0).collect();
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        seen.extend(positions(&follow.next().await.expect("readable").events));
    }
    assert_eq!(seen, expected);
    writer.await.expect("no panic");
}
