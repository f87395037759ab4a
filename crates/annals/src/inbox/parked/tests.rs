use annals_core::event::{EventType, Metadata, Purpose, Visibility};

use super::*;
use crate::ground::world::World;

fn message(data: &'static [u8]) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(uuid::Uuid::from_u128(9)),
        event_type: EventType::from_static("fees.take"),
        version: 3,
        purpose: Purpose::Command,
        visibility: Visibility::Public,
        tags: vec![
            Tag::of("student", "ann").unwrap(),
            Tag::of("course", "maths").unwrap(),
        ],
        occurred: Some(Timestamp::from_micros(5)),
        metadata: Metadata {
            actor: Some("clerk".into()),
            topic: Some("fees.commands".into()),
            ..Metadata::default()
        },
        data: Bytes::from_static(data),
    }
}

fn parked(message: &NewEvent) -> Parked {
    Parked {
        id: message.id,
        message: SmolStr::new(message.event_type.as_str()),
        topic: "fees.commands".into(),
        key: message.partition_tag().cloned(),
        reason: "there is a dog".into(),
        attempts: 3,
        at: Timestamp::from_micros(6),
        position: Some(Position::new(4)),
    }
}

#[test]
fn what_is_kept_comes_back_byte_for_byte() {
    let recording = Recording {
        service: "fees".into(),
        world: World::default(),
    };
    for data in [
        &b"{\"a\":1}"[..],
        b"\xff\x00\xfe",
        b"",
        "ünïcode \u{7}".as_bytes(),
    ] {
        let message = message(data);
        let kept = keep(&recording, &message, parked(&message));
        assert_eq!(
            (kept.event_type.clone(), kept.visibility),
            (MESSAGE_PARKED, Visibility::Private)
        );
        assert_eq!(kept.metadata.causation, Some(message.id));
        let read: Kept = serde_json::from_slice(&kept.data).unwrap();
        let (description, again) = restore(message.id, read);
        assert_eq!(again, message);
        assert_eq!(description, parked(&message));
    }
}

#[test]
fn the_mark_tells_what_is_listed() {
    let message = message(b"{}");
    let mark = parked(&message).mark();
    assert_eq!(mark.key, mark_key(message.id));
    let read: Parked = serde_json::from_slice(&mark.value.unwrap()).unwrap();
    assert_eq!(read, parked(&message));
}
