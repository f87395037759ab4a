use annals::boundary::{HasKey, HasKeys};
use annals::core::tag::Tag;
use annals::core::time::Timestamp;
use annals::message::DecodeError;
use annals::{Command, Key, Message};
use serde::{Deserialize, Serialize};

use crate::world::{Line, OrderId, Reserve, Sku, line, order, sku};

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("orders.import")]
struct ImportV1 {
    #[key]
    order: OrderId,
}

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("orders.import", version = 2, from = ImportV1)]
struct Import {
    #[occurred]
    date: Timestamp,
    #[key]
    order: OrderId,
    #[key(each)]
    skus: Vec<Sku>,
}

impl From<ImportV1> for Import {
    fn from(old: ImportV1) -> Self {
        Self {
            date: Timestamp::default(),
            order: old.order,
            skus: Vec::new(),
        }
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("orders.correct")]
struct Correct {
    #[key(named)]
    wrong: OrderId,
    #[key(named)]
    right: OrderId,
    #[key(each = sku: Sku)]
    lines: Vec<Line>,
    #[occurred]
    date: Option<Timestamp>,
}

fn texts(tags: &[Tag]) -> Vec<&str> {
    tags.iter().map(Tag::as_str).collect()
}

fn import() -> Import {
    Import {
        date: "2010-12-01T08:26:00Z".parse().expect("a moment as it is written"),
        order: order(1),
        skus: vec![sku("b"), sku("a"), sku("b")],
    }
}

#[test]
fn a_command_has_a_name_and_a_service() {
    assert_eq!(Reserve::NAME, "stock.reserve");
    assert_eq!(Reserve::TYPE.as_str(), Reserve::NAME);
    assert_eq!(Reserve::service(), "stock");
    assert_eq!((Reserve::VERSION, Import::VERSION), (1, 2));
}

#[test]
fn its_keys_are_its_tags_in_the_order_of_the_fields() {
    let id = order(1).tag().unwrap();
    assert_eq!(texts(&import().tags().unwrap()), [id.as_str(), "sku:b", "sku:a"]);
    let reserve = Reserve {
        order: order(1),
        lines: vec![line("c", 1), line("c", 2)],
    };
    assert_eq!(texts(&reserve.tags().unwrap()), [id.as_str(), "sku:c"]);
}

#[test]
fn its_keys_can_be_asked_for_by_type() {
    assert_eq!(HasKey::<OrderId>::key(&import()), &order(1));
    assert_eq!(HasKeys::<Sku>::keys(&import()), [&sku("b"), &sku("a"), &sku("b")]);
    let reserve = Reserve {
        order: order(1),
        lines: vec![line("c", 1), line("d", 2)],
    };
    assert_eq!(HasKeys::<Sku>::keys(&reserve), [&sku("c"), &sku("d")]);
}

#[test]
fn named_keys_of_one_type_are_both_tags() {
    let correct = Correct {
        wrong: order(1),
        right: order(2),
        lines: vec![line("a", 1)],
        date: None,
    };
    let (wrong, right) = (order(1).tag().unwrap(), order(2).tag().unwrap());
    assert_eq!(
        texts(&correct.tags().unwrap()),
        [wrong.as_str(), right.as_str(), "sku:a"]
    );
    let same = Correct {
        right: order(1),
        ..correct
    };
    assert_eq!(texts(&same.tags().unwrap()), [wrong.as_str(), "sku:a"]);
}

#[test]
fn it_says_when_it_happened_if_it_knows() {
    assert_eq!(import().occurred(), Some(import().date));
    let reserve = Reserve {
        order: order(1),
        lines: Vec::new(),
    };
    assert_eq!(reserve.occurred(), None);
    let date = Some(import().date);
    let correct = Correct {
        wrong: order(1),
        right: order(2),
        lines: Vec::new(),
        date,
    };
    assert_eq!(correct.occurred(), date);
    assert_eq!(
        Correct {
            date: None,
            ..correct
        }
        .occurred(),
        None
    );
}

#[test]
fn older_commands_are_lifted_newer_ones_refused() {
    let id = order(1);
    let lifted = Import::decode(1, format!(r#"{{"order":"{id}"}}"#).as_bytes()).unwrap();
    assert_eq!(lifted.skus, []);
    let data = serde_json::to_vec(&import()).unwrap();
    assert_eq!(Import::decode(2, &data).unwrap(), import());
    assert!(matches!(
        Import::decode(3, &data),
        Err(DecodeError::Newer {
            found: 3,
            supported: 2,
            ..
        })
    ));
}
