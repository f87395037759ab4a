//! Ids in memory: found by what they are, not by their hash.

use super::*;

#[test]
fn ids_are_found_until_they_are_taken_away() {
    let mut ids = Ids::default();
    let id = |n: u32| u128::from(n % 7 * 1_000_000 + n).to_le_bytes();
    assert_eq!(ids.find(&id(1)), None);
    ids.pop();
    assert_eq!((ids.find(&id(1)), ids.get(0)), (None, None));
    (0..3_000).for_each(|n| ids.push(id(n)));
    assert!((0..3_000).all(|n| ids.find(&id(n)) == Some(n) && ids.get(n) == Some(&id(n))));
    (1_000..3_000).for_each(|_| ids.pop());
    assert!((0..1_000).all(|n| ids.find(&id(n)) == Some(n)));
    assert!((1_000..3_000).all(|n| ids.find(&id(n)).is_none()));
    ids.push(id(2_999));
    assert_eq!(ids.find(&id(2_999)), Some(1_000));
}
