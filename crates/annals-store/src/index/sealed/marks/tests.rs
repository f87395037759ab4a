//! Marks in files: order and values.

use super::*;

#[test]
fn keys_come_back_and_sort_as_they_did() {
    let texts = [
        "", "a", "a\0", "a\0b", "a\u{1}", "ab", "b", "\0", "\0\0", "ÿ", "\u{FF}\0",
    ];
    let mut keys: Vec<MarkKey> = texts
        .iter()
        .flat_map(|space| texts.map(|name| MarkKey::new(*space, name)))
        .collect();
    keys.sort();
    let bytes: Vec<_> = keys.iter().map(key_bytes).collect();
    assert!(bytes.is_sorted() && bytes.windows(2).all(|pair| pair[0] != pair[1]));
    for (one, bytes) in keys.iter().zip(&bytes) {
        assert_eq!(key(bytes).as_ref(), Some(one));
    }
    assert_eq!((key(b"abc"), key(&[0]), key(&[0, 7])), (None, None, None));
}
