use super::*;

#[test]
fn splits_at_the_first_colon() {
    let tag = Tag::new("order:urn:42").unwrap();
    assert_eq!((tag.kind(), tag.value()), ("order", "urn:42"));
}

#[test]
fn refuses_what_is_no_tag() {
    for text in ["", "order", ":42", "order:", "Order:1", "9x:1", "or der:1"] {
        assert!(matches!(Tag::new(text), Err(TagError::Form(_))), "{text:?}");
    }
    assert!(matches!(Tag::new("a:b\nc"), Err(TagError::Control { at: 3, .. })));
    assert!(matches!(
        Tag::of("a", "x".repeat(600)),
        Err(TagError::TooLong { found: 602 })
    ));
}

#[test]
fn is_checked_when_it_comes_from_outside() {
    assert!(serde_json_like("order:42").is_ok());
    assert!(serde_json_like("42").is_err());
}

fn serde_json_like(text: &str) -> Result<Tag, serde::de::value::Error> {
    Tag::deserialize(serde::de::value::StrDeserializer::new(text))
}

#[test]
fn every_character_is_judged_alike_beside_ascii_and_beside_others() {
    let mut characters: Vec<char> = ('\0'..='\u{2ff}').collect();
    characters.extend(['—', '\u{2028}', '漢', '🦀']);
    for c in characters {
        for (before, behind) in [("", "x"), ("é", "x"), ("x", "é"), ("", "")] {
            let text = format!("a:{before}{c}{behind}");
            assert_eq!(Tag::new(text.as_str()).is_ok(), !c.is_control(), "{text:?}");
            let kind = Tag::new(format!("a{c}:{before}{behind}1")).is_ok();
            let fits = c.is_ascii_lowercase() || c.is_ascii_digit() || "_-:".contains(c);
            assert_eq!(kind, fits, "a{c:?} as a kind");
        }
    }
}
