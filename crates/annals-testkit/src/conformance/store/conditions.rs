//! Conditions: what holds, what conflicts, and what the conflict says.

use annals_core::condition::Conflict;
use annals_core::event::EventType;
use annals_core::id::CorrelationId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use bytes::Bytes;
use uuid::Uuid;

use super::kit::{Rig, event, id, item, mark_is, no_match, of, set, some, tag, tag_at};

fn under(append: Append, conditions: Vec<annals_core::condition::Condition>) -> Append {
    Append { conditions, ..append }
}

/// Where the conflict is.
fn at(conflict: &Conflict) -> u64 {
    match conflict {
        Conflict::Match { position, .. } => position.get(),
        other => panic!("expected an event in the way, found {other:?}"),
    }
}

pub(super) async fn the_second_to_say_never_before_loses(rig: Rig) {
    let never = || vec![no_match(Query::tag(tag("order:1")), 0)];
    rig.append(under(of(vec![event(1, "order.placed", &["order:1"])]), never()))
        .await;
    let lost = rig
        .conflict(vec![event(2, "order.placed", &["order:1"])], never())
        .await;
    let expected = Conflict::Match {
        condition: 0,
        from: Position::ZERO,
        position: Position::ZERO,
        id: id(1),
        event_type: EventType::new("order.placed"),
    };
    assert_eq!(lost, expected);
    rig.append(under(
        of(some(3, 1, &["order:2"])),
        vec![no_match(Query::tag(tag("order:2")), 0)],
    ))
    .await;
}

pub(super) async fn what_the_caller_knew_is_no_conflict(rig: Rig) {
    let end = rig.append(of(some(0, 5, &["order:1"]))).await.end().get();
    let query = || Query::tag(tag("order:1"));
    let lost = rig
        .conflict(some(10, 1, &["order:1"]), vec![no_match(query(), end - 1)])
        .await;
    assert_eq!(at(&lost), 4);
    rig.append(under(of(some(20, 1, &["order:1"])), vec![no_match(query(), end)]))
        .await;
    let lost = rig
        .conflict(some(30, 1, &["order:1"]), vec![no_match(query(), end)])
        .await;
    assert_eq!(at(&lost), 5);
}

pub(super) async fn the_first_event_in_the_way_is_named(rig: Rig) {
    rig.append(of(some(0, 9, &["other:1"]))).await;
    rig.append(of(vec![
        event(50, "b", &["k:1"]),
        event(51, "a", &["k:1"]),
        event(52, "a", &["k:1"]),
    ]))
    .await;
    let query = Query::any(vec![item(&["a"], &["k:1"])]);
    for (from, expected) in [(0, 10), (10, 10), (11, 11)] {
        let lost = rig
            .conflict(some(99, 1, &[]), vec![no_match(query.clone(), from)])
            .await;
        let expected = Conflict::Match {
            condition: 0,
            from: Position::new(from),
            position: Position::new(expected),
            id: id(expected + 41),
            event_type: EventType::new("a"),
        };
        assert_eq!(lost, expected);
    }
}

pub(super) async fn only_what_matches_all_of_an_item_conflicts(rig: Rig) {
    rig.append(of(vec![
        event(0, "a", &["k:1"]),
        event(1, "a", &["k:2"]),
        event(2, "b", &["k:1", "k:2"]),
        event(3, "a", &["k:1", "k:3"]),
    ]))
    .await;
    let both = no_match(Query::any(vec![item(&["a"], &["k:1", "k:2"])]), 0);
    rig.append(under(of(some(10, 1, &[])), vec![both.clone()])).await;
    rig.append(of(vec![event(20, "a", &["k:2", "k:9", "k:1"])])).await;
    assert_eq!(at(&rig.conflict(some(30, 1, &[]), vec![both]).await), 5);
    let any_type = no_match(Query::any(vec![item(&[], &["k:1", "k:2"])]), 0);
    assert_eq!(at(&rig.conflict(some(30, 1, &[]), vec![any_type]).await), 2);
}

pub(super) async fn any_item_can_conflict(rig: Rig) {
    rig.append(of(vec![
        event(0, "a", &["k:1"]),
        event(1, "b", &["k:2"]),
        event(2, "c", &["k:3"]),
    ]))
    .await;
    let query = |types: [&str; 2]| Query::any(vec![item(&[types[0]], &["k:3"]), item(&[types[1]], &["k:2"])]);
    rig.append(under(of(some(10, 1, &[])), vec![no_match(query(["a", "a"]), 0)]))
        .await;
    assert_eq!(
        at(&rig
            .conflict(some(20, 1, &[]), vec![no_match(query(["c", "b"]), 0)])
            .await),
        1
    );
    assert_eq!(
        at(&rig
            .conflict(some(20, 1, &[]), vec![no_match(query(["c", "b"]), 2)])
            .await),
        2
    );
    let several = Query::any(vec![item(&["x", "c", "y"], &[])]);
    assert_eq!(
        at(&rig.conflict(some(20, 1, &[]), vec![no_match(several, 0)]).await),
        2
    );
}

