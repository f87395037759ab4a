//! A page is taken for itself and for no other.

use super::*;

#[test]
fn a_page_comes_back_and_every_flipped_bit_and_every_other_place_is_seen() {
    let mut bytes = Vec::new();
    append(&mut bytes, (7, 3), Kind::Leaf, b"content", b"end");
    let look = |bytes: &[u8], identity, number| Page::checked(bytes, identity, number);
    let page = look(&bytes, 7, 3).unwrap();
    assert!(page.is(Kind::Leaf) && !page.is(Kind::Branch));
    assert_eq!((page.content(), page.body().len()), (&b"content"[..], ROOM));
    assert!(page.body().ends_with(b"end"));
    for bit in 0..PAGE_BYTES * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(look(&bytes, 7, 3).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(look(&bytes, 8, 3).is_err() && look(&bytes, 7, 4).is_err() && look(&bytes[1..], 7, 3).is_err());
}
