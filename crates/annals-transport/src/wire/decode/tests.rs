use annals_core::id::CorrelationId;
use annals_core::time::Timestamp;

use super::*;
use crate::wire::encode;

fn incoming(headers: &[(&str, &str)], data: &str) -> Incoming<'static> {
    Incoming {
        topic: "orders".into(),
        attributes: Attributes::among(
            headers
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned().into())),
            &["ce_", "ce-"],
        ),
        content_type: None,
        key: None,
        place: Place::Named("7".into()),
        data: Bytes::copy_from_slice(data.as_bytes()),
    }
}

fn full() -> Message {
    Message {
        topic: "orders".into(),
        event: NewEvent {
            id: EventId::from_uuid(Uuid::from_u128(7)),
            event_type: EventType::from_static("order.placed"),
            version: 3,
            purpose: Purpose::Command,
            visibility: Visibility::Private,
            tags: ["order:42", "sku:Ä:b c"].map(|tag| Tag::new(tag).unwrap()).into(),
            occurred: Some(Timestamp::from_micros(-1)),
            metadata: Metadata {
                correlation: Some(CorrelationId::from_uuid(Uuid::from_u128(1))),
                causation: Some(EventId::from_uuid(Uuid::from_u128(2))),
                trace_parent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
                actor: Some("ann: \\ ü".into()),
                service: Some("orders".into()),
                topic: Some("elsewhere".into()),
                origin: Some(Origin {
                    service: "orders".into(),
                    position: Position::new(9),
                    recorded: Timestamp::from_micros(1_291_191_960_000_001),
                }),
            },
            data: Bytes::from_static(&[0, 255]),
        },
    }
}

fn again(message: &Message, prefix: &str) -> Message {
    let encoded = encode(message).unwrap();
    decode(Incoming {
        topic: message.topic.clone(),
        attributes: Attributes::among(
            encoded
                .attributes
                .into_iter()
                .map(|(name, value)| (format!("{prefix}{name}"), value)),
            &["ce_", "cloudEvents_"],
        ),
        content_type: Some(encoded.content_type.into()),
        key: encoded.key.map(Into::into),
        place: Place::Unknown,
        data: encoded.data.clone(),
    })
}

#[test]
fn what_is_encoded_is_decoded_to_the_same() {
    let mut bare = full();
    bare.event.tags.clear();
    bare.event.metadata = Metadata::default();
    bare.event.occurred = None;
    for message in [full(), bare] {
        for prefix in ["ce_", "cloudEvents_"] {
            assert_eq!(again(&message, prefix), message);
        }
    }
}

#[test]
fn what_follows_from_other_headers_is_not_sent() {
    let explicit = ["originservice", "originrecorded", "dataversion"];
    let sent = |message: &Message| {
        let encoded = encode(message).unwrap();
        assert_eq!(again(message, "ce_"), *message);
        explicit.map(|name| encoded.attributes.iter().any(|(sent, _)| *sent == name))
    };
    let mut message = full();
    assert_eq!(
        sent(&message),
        [false, true, true],
        "the time is when it happened"
    );
    message.event.occurred = None;
    assert_eq!(sent(&message), [false, false, true]);
    message.event.version = 1;
    assert_eq!(sent(&message), [false, false, false]);
    message.event.metadata.service = Some("payments".into());
    assert_eq!(
        sent(&message),
        [true, false, false],
        "another service recorded it"
    );
    message.event.metadata.service = None;
    assert_eq!(sent(&message), [true, false, false]);
    message.event.metadata.origin = None;
    assert_eq!(
        sent(&message),
        [false, false, true],
        "nothing else says that it is ours"
    );
    let line = crate::wire::structured(&full()).unwrap();
    assert!(
        explicit.iter().all(|name| line.contains(name)),
        "a line says all: {line}"
    );
}

#[test]
fn the_key_is_read_from_where_the_protocol_keeps_it() {
    let message = full();
    let encoded = encode(&message).unwrap();
    let names: Vec<&str> = encoded.beside_key().map(|(name, _)| *name).collect();
    assert_eq!(names.len() + 1, encoded.attributes.len());
    assert!(!names.contains(&"partitionkey") && names.contains(&"subject"));
    let mut one_tag = message;
    one_tag.event.tags.truncate(1);
    let encoded = encode(&one_tag).unwrap();
    let headers = encoded.beside_key().filter(|(name, _)| *name != "subject");
    let headers = headers.map(|(name, value)| (format!("ce_{name}"), value.as_ref().into()));
    let read = decode(Incoming {
        topic: one_tag.topic.clone(),
        attributes: Attributes::among(headers, &["ce_"]),
        content_type: Some(encoded.content_type.into()),
        key: encoded.key.map(Into::into),
        place: Place::Unknown,
        data: encoded.data.clone(),
    });
    assert_eq!(read, one_tag);
}

