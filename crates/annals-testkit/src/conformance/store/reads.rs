//! Reads: pages, ranges, directions, queries.

use annals_core::event::NewEvent;
use annals_core::id::CorrelationId;
use annals_core::port::store::{Direction, Read};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use uuid::Uuid;

use super::kit::{Dice, Rig, event, item, of, positions, some, tag};

fn at(position: u64) -> Position {
    Position::new(position)
}

pub(super) async fn an_empty_store_answers(rig: Rig) {
    for query in [Query::all(), Query::tag(tag("k:1"))] {
        let forward = rig.page(Read::new(query.clone(), Position::ZERO)).await;
        assert_eq!(
            (forward.events.len(), forward.next, forward.finished),
            (0, Position::ZERO, true)
        );
        let backward = rig.page(Read::new(query, Position::ZERO).backward()).await;
        assert_eq!(
            (backward.events.len(), backward.next, backward.finished),
            (0, Position::ZERO, true)
        );
    }
}

pub(super) async fn pages_follow_each_other_forward(rig: Rig) {
    rig.append(of(some(0, 10, &["k:1"]))).await;
    let (mut from, mut seen) = (Position::ZERO, Vec::new());
    for expected in [(4, 4, false), (4, 8, false), (2, 10, true)] {
        let page = rig.page(Read::new(Query::all(), from).limit(4)).await;
        assert_eq!((page.events.len(), page.next.get(), page.finished), expected);
        seen.extend(positions(&page.events));
        from = page.next;
    }
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    let page = rig.page(Read::new(Query::all(), from)).await;
    assert_eq!((page.events.len(), page.next, page.finished), (0, at(10), true));
    let exactly = rig.page(Read::new(Query::all(), at(5)).limit(5)).await;
    assert_eq!(
        (exactly.events.len(), exactly.next, exactly.finished),
        (5, at(10), true),
        "the last page knows it"
    );
    let least = rig.page(Read::new(Query::all(), at(5)).limit(0)).await;
    assert_eq!(positions(&least.events), [5], "at least one");
    let beyond = rig.page(Read::new(Query::all(), at(99))).await;
    assert_eq!(
        (beyond.events.len(), beyond.next, beyond.finished),
        (0, at(99), true)
    );
}

pub(super) async fn pages_follow_each_other_backward(rig: Rig) {
    rig.append(of(some(0, 10, &["k:1"]))).await;
    let (mut to, mut seen) = (Position::MAX, Vec::new());
    for expected in [(4, 6, false), (4, 2, false), (2, 0, true)] {
        let page = rig
            .page(Read::new(Query::all(), Position::ZERO).to(to).limit(4).backward())
            .await;
        assert_eq!((page.events.len(), page.next.get(), page.finished), expected);
        seen.extend(positions(&page.events));
        to = page.next;
    }
    assert_eq!(seen, (0..10).rev().collect::<Vec<_>>());
    let exactly = rig.page(Read::new(Query::all(), at(7)).limit(3).backward()).await;
    assert_eq!(
        (positions(&exactly.events), exactly.next, exactly.finished),
        (vec![9, 8, 7], at(7), true)
    );
}

pub(super) async fn a_range_bounds_the_answer(rig: Rig) {
    rig.append(of(some(0, 20, &["k:1"]))).await;
    for (from, to) in [(0, 20), (3, 7), (7, 7), (9, 3), (15, 99), (19, 20), (20, 30)] {
        let expected: Vec<u64> = (from..to.min(20)).collect();
        for query in [Query::all(), Query::tag(tag("k:1"))] {
            let forward = rig.page(Read::new(query.clone(), at(from)).to(at(to))).await;
            assert_eq!(positions(&forward.events), expected, "{from}..{to}");
            assert!(forward.finished && forward.next >= at(from));
            let mut backward = positions(
                &rig.page(Read::new(query, at(from)).to(at(to)).backward())
                    .await
                    .events,
            );
            backward.reverse();
            assert_eq!(backward, expected, "{from}..{to} backward");
        }
    }
}