pub(super) async fn every_event_conflicts_with_a_query_for_all(rig: Rig) {
    rig.append(under(of(some(0, 2, &[])), vec![no_match(Query::all(), 0)]))
        .await;
    assert_eq!(
        at(&rig
            .conflict(some(10, 1, &[]), vec![no_match(Query::all(), 1)])
            .await),
        1
    );
    rig.append(under(of(some(10, 1, &[])), vec![no_match(Query::all(), 2)]))
        .await;
}

pub(super) async fn a_correlation_can_conflict(rig: Rig) {
    let request = CorrelationId::from_uuid(Uuid::from_u128(7));
    let mut first = event(0, "a", &["k:1"]);
    first.metadata.correlation = Some(request);
    rig.append(of(vec![first])).await;
    assert_eq!(
        at(&rig
            .conflict(some(1, 1, &[]), vec![no_match(Query::correlation(request), 0)])
            .await),
        0
    );
    let other = CorrelationId::from_uuid(Uuid::from_u128(8));
    rig.append(under(
        of(some(1, 1, &[])),
        vec![no_match(Query::correlation(other), 0)],
    ))
    .await;
}

pub(super) async fn a_bound_beyond_the_end_holds(rig: Rig) {
    rig.append(of(some(0, 2, &["k:1"]))).await;
    for (number, from) in [3, u64::from(u32::MAX), u64::MAX].into_iter().enumerate() {
        let append = under(
            of(some(10 + number as u64, 1, &["k:2"])),
            vec![no_match(Query::tag(tag("k:2")), from)],
        );
        assert_eq!(rig.append(append).await.first.get(), 2 + number as u64);
    }
}

pub(super) async fn a_tag_stands_where_it_stands(rig: Rig) {
    rig.append(under(
        of(some(0, 3, &["k:1"])),
        vec![tag_at("k:1", None), tag_at("k:2", None)],
    ))
    .await;
    rig.append(of(some(10, 1, &["k:2"]))).await;
    rig.append(under(of(some(20, 1, &["k:1"])), vec![tag_at("k:1", Some(2))]))
        .await;
    for (expected, found, text) in [
        (Some(2), Some(3), "k:1"),
        (None, Some(3), "k:1"),
        (Some(0), None, "k:9"),
    ] {
        let lost = rig
            .conflict(
                some(30, 1, &["k:1"]),
                vec![tag_at("k:2", Some(0)), tag_at(text, expected)],
            )
            .await;
        let (expected, found) = (expected.map(Revision::new), found.map(Revision::new));
        assert_eq!(
            lost,
            Conflict::Tag {
                condition: 1,
                tag: tag(text),
                expected,
                found
            }
        );
    }
}

pub(super) async fn a_mark_is_what_it_is(rig: Rig) {
    let key = MarkKey::new("idempotency", "request-1");
    let with = |number, mark: Mark, expected| Append {
        events: some(number, 1, &[]),
        conditions: vec![mark_is(&key, expected)],
        marks: vec![mark],
    };
    rig.append(with(0, set(&key, "first"), None)).await;
    rig.append(with(1, set(&key, "second"), Some("first"))).await;
    for expected in [None, Some("first"), Some("")] {
        let lost = rig.conflict(some(2, 1, &[]), vec![mark_is(&key, expected)]).await;
        let found = Some(Bytes::from_static(b"second"));
        assert_eq!(
            lost,
            Conflict::Mark {
                condition: 0,
                key: key.clone(),
                found
            }
        );
    }
    rig.append(with(3, Mark::remove(key.clone()), Some("second")))
        .await;
    let lost = rig
        .conflict(some(4, 1, &[]), vec![mark_is(&key, Some("second"))])
        .await;
    assert_eq!(
        lost,
        Conflict::Mark {
            condition: 0,
            key: key.clone(),
            found: None
        }
    );
    rig.append(with(5, set(&key, ""), None)).await;
    rig.append(with(6, set(&key, "x"), Some(""))).await;
}