#[test]
fn a_time_alone_is_no_origin() {
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", "1"),
        ("ce_source", "/shop"),
        ("ce_type", "sold"),
        ("ce_time", "2018-04-05T17:31:00Z"),
        ("ce_originposition", "7"),
    ];
    let origin = |headers| decode(incoming(headers, "{}")).event.metadata.origin;
    assert_eq!(origin(&headers[..5]), None);
    let found = origin(&headers).unwrap();
    assert_eq!(
        (found.service.as_str(), found.position),
        ("shop", Position::new(7))
    );
    assert_eq!(found.recorded, "2018-04-05T17:31:00Z".parse().unwrap());
}

#[test]
fn a_foreign_event_is_known_by_its_source_and_id() {
    let headers = [
        ("ce-specversion", "1.0"),
        ("Ce-Id", "A234-1234"),
        ("ce-source", "https://example.com/shop"),
        ("ce-type", "com.example.sold"),
        ("ce-subject", "basket 7"),
        ("ce-time", "2018-04-05T17:31:00Z"),
        ("unrelated", "x"),
    ];
    let one = decode(incoming(&headers, "{}")).event;
    assert_eq!(one, decode(incoming(&headers, "{}")).event);
    assert_eq!(one.event_type.as_str(), "com.example.sold");
    assert_eq!(one.tags, [Tag::new("subject:basket 7").unwrap()]);
    assert_eq!(one.metadata.service.as_deref(), Some("https://example.com/shop"));
    assert_eq!(one.occurred, Some("2018-04-05T17:31:00Z".parse().unwrap()));
    let mut other = headers;
    other[2].1 = "https://example.com/other";
    assert_ne!(decode(incoming(&other, "{}")).event.id, one.id);
}

#[test]
fn structured_mode_is_understood() {
    let event = |rest: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"1","source":"/shop","type":"sold","partitionkey":"order:1",{rest}}}"#
        )
    };
    let cases = [
        (r#""data":{"a":1}"#, r#"{"a":1}"#),
        (r#""data":"text""#, r#""text""#),
        (r#""datacontenttype":"text/plain","data":"text""#, "text"),
        (r#""data_base64":"AP8=""#, "\u{0}\u{ff}"),
    ];
    for (rest, expected) in cases {
        let found = decode(incoming(&[], &event(rest))).event;
        assert_eq!(found.event_type.as_str(), "sold", "{rest}");
        assert_eq!(found.tags, [Tag::new("order:1").unwrap()]);
        let expected: Vec<u8> = expected
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect();
        assert_eq!(found.data, expected, "{rest}");
    }
}

#[test]
fn what_is_no_event_is_kept_verbatim_under_a_lasting_name() {
    let headers = [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_type", "x")];
    let cases = [
        incoming(&[], "rubbish"),
        incoming(&[], "{}"),
        incoming(&headers, "no source"),
        incoming(&[("ce_specversion", "0.3")], ""),
    ];
    for case in cases {
        let found = decode(case.clone()).event;
        assert_eq!(found.event_type, UNDECODABLE);
        assert_eq!(found.data, case.data);
        assert_eq!(found, decode(case.clone()).event);
        let elsewhere = Incoming {
            place: Place::Named("8".into()),
            ..case
        };
        assert_ne!(found.id, decode(elsewhere.clone()).event.id);
        let numbered = Incoming {
            place: Place::Numbered(8),
            ..elsewhere.clone()
        };
        assert_eq!(
            decode(numbered).event.id,
            decode(elsewhere).event.id,
            "a number is its name"
        );
    }
}

#[test]
fn what_is_written_as_one_line_is_read_as_the_same() {
    let contents: [&[u8]; 8] = [
        b"",
        b"{\"b\":1.10,\"a\":[1e3, 12345678901234567890123]}",
        b"\"text\"",
        b"null",
        b" {\"a\":1}",
        b"{\n\"a\": 1\n}",
        b"\xff\x00",
        b"not json",
    ];
    for content in contents {
        let mut message = full();
        message.event.data = Bytes::copy_from_slice(content);
        let line = super::super::structured(&message).unwrap();
        assert!(!line.contains('\n'), "{line}");
        let mut read = incoming(&[], &line);
        read.content_type = Some("application/cloudevents+json".into());
        read.topic = message.topic.clone();
        assert_eq!(decode(read).event, message.event, "{line}");
    }
}
