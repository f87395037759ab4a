//! The index against the filter it must equal.

use annals_core::id::CorrelationId;
use annals_core::port::store::Direction;
use annals_core::query::{Query, QueryItem};
use annals_log::disk::sim::chance::Chance;

use super::*;
use crate::record::tests::plain;

fn event(number: u32, chance: &mut Chance) -> NewEvent {
    let mut event = plain();
    event.id = EventId::from_uuid(Uuid::from_u128(u128::from(number) + 1));
    event.event_type = EventType::new(format!("type.{}", chance.below(5)));
    for kind in 0..4 {
        if chance.one_in(2) {
            event.tags.push(tag(kind, chance));
        }
    }
    if chance.one_in(3) {
        event.metadata.correlation = Some(correlation(chance));
    }
    event
}

fn tag(kind: u64, chance: &mut Chance) -> Tag {
    Tag::of(&format!("k{kind}"), chance.below(4 << (2 * kind))).unwrap()
}

fn correlation(chance: &mut Chance) -> CorrelationId {
    CorrelationId::from_uuid(Uuid::from_u128(u128::from(chance.below(20))))
}

fn item(chance: &mut Chance) -> QueryItem {
    let mut tags = Vec::new();
    for _ in 0..chance.below(3) {
        let kind = chance.below(4);
        tags.push(tag(kind, chance));
    }
    QueryItem {
        types: (0..chance.below(3))
            .map(|_| EventType::new(format!("type.{}", chance.below(6))))
            .collect(),
        tags,
        correlation: chance.one_in(5).then(|| correlation(chance)),
    }
}

fn query(chance: &mut Chance) -> Query {
    Query::any((0..chance.below(4)).map(|_| item(chance)).collect())
}

fn settled(index: &mut Index) {
    let count = index.next() - index.places.len();
    index.settle(0, (0..count).map(|n| 512 + n), 600, Timestamp::EPOCH);
}

#[test]
fn every_answer_equals_a_filter_over_all_events() {
    let mut chance = Chance::new(1);
    let mut index = Index::default();
    let events: Vec<_> = (0..1_500).map(|number| event(number, &mut chance)).collect();
    events.iter().for_each(|event| index.insert(event));
    settled(&mut index);
    let mut non_empty = 0;
    for round in 0..3_000 {
        let query = query(&mut chance);
        let from = chance.below(1_600) as u32;
        let to = chance.below(1_501) as u32;
        let limit = 1 + chance.below(40) as usize;
        let direction = if chance.one_in(2) {
            Direction::Forward
        } else {
            Direction::Backward
        };
        let mut expected: Vec<u32> = (0..to)
            .filter(|at| *at >= from && query.matches(&events[*at as usize]))
            .collect();
        if direction == Direction::Backward {
            expected.reverse();
        }
        let found = index.select(&query, Range { from, to, direction }, limit);
        assert_eq!(
            found.finished,
            expected.len() <= limit,
            "round {round}: {query:?} {from}..{to}"
        );
        expected.truncate(limit);
        assert_eq!(
            found.positions, expected,
            "round {round}: {query:?} {from}..{to} {direction:?}"
        );
        non_empty += u32::from(!expected.is_empty());
    }
    assert!(non_empty > 800, "{non_empty} rounds found something");
}

#[test]
fn withdrawn_events_leave_no_trace() {
    let mut chance = Chance::new(2);
    let mut index = Index::default();
    let kept: Vec<_> = (0..300).map(|number| event(number, &mut chance)).collect();
    kept.iter().for_each(|event| index.insert(event));
    settled(&mut index);
    let before = index.types(300);
    for round in 0..20 {
        let mut withdrawn: Vec<_> = (0..50).map(|number| event(1_000 + number, &mut chance)).collect();
        withdrawn[7].event_type = EventType::new(format!("only.{round}"));
        withdrawn.iter().for_each(|event| index.insert(event));
        assert_eq!(index.position_of(withdrawn[49].id), Some(349));
        index.withdraw();
        assert_eq!((index.next(), index.position_of(withdrawn[0].id)), (300, None));
    }
    assert_eq!(index.types(u32::MAX), before);
    assert_eq!(index.type_count(u32::MAX), before.len());
    for (position, event) in kept.iter().enumerate() {
        assert_eq!(index.position_of(event.id), Some(position as u32));
        for tag in &event.tags {
            let expected = kept.iter().filter(|other| other.tags.contains(tag)).count();
            assert_eq!(index.tagged(tag, u32::MAX), expected);
        }
    }
}

#[test]
fn what_an_event_is_can_be_asked() {
    let mut chance = Chance::new(3);
    let mut index = Index::default();
    let events: Vec<_> = (0..40).map(|number| event(number, &mut chance)).collect();
    events.iter().for_each(|event| index.insert(event));
    for (position, event) in events.iter().enumerate() {
        assert_eq!(index.id_at(position as u32), Some(event.id));
        assert_eq!(index.type_of(position as u32), Some(event.event_type.clone()));
    }
    assert_eq!((index.id_at(40), index.type_of(40)), (None, None));
    let first_of_its_type = &events[0].event_type;
    assert_eq!(
        (index.type_count(1), index.types(1)[0].event_type.clone()),
        (1, first_of_its_type.clone())
    );
}
