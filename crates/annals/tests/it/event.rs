use annals::core::event::Visibility;
use annals::core::tag::{Tag, TagError};
use annals::event::{Drafts, EncodeError};
use annals::message::DecodeError;
use annals::{Event, EventSet, IntoEvents, Key, Message};
use serde::{Deserialize, Serialize};

use crate::world::{Line, OrderId, Sku, StockReceived, StockReserved, line, order, sku};

#[derive(Event, Serialize, Deserialize)]
#[event("order.placed")]
struct OrderPlacedV1 {
    #[tag]
    order: OrderId,
    sku: Sku,
}

#[derive(Event, Serialize, Deserialize)]
#[event("order.placed", version = 2, from = OrderPlacedV1)]
struct OrderPlacedV2 {
    #[tag]
    order: OrderId,
    skus: Vec<Sku>,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event("order.placed", version = 3, from = OrderPlacedV2, private)]
struct OrderPlaced {
    #[tag(each = sku)]
    lines: Vec<Line>,
    #[tag(partition)]
    order: OrderId,
    #[tag]
    gift: Option<Sku>,
    #[tag]
    related: Vec<OrderId>,
}

impl From<OrderPlacedV1> for OrderPlacedV2 {
    fn from(old: OrderPlacedV1) -> Self {
        Self {
            order: old.order,
            skus: vec![old.sku],
        }
    }
}

