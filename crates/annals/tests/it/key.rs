use std::collections::HashSet;

use annals::Key;
use annals::core::tag::{Tag, TagError};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::world::{OrderId, Sku, order, sku};

#[derive(Key)]
#[key("room-2")]
struct Room(u32);

#[derive(Key)]
#[key("city")]
struct City(SmolStr);

#[test]
fn a_key_is_a_tag_and_a_tag_is_a_key() {
    let id = Uuid::from_u128(7);
    let tag = order(7).tag().unwrap();
    assert_eq!(tag.as_str(), format!("order:{id}"));
    assert_eq!(OrderId::KIND, "order");
    assert_eq!(OrderId::from_tag(&tag), Some(order(7)));
    assert_eq!(OrderId::from_tag(&Tag::new("sku:7").unwrap()), None);
    assert_eq!(OrderId::parse("not a uuid"), None);
    assert_eq!(Room::parse("12"), Some(Room(12)));
    assert_eq!(Room(12).tag().unwrap().as_str(), "room-2:12");
}

#[test]
fn a_value_that_no_tag_can_hold_is_refused() {
    assert!(matches!(sku("").tag(), Err(TagError::Form(_))));
    assert!(matches!(sku("a\nb").tag(), Err(TagError::Control { at: 5, .. })));
    assert!(matches!(
        sku(&"x".repeat(600)).tag(),
        Err(TagError::TooLong { .. })
    ));
}

#[test]
fn a_key_reads_as_its_value_and_debugs_with_its_name() {
    assert_eq!(sku("85123A").to_string(), "85123A");
    assert_eq!(format!("{:?}", sku("85123A")), "Sku(85123A)");
    assert_eq!(format!("{:>4}", Room(7)), "   7", "width is passed on");
    assert_eq!("85123A".parse::<Sku>().unwrap(), sku("85123A"));
    assert!("x".parse::<Room>().is_err());
}

#[test]
fn a_key_is_transparent_in_json() {
    let json = serde_json::to_string(&(sku("a"), Room(3))).unwrap();
    assert_eq!(json, r#"["a",3]"#);
    let back: (Sku, Room) = serde_json::from_str(&json).unwrap();
    assert_eq!(back, (sku("a"), Room(3)));
    assert!(serde_json::from_str::<Room>(r#""three""#).is_err());
}

#[test]
fn keys_compare_and_hash_as_their_values_do() {
    assert!(Room(9) < Room(10));
    assert!(sku("9") > sku("10"));
    assert_ne!(Room(1), Room(2));
    let rooms = HashSet::from([Room(1), Room(2), Room(1)]);
    assert_eq!(rooms.len(), 2);
    assert_eq!(Room(4).clone(), Room(4));
}

#[test]
fn a_key_is_made_from_its_value_and_gives_it_back() {
    assert_eq!(*Room::from(5).get(), 5);
    assert_eq!(sku("a").get(), "a");
    assert_eq!(Sku::from(String::from("a")), sku("a"));
    assert_eq!(City::from("Łódź"), City(SmolStr::new("Łódź")));
}