pub(super) async fn a_page_is_bounded_in_bytes_and_never_empty(rig: Rig) {
    let mut events = some(0, 8, &["k:1"]);
    events
        .iter_mut()
        .for_each(|event| event.data = vec![1; 1_000].into());
    rig.append(of(events)).await;
    for (bytes, expected) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (3_000, 3), (100_000, 8)] {
        let read = Read {
            bytes,
            ..Read::new(Query::all(), Position::ZERO)
        };
        let page = rig.page(read.clone()).await;
        assert_eq!(
            (page.events.len(), page.next.get(), page.finished),
            (expected, expected as u64, expected == 8)
        );
        let page = rig.page(read.backward()).await;
        assert_eq!(
            (page.events.len(), page.next.get(), page.finished),
            (expected, 8 - expected as u64, expected == 8)
        );
    }
}

pub(super) async fn a_page_moves_on_where_nothing_matches(rig: Rig) {
    rig.append(of(some(0, 5, &["k:1"]))).await;
    rig.append(of(some(10, 1, &["k:2"]))).await;
    rig.append(of(some(20, 5, &["k:1"]))).await;
    let query = Query::tag(tag("k:2"));
    let page = rig.page(Read::new(query.clone(), Position::ZERO)).await;
    assert_eq!(
        (positions(&page.events), page.next, page.finished),
        (vec![5], at(11), true)
    );
    let page = rig.page(Read::new(query.clone(), at(6)).to(at(9))).await;
    assert_eq!((page.events.len(), page.next, page.finished), (0, at(9), true));
    let page = rig.page(Read::new(query, at(1)).to(at(4)).backward()).await;
    assert_eq!((page.events.len(), page.next, page.finished), (0, at(1), true));
}

pub(super) async fn types_tags_and_correlation_select(rig: Rig) {
    let request = CorrelationId::from_uuid(Uuid::from_u128(3));
    let mut events = vec![
        event(0, "a", &["k:1"]),
        event(1, "b", &["k:1", "k:2"]),
        event(2, "a", &["k:2"]),
        event(3, "c", &[]),
        event(4, "a", &["k:2", "k:1"]),
    ];
    events[1].metadata.correlation = Some(request);
    events[4].metadata.correlation = Some(request);
    rig.append(of(events)).await;
    let correlated = QueryItem {
        correlation: Some(request),
        ..item(&["a"], &["k:1"])
    };
    let cases: [(Query, &[u64]); 12] = [
        (Query::all(), &[0, 1, 2, 3, 4]),
        (Query::any(vec![QueryItem::default()]), &[0, 1, 2, 3, 4]),
        (Query::any(vec![item(&["a"], &[])]), &[0, 2, 4]),
        (Query::any(vec![item(&["c", "b", "c"], &[])]), &[1, 3]),
        (Query::tag(tag("k:1")), &[0, 1, 4]),
        (Query::any(vec![item(&[], &["k:1", "k:2"])]), &[1, 4]),
        (Query::any(vec![item(&["a", "c"], &["k:2"])]), &[2, 4]),
        (
            Query::any(vec![item(&["b"], &[]), item(&[], &["k:1"])]),
            &[0, 1, 4],
        ),
        (Query::correlation(request), &[1, 4]),
        (Query::any(vec![correlated]), &[4]),
        (Query::any(vec![item(&["nobody"], &["k:1"])]), &[]),
        (
            Query::any(vec![item(&["a"], &["nobody:1"]), item(&["c"], &[])]),
            &[3],
        ),
    ];
    for (query, expected) in cases {
        assert_eq!(
            positions(&rig.matching(query.clone()).await),
            expected,
            "{query:?}"
        );
    }
}

