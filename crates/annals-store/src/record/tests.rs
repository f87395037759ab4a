//! The way out and back, and bytes nobody wrote.

use annals_core::event::{EventType, Metadata, Origin};
use annals_core::id::{CorrelationId, EventId};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_log::disk::sim::chance::Chance;
use uuid::Uuid;

use super::*;
use crate::index::Termed;

/// An event in which everything is set.
pub(crate) fn full() -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(0x0123_4567_89AB_7DEF_8123_4567_89AB_CDEF)),
        event_type: EventType::from_static("order.placed"),
        version: 7,
        purpose: Purpose::Command,
        visibility: Visibility::Private,
        tags: vec![Tag::new("order:42").unwrap(), Tag::new("customer:ä ö").unwrap()],
        occurred: Some(Timestamp::from_micros(-12)),
        metadata: Metadata {
            correlation: Some(CorrelationId::from_uuid(Uuid::from_u128(5))),
            causation: Some(EventId::from_uuid(Uuid::from_u128(6))),
            trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            actor: Some("clerk".into()),
            service: Some("orders".into()),
            topic: Some("payments.commands".into()),
            origin: Some(Origin {
                service: "shop".into(),
                position: Position::new(u64::MAX),
                recorded: Timestamp::from_micros(99),
            }),
        },
        data: Bytes::from_static(b"{\"total\":12}"),
    }
}

/// An event in which nothing is set that need not be.
pub(crate) fn plain() -> NewEvent {
    NewEvent {
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: Vec::new(),
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::new(),
        ..full()
    }
}

fn event_out(event: &NewEvent) -> Bytes {
    let mut out = Vec::new();
    write_event(event, &mut out);
    out.into()
}

fn mark_out(mark: &Mark) -> Bytes {
    let mut out = Vec::new();
    write_mark(mark, &mut out);
    out.into()
}

#[test]
fn events_come_back_as_they_went_out() {
    for event in [full(), plain()] {
        let body = event_out(&event);
        assert_eq!(body.len(), event_bytes(&event));
        let back = read_event(&body).unwrap();
        assert_eq!(back, event);
        let shared = body.len() - event.data.len();
        if !back.data.is_empty() {
            assert_eq!(back.data.as_ptr(), body[shared..].as_ptr(), "without copying");
        }
    }
}

/// What an event is found by, in words.
fn names(event: &impl Termed) -> (EventId, String, Vec<String>, Option<CorrelationId>) {
    let tags = event.tags().map(str::to_owned).collect();
    (
        event.id(),
        event.type_name().to_owned(),
        tags,
        event.correlation(),
    )
}

#[test]
fn what_an_event_is_found_by_is_read_from_its_bytes() {
    for event in [full(), plain()] {
        assert_eq!(names(&read_named(&event_out(&event)).unwrap()), names(&event));
    }
    let body = event_out(&full());
    for length in 0..body.len() {
        assert!(read_named(&body.slice(..length)).is_err(), "{length} bytes");
    }
    let mark = mark_out(&Mark::remove(MarkKey::new("a", "b")));
    assert!(read_named(&mark).unwrap_err().contains("kind 2"));
}

#[test]
fn what_is_no_event_is_told_by_what_it_is() {
    let told = |body: &[u8]| read_named(body).unwrap_err();
    let body = event_out(&plain());
    let mut unknown = body.to_vec();
    unknown[2] = 4;
    assert_eq!(told(&unknown), "unknown fields, presence 0x0400");
    assert_eq!(told(&body[..20]), "20 bytes of an event");
    assert_eq!(told(&body[..2]), "a field of 2 bytes at byte 1 of a record of 2");
    assert_eq!(told(&[MARK; 40]), "a record of kind 2 where an event should be");
}

#[test]
fn a_view_says_how_many_tags_are_left_and_how_many_bytes_a_copy_takes() {
    let body = event_out(&full());
    let view = read_named(&body).unwrap();
    let mut tags = view.tags();
    for left in [2, 1, 0] {
        assert_eq!((tags.len(), tags.size_hint()), (left, (left, Some(left))));
        assert_eq!(tags.next().is_some(), left > 0);
    }
    assert_eq!(view.to_stored().bytes(), body.len());
}

#[test]
fn every_single_field_comes_back_alone() {
    let rich = full();
    for field in 0..8 {
        let mut event = plain();
        let (meta, from) = (&mut event.metadata, &rich.metadata);
        match field {
            0 => meta.correlation = from.correlation,
            1 => meta.causation = from.causation,
            2 => meta.trace_parent.clone_from(&from.trace_parent),
            3 => meta.actor.clone_from(&from.actor),
            4 => meta.service.clone_from(&from.service),
            5 => meta.topic.clone_from(&from.topic),
            6 => meta.origin.clone_from(&from.origin),
            _ => event.occurred = rich.occurred,
        }
        let body = event_out(&event);
        assert_eq!(read_event(&body).unwrap(), event, "field {field}");
        assert_eq!(names(&read_named(&body).unwrap()), names(&event), "field {field}");
    }
}

#[test]
fn the_bytes_are_the_documented_ones() {
    let body = event_out(&plain());
    assert_eq!(body[..8], [1, 0, 0, 12, 7, 0, 0, 0]);
    assert_eq!(&body[28..], b"order.placed");
    let mark = Mark::set(MarkKey::new("checkpoint", "relay"), "9");
    assert_eq!(
        &mark_out(&mark)[..],
        b"\x02\x01\x0a\0\x05\0\x01\0\0\0checkpointrelay9"
    );
}

#[test]
fn marks_come_back_as_they_went_out() {
    let key = MarkKey::new("timer", "ä");
    for mark in [
        Mark::set(key.clone(), "value"),
        Mark::set(key.clone(), ""),
        Mark::remove(key),
    ] {
        let body = mark_out(&mark);
        assert_eq!(body.len(), mark_bytes(&mark));
        assert_eq!(read_mark(&body).unwrap(), mark);
        assert!(read_event(&body).is_err());
    }
    assert!(read_mark(&event_out(&plain())).is_err());
}

#[test]
fn a_shortened_or_lengthened_body_is_refused() {
    let body = event_out(&full());
    for length in 0..body.len() {
        assert!(read_event(&body.slice(..length)).is_err(), "{length} bytes");
    }
    let mut longer = body.to_vec();
    longer.push(0);
    assert!(read_event(&longer.into()).is_err());
    let mark = mark_out(&Mark::set(MarkKey::new("a", "b"), "c"));
    for length in 0..mark.len() {
        assert!(read_mark(&mark.slice(..length)).is_err(), "{length} bytes");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut chance = Chance::new(3);
    let whole = event_out(&full());
    let (mut refused, rounds) = (0, 30_000);
    for _ in 0..rounds {
        let mut bytes = whole.to_vec();
        for _ in 0..=chance.below(6) {
            let at = chance.below(bytes.len() as u64) as usize;
            bytes[at] = chance.number() as u8;
        }
        bytes.truncate(chance.below(bytes.len() as u64 * 2) as usize);
        let body = Bytes::from(bytes.clone());
        let event = read_event(&body);
        refused += u32::from(event.is_err());
        if let Ok(event) = event {
            let named = read_named(&body).expect("what can be read whole has its names");
            assert_eq!(names(&named), names(&event));
        }
        if let Some(kind) = bytes.first_mut() {
            *kind = MARK;
        }
        refused += u32::from(read_mark(&Bytes::from(bytes)).is_err());
    }
    assert!(refused > rounds, "{refused} refused");
}
