//! What the power cuts and the failing operations are tried on: events, queries, marks and conditions, by a seed.

use annals_core::condition::Condition;
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::mark::{Mark, MarkKey};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_store::disk::sim::chance::Chance;
use bytes::Bytes;
use uuid::Uuid;

use super::oracle::Model;

pub(super) fn tag(chance: &mut Chance) -> Tag {
    Tag::of(["order", "sku"][chance.below(2) as usize], chance.below(4)).unwrap()
}

fn mark_key(chance: &mut Chance) -> MarkKey {
    MarkKey::new(
        ["checkpoint", "timer"][chance.below(2) as usize],
        format!("m{}", chance.below(3)),
    )
}

pub(super) fn query(chance: &mut Chance) -> Query {
    if chance.one_in(8) {
        return Query::all();
    }
    let mut item = QueryItem {
        tags: vec![tag(chance)],
        ..QueryItem::default()
    };
    if chance.one_in(3) {
        item.types.to_mut().push(event_type(chance));
    }
    if chance.one_in(4) {
        item.tags.push(tag(chance));
    }
    let mut items = vec![item];
    if chance.one_in(4) {
        items.push(QueryItem {
            tags: vec![tag(chance)],
            ..QueryItem::default()
        });
    }
    Query::any(items)
}

fn event_type(chance: &mut Chance) -> EventType {
    [
        EventType::from_static("placed"),
        EventType::from_static("paid"),
        EventType::from_static("sent"),
    ][chance.below(3) as usize]
        .clone()
}

pub(super) fn event(number: u64, chance: &mut Chance) -> NewEvent {
    let mut tags = vec![tag(chance), tag(chance)];
    tags.dedup();
    let request = CorrelationId::from_uuid(Uuid::from_u128(u128::from(chance.below(6))));
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(u128::from(number))),
        event_type: event_type(chance),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags,
        occurred: None,
        metadata: Metadata {
            correlation: Some(request),
            ..Metadata::default()
        },
        data: Bytes::from(vec![number as u8; chance.below(500) as usize]),
    }
}

pub(super) fn mark(chance: &mut Chance) -> Mark {
    let key = mark_key(chance);
    if chance.one_in(4) {
        Mark::remove(key)
    } else {
        Mark::set(key, chance.number().to_string())
    }
}

/// Mostly one that holds.
pub(super) fn condition(model: &Model, chance: &mut Chance) -> Condition {
    match chance.below(3) {
        0 => {
            let back = if chance.one_in(4) { chance.below(5) } else { 0 };
            Condition::NoMatch {
                query: query(chance),
                from: Position::new(model.end().get().saturating_sub(back)),
            }
        }
        1 => {
            let tag = tag(chance);
            let expected = if chance.one_in(5) {
                None
            } else {
                model.revision(&tag)
            };
            Condition::TagAt { tag, expected }
        }
        _ => {
            let key = mark_key(chance);
            let expected = if chance.one_in(5) {
                None
            } else {
                model.marks.get(&key).cloned()
            };
            Condition::MarkIs { key, expected }
        }
    }
}
