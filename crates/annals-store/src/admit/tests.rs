//! Every refusal is produced once, beside the nearest thing that is taken.

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, limits};
use annals_core::tag::Tag;
use bytes::Bytes;
use uuid::Uuid;

use super::{check, record};

fn event(id: u128) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(id)),
        event_type: EventType::from_static("thing.happened"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![Tag::new("thing:1").unwrap()],
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::from_static(b"{}"),
    }
}

fn of(events: Vec<NewEvent>) -> Append {
    Append {
        events,
        ..Append::default()
    }
}

fn reason(append: &Append) -> String {
    match check(append) {
        Err(AppendError::Invalid(reason)) => reason,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[test]
fn nothing_at_all_is_refused() {
    assert!(reason(&Append::default()).contains("found neither"));
}

#[test]
fn marks_alone_are_taken() {
    let marks = vec![Mark::set(MarkKey::new("checkpoint", "a"), "1")];
    assert!(
        check(&Append {
            marks,
            ..Append::default()
        })
        .is_ok()
    );
}

#[test]
fn an_id_twice_is_refused() {
    assert!(reason(&of(vec![event(1), event(2), event(1)])).contains("stands twice"));
    assert!(reason(&of(vec![event(1), event(1)])).contains("event 1: its id"));
    assert!(check(&of(vec![event(1), event(2)])).is_ok());
}

#[test]
fn a_tag_twice_is_refused_in_short_and_long_lists() {
    let mut short = event(1);
    short.tags.push(short.tags[0].clone());
    assert!(reason(&of(vec![short])).contains("thing:1 stands twice"));
    let mut long = event(1);
    long.tags = (0..40).map(|n| Tag::of("thing", n % 39).unwrap()).collect();
    assert!(reason(&of(vec![long])).contains("thing:0 stands twice"));
}

#[test]
fn sizes_are_held_to_their_limits() {
    let mut data = event(1);
    data.data = Bytes::from(vec![0; limits::EVENT_DATA_BYTES_MAX]);
    assert!(check(&of(vec![data.clone()])).is_ok());
    data.data = Bytes::from(vec![0; limits::EVENT_DATA_BYTES_MAX + 1]);
    assert!(reason(&of(vec![data])).contains("bytes of content"));

    let mut tags = event(1);
    tags.tags = (0..=limits::EVENT_TAGS_MAX)
        .map(|n| Tag::of("t", n).unwrap())
        .collect();
    assert!(reason(&of(vec![tags.clone()])).contains("tags, found"));
    tags.tags.pop();
    assert!(check(&of(vec![tags])).is_ok());

    let mut wide = event(1);
    wide.tags = (0..200)
        .map(|n| Tag::of("t", format!("{n:0500}")).unwrap())
        .collect();
    assert!(reason(&of(vec![wide])).contains("bytes of tags"));

    let mut meta = event(1);
    meta.metadata.actor = Some("a".repeat(super::METADATA_TEXT_BYTES_MAX + 1).into());
    assert!(reason(&of(vec![meta])).contains("bytes of actor"));

    let value = vec![0; limits::MARK_VALUE_BYTES_MAX + 1];
    let marks = vec![Mark::set(MarkKey::new("space", "name"), value)];
    assert!(
        reason(&Append {
            marks,
            ..Append::default()
        })
        .contains("bytes of value")
    );
    let marks = vec![Mark::remove(MarkKey::new("s".repeat(1_024), "n"))];
    assert!(
        reason(&Append {
            marks,
            ..Append::default()
        })
        .contains("space and name")
    );
}

#[test]
fn the_sum_of_an_append_is_limited() {
    let heavy = |n| {
        let mut event = event(n);
        event.data = Bytes::from(vec![0; limits::EVENT_DATA_BYTES_MAX - 1_000]);
        event
    };
    assert!(check(&of((0..4).map(heavy).collect())).is_ok());
    assert!(reason(&of((0..5).map(heavy).collect())).contains("bytes in one append"));
    let mut events: Vec<NewEvent> = (0..=65_536).map(event).collect();
    assert!(reason(&of(events.clone())).contains("events, found 65537"));
    events.pop();
    assert!(check(&of(events)).is_ok());

    // To the byte.
    let mut events: Vec<NewEvent> = (0..4).map(heavy).collect();
    let bytes: usize = events.iter().map(record::event_bytes).sum();
    let mut last = event(9);
    let most = limits::APPEND_BYTES_MAX - bytes;
    while record::event_bytes(&last) < most {
        let missing = most - record::event_bytes(&last);
        last.data = Bytes::from(vec![0; last.data.len() + missing]);
    }
    assert_eq!(record::event_bytes(&last), most);
    events.push(last.clone());
    assert!(check(&of(events.clone())).is_ok());
    last.data = Bytes::from(vec![0; last.data.len() + 1]);
    events[4] = last;
    assert!(reason(&of(events)).contains("bytes in one append"));
}

#[test]
fn a_type_without_a_name_is_refused() {
    let mut nameless = event(1);
    nameless.event_type = EventType::new("");
    assert!(reason(&of(vec![nameless])).contains("type name"));
}