impl From<OrderPlacedV2> for OrderPlaced {
    fn from(old: OrderPlacedV2) -> Self {
        let lines = old
            .skus
            .into_iter()
            .map(|sku| Line { sku, quantity: 1 })
            .collect();
        Self {
            order: old.order,
            lines,
            gift: None,
            related: Vec::new(),
        }
    }
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event("order.forgotten")]
struct OrderForgotten(#[tag] OrderId);

/// Both `Message` and `EventSet` decode; this is the former.
fn read<M: Message>(version: u16, data: &[u8]) -> Result<M, DecodeError> {
    M::decode(version, data)
}

fn texts(tags: &[Tag]) -> Vec<&str> {
    tags.iter().map(Tag::as_str).collect()
}

fn placed() -> OrderPlaced {
    OrderPlaced {
        lines: vec![line("b", 1), line("a", 2), line("b", 3)],
        order: order(1),
        gift: Some(sku("a")),
        related: vec![order(2), order(1)],
    }
}

#[test]
fn names_versions_and_visibility_are_as_written() {
    assert_eq!(StockReceived::TYPE.as_str(), "stock.received");
    assert_eq!((StockReceived::VERSION, OrderPlaced::VERSION), (1, 3));
    assert_eq!(StockReceived::VISIBILITY, Visibility::Public);
    assert_eq!(OrderPlaced::VISIBILITY, Visibility::Private);
}

#[test]
fn the_partition_tag_is_first_and_no_tag_is_there_twice() {
    let (one, two) = (order(1).tag().unwrap(), order(2).tag().unwrap());
    let expected = [one.as_str(), "sku:b", "sku:a", two.as_str()];
    assert_eq!(texts(&placed().tags().unwrap()), expected);
    let reserved = StockReserved {
        sku: sku("a"),
        order: order(1),
        quantity: 1,
    };
    assert_eq!(texts(&reserved.tags().unwrap()), [one.as_str(), "sku:a"]);
    assert_eq!(texts(&OrderForgotten(order(1)).tags().unwrap()), [one.as_str()]);
}

#[test]
fn what_is_not_there_makes_no_tag() {
    let bare = OrderPlaced {
        lines: Vec::new(),
        order: order(1),
        gift: None,
        related: Vec::new(),
    };
    assert_eq!(bare.tags().unwrap(), [order(1).tag().unwrap()]);
}

#[test]
fn many_tags_keep_their_order_and_lose_their_repeats() {
    let lines: Vec<Line> = (0..4_000)
        .map(|number| line(&format!("{}", number % 1_000), 1))
        .collect();
    let tags = OrderPlaced { lines, ..placed() }.tags().unwrap();
    assert_eq!(
        tags.len(),
        1 + 1_000 + 2,
        "the order, a thousand articles, the gift, one related order"
    );
    assert_eq!(tags[1].as_str(), "sku:0");
    assert_eq!(tags[1_000].as_str(), "sku:999");
}

#[test]
fn a_key_that_makes_no_tag_is_an_error_with_the_event_in_it() {
    let nameless = StockReceived {
        sku: sku(""),
        quantity: 1,
    };
    assert!(matches!(nameless.tags(), Err(TagError::Form(_))));
    let error = nameless.write(&mut Drafts::default()).unwrap_err();
    assert!(matches!(error, EncodeError::Tag { event_type, .. } if event_type == StockReceived::TYPE));
}

#[test]
fn older_versions_are_lifted_step_by_step() {
    let id = order(1);
    let first = format!(r#"{{"order":"{id}","sku":"a"}}"#);
    let second = format!(r#"{{"order":"{id}","skus":["a","b"]}}"#);
    let lifted = read::<OrderPlaced>(1, first.as_bytes()).unwrap();
    assert_eq!(lifted.lines, [line("a", 1)]);
    let lifted = read::<OrderPlaced>(2, second.as_bytes()).unwrap();
    assert_eq!(lifted.lines, [line("a", 1), line("b", 1)]);
    let now = serde_json::to_vec(&placed()).unwrap();
    assert_eq!(read::<OrderPlaced>(3, &now).unwrap(), placed());
}

#[test]
fn a_newer_version_is_not_guessed_at() {
    let newer = DecodeError::Newer {
        event_type: OrderPlaced::TYPE,
        found: 4,
        supported: 3,
    };
    assert_eq!(read::<OrderPlaced>(4, b"{}"), Err(newer));
    assert!(matches!(
        read::<OrderPlaced>(0, b"{}"),
        Err(DecodeError::Malformed { version: 0, .. })
    ));
}

#[test]
fn content_of_another_shape_names_its_version() {
    let error = read::<OrderPlaced>(2, b"{}").unwrap_err();
    let DecodeError::Malformed {
        event_type,
        version,
        reason,
    } = error
    else {
        panic!("expected malformed content, found {error}");
    };
    assert_eq!((event_type.as_str(), version), ("order.placed", 2));
    assert!(reason.contains("missing field `order`"), "{reason}");
}

#[test]
fn a_single_event_is_a_set_of_one() {
    assert_eq!(StockReceived::TYPES, [StockReceived::TYPE]);
    assert_eq!(StockReceived::DECIDING, StockReceived::TYPES);
    let data = br#"{"sku":"a","quantity":3}"#;
    let read = <StockReceived as EventSet>::decode(&StockReceived::TYPE, 1, data).unwrap();
    assert_eq!(
        read,
        Some(StockReceived {
            sku: sku("a"),
            quantity: 3
        })
    );
    let other = <StockReceived as EventSet>::decode(&StockReserved::TYPE, 1, data).unwrap();
    assert_eq!(other, None);
}

#[test]
fn an_event_writes_itself_down() {
    let mut drafts = Drafts::default();
    (
        placed(),
        Some(StockReceived {
            sku: sku("a"),
            quantity: 3,
        }),
    )
        .write(&mut drafts)
        .unwrap();
    let drafts = drafts.into_vec();
    assert_eq!(drafts.len(), 2);
    assert_eq!(
        (drafts[0].event_type.as_str(), drafts[0].version),
        ("order.placed", 3)
    );
    assert_eq!(drafts[0].visibility, Visibility::Private);
    assert_eq!(drafts[0].tags[0], order(1).tag().unwrap());
    assert_eq!(&drafts[1].data[..], br#"{"sku":"a","quantity":3}"#);
    let mut types = Vec::new();
    <(OrderPlaced, Option<StockReceived>)>::types(&mut types);
    assert_eq!(types, [OrderPlaced::TYPE, StockReceived::TYPE]);
}
