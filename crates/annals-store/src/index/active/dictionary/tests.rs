//! Terms in memory.

use super::*;

#[test]
fn terms_keep_their_numbers() {
    let mut terms = Dictionary::default();
    assert_eq!(terms.find(TermKind::Tag, b"a"), None);
    for number in 0..5_000_u32 {
        assert_eq!(
            terms.intern(TermKind::Tag, format!("order:{number:040}").as_bytes()),
            number
        );
    }
    for number in (0..5_000_u32).rev() {
        let text = format!("order:{number:040}");
        assert_eq!(terms.find(TermKind::Tag, text.as_bytes()), Some(number));
        assert_eq!(terms.intern(TermKind::Tag, text.as_bytes()), number);
        assert_eq!(terms.bytes(number), text.as_bytes());
    }
    assert_eq!(terms.len(), 5_000);
}

#[test]
fn kinds_are_apart() {
    let mut terms = Dictionary::default();
    let a = terms.intern(TermKind::Tag, b"x:1");
    let b = terms.intern(TermKind::Type, b"x:1");
    assert_ne!(a, b);
    assert_eq!(terms.find(TermKind::Correlation, b"x:1"), None);
}

#[test]
fn terms_of_one_hash_are_apart() {
    let mut terms = Dictionary::default();
    let (mut seen, mut same) = (std::collections::HashMap::new(), Vec::new());
    // Of so many hashes of 32 bits some are alike, of the same kind and of others.
    for number in 0..600_000_u32 {
        let kind = if number % 2 == 0 {
            TermKind::Tag
        } else {
            TermKind::Type
        };
        let bytes = (number / 2).to_string().into_bytes();
        if let Some(other) = seen.insert(terms.hash(kind, &bytes), (kind, bytes.clone())) {
            same.push((other, (kind, bytes)));
        }
    }
    assert!(!same.is_empty());
    for ((kind, bytes), (other_kind, other_bytes)) in same {
        let first = terms.intern(kind, &bytes);
        assert_eq!(terms.find(other_kind, &other_bytes), None);
        let second = terms.intern(other_kind, &other_bytes);
        assert_ne!(first, second);
        assert_eq!(
            (terms.find(kind, &bytes), terms.find(other_kind, &other_bytes)),
            (Some(first), Some(second))
        );
        assert_eq!(
            (terms.bytes(first), terms.bytes(second)),
            (&bytes[..], &other_bytes[..])
        );
    }
    assert_eq!(
        terms.stored(TermId::MAX),
        [0],
        "a term that is not there has no kind and no bytes"
    );
}