fn any_event(number: u64, dice: &mut Dice) -> NewEvent {
    let mut event = event(number, ["a", "b", "c", "d"][dice.below(4) as usize], &[]);
    for kind in 0..3 {
        if dice.below(2) == 0 {
            event
                .tags
                .push(tag(&format!("k{kind}:{}", dice.below(3 + kind * 5))));
        }
    }
    if dice.below(3) == 0 {
        event.metadata.correlation = Some(CorrelationId::from_uuid(Uuid::from_u128(u128::from(
            dice.below(5),
        ))));
    }
    event
}

fn any_query(dice: &mut Dice) -> Query {
    let mut items = Vec::new();
    for _ in 0..dice.below(4) {
        let mut item = item(&[], &[]);
        for _ in 0..dice.below(3) {
            item.types.to_mut().push(
                ["a", "b", "c", "e"].map(annals_core::event::EventType::new)[dice.below(4) as usize].clone(),
            );
        }
        for _ in 0..dice.below(3) {
            let kind = dice.below(3);
            item.tags
                .push(tag(&format!("k{kind}:{}", dice.below(3 + kind * 5))));
        }
        if dice.below(5) == 0 {
            item.correlation = Some(CorrelationId::from_uuid(Uuid::from_u128(u128::from(
                dice.below(6),
            ))));
        }
        items.push(item);
    }
    Query::any(items)
}

/// A history and what was appended to it.
async fn history(rig: &Rig, dice: &mut Dice) -> Vec<NewEvent> {
    let events: Vec<_> = (0..200).map(|number| any_event(number, dice)).collect();
    for group in events.chunks(7) {
        rig.append(of(group.to_vec())).await;
    }
    events
}

fn filtered(events: &[NewEvent], query: &Query, from: u64, to: u64, direction: Direction) -> Vec<u64> {
    let inside = (from..to.min(events.len() as u64)).filter(|at| query.matches(&events[*at as usize]));
    if direction == Direction::Forward {
        inside.collect()
    } else {
        inside.rev().collect()
    }
}

pub(super) async fn any_query_equals_a_filter(rig: Rig) {
    let dice = &mut Dice::new(1);
    let events = history(&rig, dice).await;
    for round in 0..400 {
        let (query, from, to) = (any_query(dice), dice.below(210), dice.below(210));
        let direction = [Direction::Forward, Direction::Backward][dice.below(2) as usize];
        let limit = 1 + dice.below(30) as usize;
        let read = Read {
            direction,
            ..Read::new(query.clone(), at(from)).to(at(to)).limit(limit)
        };
        let page = rig.page(read).await;
        let mut expected = filtered(&events, &query, from, to, direction);
        assert_eq!(page.finished, expected.len() <= limit, "round {round}: {query:?}");
        expected.truncate(limit);
        assert_eq!(
            positions(&page.events),
            expected,
            "round {round}: {query:?} {from}..{to} {direction:?}"
        );
        assert!(
            page.events
                .iter()
                .all(|found| found.event == events[found.position.get() as usize])
        );
    }
}

pub(super) async fn walking_in_pages_equals_a_filter(rig: Rig) {
    let dice = &mut Dice::new(2);
    let events = history(&rig, dice).await;
    for _ in 0..60 {
        let query = any_query(dice);
        for direction in [Direction::Forward, Direction::Backward] {
            let (mut from, mut to, mut seen) = (Position::ZERO, Position::MAX, Vec::new());
            loop {
                let limit = 1 + dice.below(9) as usize;
                let page = rig
                    .page(Read {
                        direction,
                        ..Read::new(query.clone(), from).to(to).limit(limit)
                    })
                    .await;
                seen.extend(positions(&page.events));
                match direction {
                    _ if page.finished => break,
                    Direction::Forward => from = page.next,
                    Direction::Backward => to = page.next,
                }
            }
            assert_eq!(
                seen,
                filtered(&events, &query, 0, u64::MAX, direction),
                "{query:?} {direction:?}"
            );
        }
    }
}
