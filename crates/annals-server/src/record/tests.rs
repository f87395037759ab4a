use annals_core::event::{EventType, Metadata};
use annals_core::id::EventId;
use bytes::Bytes;

use super::*;

fn record(data: &'static [u8]) -> RecordedEvent {
    RecordedEvent {
        position: Position::new(7),
        recorded: Timestamp::from_micros(1_500_000),
        event: NewEvent {
            id: EventId::from_uuid(uuid::Uuid::nil()),
            event_type: EventType::from_static("order.placed"),
            version: 2,
            purpose: Purpose::Event,
            visibility: Visibility::Private,
            tags: vec![Tag::new("order:42").unwrap()],
            occurred: None,
            metadata: Metadata {
                actor: Some("ann".into()),
                ..Metadata::default()
            },
            data: Bytes::from_static(data),
        },
    }
}

#[test]
fn shows_what_there_is_and_leaves_out_what_is_not() {
    let record = record(b"{\"total\": 12345678901234567890.10}");
    let text = serde_json::to_string(&EventBody::of(&record)).unwrap();
    assert_eq!(
        text,
        "{\"id\":\"00000000-0000-0000-0000-000000000000\",\"type\":\"order.placed\",\"version\":2,\
         \"tags\":[\"order:42\"],\"position\":7,\"recorded\":\"1970-01-01T00:00:01.5Z\",\"actor\":\"ann\",\
         \"visibility\":\"private\",\"purpose\":\"event\",\"data\":{\"total\": 12345678901234567890.10}}"
    );
}

#[test]
fn content_that_is_not_json_is_base64() {
    let record = record(b"\xff\x00{");
    let shown = serde_json::to_value(EventBody::of(&record)).unwrap();
    assert_eq!(shown["data_base64"], "/wB7");
    assert!(shown.get("data").is_none());
}

#[test]
fn base64_pads_as_the_rfc_says() {
    let vectors = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("foobar", "Zm9vYmFy"),
    ];
    for (plain, encoded) in vectors {
        assert_eq!(base64(plain.as_bytes()), encoded);
    }
}