pub(super) async fn all_must_hold_and_the_failed_one_is_numbered(rig: Rig) {
    rig.append(of(some(0, 1, &["k:1"]))).await;
    let holds = || no_match(Query::tag(tag("k:2")), 0);
    let fails = || no_match(Query::tag(tag("k:1")), 0);
    for place in 0..4 {
        let mut conditions = vec![holds(), tag_at("k:1", Some(0)), holds()];
        conditions.insert(place, fails());
        match rig.conflict(some(1, 1, &["k:2"]), conditions).await {
            Conflict::Match { condition, .. } => assert_eq!(condition, place),
            other => panic!("{other:?}"),
        }
    }
    rig.append(under(
        of(some(1, 1, &[])),
        vec![holds(), tag_at("k:1", Some(0)), holds()],
    ))
    .await;
}

pub(super) async fn a_lost_race_leaves_nothing(rig: Rig) {
    let key = MarkKey::new("checkpoint", "a");
    rig.append(of(some(0, 1, &["k:1"]))).await;
    let lost = Append {
        events: some(1, 3, &["k:1", "k:2"]),
        conditions: vec![no_match(Query::tag(tag("k:1")), 0)],
        marks: vec![set(&key, "1")],
    };
    assert!(rig.store.append(lost).await.is_err());
    assert_eq!(
        (rig.store.end().get(), rig.all().await.len(), rig.mark(&key).await),
        (1, 1, None)
    );
    assert_eq!(
        (
            rig.revision("k:1", Position::MAX).await,
            rig.revision("k:2", Position::MAX).await
        ),
        (Some(0), None)
    );
    let again = rig.append(of(some(1, 3, &["k:2"]))).await;
    assert_eq!(
        (again.first.get(), again.duplicate),
        (1, false),
        "the ids of a lost append are free"
    );
    assert_eq!(rig.revision("k:2", Position::MAX).await, Some(2));
}

pub(super) async fn one_of_many_racers_wins(rig: Rig) {
    for round in 0..10_u64 {
        let name = format!("order:{round}");
        let racer = |n: u64| {
            let append = of(some(round * 100 + n, 2, &[&name]));
            rig.store
                .append(under(append, vec![no_match(Query::tag(tag(&name)), 0)]))
        };
        let racers: Vec<_> = (0..16).map(|n| racer(n * 2)).map(tokio::spawn).collect();
        let mut won = Vec::new();
        for racer in racers {
            match racer.await.expect("no panic") {
                Ok(appended) => won.push(appended.first.get()),
                Err(AppendError::Conflict(conflict)) => assert_eq!(at(&conflict), round * 2),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(won, [round * 2]);
    }
}

pub(super) async fn racers_on_a_revision_win_in_turn(rig: Rig) {
    let mut next = 0_u64;
    for round in 0..20_u64 {
        let expected = next.checked_sub(1);
        let racer = |n: u64| {
            rig.store.append(under(
                of(some(round * 10 + n, 1, &["k:1"])),
                vec![tag_at("k:1", expected)],
            ))
        };
        let racers: Vec<_> = (0..5).map(racer).map(tokio::spawn).collect();
        let mut won = 0;
        for racer in racers {
            won += u64::from(racer.await.expect("no panic").is_ok());
        }
        assert_eq!(won, 1, "round {round}");
        next += won;
    }
    assert_eq!(rig.revision("k:1", Position::MAX).await, Some(19));
}

pub(super) async fn racers_on_a_mark_win_once(rig: Rig) {
    let key = MarkKey::new("idempotency", "request");
    let racer = |n: u64| {
        let (events, marks) = (some(n, 1, &[]), vec![set(&key, &n.to_string())]);
        rig.store.append(Append {
            events,
            conditions: vec![mark_is(&key, None)],
            marks,
        })
    };
    let racers: Vec<_> = (0..16).map(racer).map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for racer in racers {
        answers.push(racer.await.expect("no panic"));
    }
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let value = rig.mark(&key).await;
    for answer in answers {
        match answer {
            Ok(_) => {}
            Err(AppendError::Conflict(Conflict::Mark { found, .. })) => assert_eq!(found, value),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(rig.all().await.len(), 1);
}

pub(super) async fn terms_nobody_appends_do_not_disturb(rig: Rig) {
    let item = |n: u64| item(&["never.happened"], &[&format!("nobody:{n}")]);
    let conditions = (0..50)
        .map(|n| no_match(Query::any((0..20).map(|k| item(n * 20 + k)).collect()), 0))
        .collect();
    rig.append(under(of(some(0, 1, &["k:1"])), conditions)).await;
}
