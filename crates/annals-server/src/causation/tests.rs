use annals_core::event::{EventType, Metadata, NewEvent, Origin, Purpose, Visibility};
use bytes::Bytes;
use uuid::Uuid;

use super::*;

fn id(number: u128) -> EventId {
    EventId::from_uuid(Uuid::from_u128(number))
}

fn record(number: u128, cause: Option<u128>, at: i64) -> RecordedEvent {
    RecordedEvent {
        position: Position::new(at.unsigned_abs()),
        recorded: Timestamp::from_micros(at),
        event: NewEvent {
            id: id(number),
            event_type: EventType::from_static("a.thing"),
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags: Vec::new(),
            occurred: None,
            metadata: Metadata {
                causation: cause.map(id),
                ..Metadata::default()
            },
            data: Bytes::new(),
        },
    }
}

fn copy(of: &RecordedEvent, at: i64) -> RecordedEvent {
    let mut copy = record(0, None, at);
    copy.event = of.event.clone();
    copy.event.metadata.origin = Some(Origin {
        service: "orders".into(),
        position: of.position,
        recorded: of.recorded,
    });
    copy
}

fn shape(gathering: Gathering) -> (Vec<(u128, usize)>, Vec<u128>) {
    let forest = gathering.forest();
    let nodes = forest
        .nodes
        .iter()
        .map(|node| (node.record.id.as_uuid().as_u128(), node.depth))
        .collect();
    (
        nodes,
        forest
            .unresolved
            .iter()
            .map(|id| id.as_uuid().as_u128())
            .collect(),
    )
}

#[test]
fn causes_stand_before_effects_and_siblings_in_order_of_time() {
    let mut gathering = Gathering::default();
    let (orders, stock) = ("orders".into(), "stock".into());
    for late_first in [
        record(5, Some(2), 50),
        record(4, Some(1), 30),
        record(3, Some(2), 40),
        record(2, Some(1), 20),
    ] {
        gathering.add(&stock, late_first);
    }
    gathering.add(&orders, record(1, None, 10));
    assert_eq!(
        shape(gathering),
        (vec![(1, 0), (2, 1), (3, 2), (5, 2), (4, 1)], vec![])
    );
}

#[test]
fn copies_are_gathered_under_the_original_whichever_comes_first() {
    let original = record(1, None, 10);
    for copy_first in [true, false] {
        let mut gathering = Gathering::default();
        let (orders, recorder) = (SmolStr::new("orders"), SmolStr::new("recorder"));
        if copy_first {
            gathering.add(&recorder, copy(&original, 90));
        }
        gathering.add(&orders, original.clone());
        if !copy_first {
            gathering.add(&recorder, copy(&original, 90));
        }
        assert_eq!(gathering.len(), 1);
        let forest = gathering.forest();
        let node = &forest.nodes[0];
        assert_eq!(
            (node.at.service.as_str(), node.record.metadata.origin.is_none()),
            ("orders", true)
        );
        assert_eq!(
            node.copies
                .iter()
                .map(|copy| copy.service.as_str())
                .collect::<Vec<_>>(),
            ["recorder"]
        );
        assert_eq!(by_service(&forest), BTreeMap::from([("orders".into(), 1)]));
    }
}

#[test]
fn missing_causes_are_named_and_circles_lose_nothing() {
    let mut gathering = Gathering::default();
    let orders = "orders".into();
    gathering.add(&orders, record(1, Some(99), 10));
    gathering.add(&orders, record(2, Some(1), 20));
    gathering.add(&orders, record(3, Some(4), 30));
    gathering.add(&orders, record(4, Some(3), 40));
    gathering.add(&orders, record(5, Some(5), 50));
    let expected = vec![(1, 0), (2, 1), (3, 0), (4, 1), (5, 0)];
    assert_eq!(shape(gathering), (expected, vec![99]));
}

#[test]
fn a_long_chain_does_not_exhaust_the_stack() {
    let mut gathering = Gathering::default();
    let orders = "orders".into();
    for number in 1..50_000 {
        gathering.add(
            &orders,
            record(number, (number > 1).then_some(number - 1), number as i64),
        );
    }
    assert_eq!(gathering.forest().nodes.last().unwrap().depth, 49_998);
}
