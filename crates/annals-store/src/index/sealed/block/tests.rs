//! Blocks of keys: what fits, and what is found again.

use super::super::page::{Kind, append};
use super::*;

fn page(keys: &[Vec<u8>]) -> Page {
    let mut block = BlockBuilder::default();
    assert!(keys.iter().all(|key| block.push(key, &key[key.len() - 1..])));
    let (content, end) = block.page();
    let mut bytes = Vec::new();
    append(&mut bytes, (0, 0), Kind::Leaf, content, &end);
    Page::checked(&bytes, 0, 0).unwrap()
}

#[test]
fn keys_are_found_and_others_are_not() {
    let keys: Vec<Vec<u8>> = (0..150)
        .map(|n| format!("order:{:05}", n * 3).into_bytes())
        .collect();
    let page = page(&keys);
    for number in 0..500_usize {
        let key = format!("order:{number:05}").into_bytes();
        let expected = (number % 3 == 0 && number < 450).then(|| &key[key.len() - 1..]);
        assert_eq!(find(&page, &key), Some(expected), "{number}");
        let below = &keys[(number / 3).min(149)];
        assert_eq!(floor(&page, &key).unwrap().key(), below, "{number}");
        let last = Some((Some(&below[below.len() - 1..]), expected.is_some()));
        assert_eq!(last_value(&page, &key), last, "{number}");
    }
    assert_eq!(
        floor(&page, b"a").unwrap().key(),
        keys[0],
        "the first one, if all are behind"
    );
    assert_eq!((find(&page, b""), find(&page, b"zzz")), (Some(None), Some(None)));
    let mut walk = Entries::default();
    for key in &keys {
        assert_eq!(walk.step(&page), Some(true));
        assert_eq!((walk.key(), walk.value(&page)), (&key[..], &key[key.len() - 1..]));
    }
    assert_eq!(walk.step(&page), Some(false));
}

#[test]
fn a_page_takes_what_fits_and_at_least_one() {
    let mut block = BlockBuilder::default();
    let mut taken = 0;
    while block.push(format!("{taken:08}").as_bytes(), &[1; 50]) {
        taken += 1;
    }
    let (content, end) = block.page();
    assert!(content.len() + end.len() <= ROOM && content.len() > ROOM - 100 && taken > 50);
    block.clear();
    assert!(block.is_empty() && block.push(&[7; 3_000], &[8; 800]));
    assert_eq!(block.first(), [7; 3_000]);
    assert!(!block.push(&[8; 3_000], &[8; 800]));
}

#[test]
fn bytes_that_make_no_sense_do_not_panic() {
    let mut chance = annals_log::disk::sim::chance::Chance::new(3);
    for _ in 0..3_000 {
        let size = chance.below(40) as usize;
        let content: Vec<u8> = (0..size).map(|_| chance.below(50) as u8).collect();
        let end: Vec<u8> = (0..4).map(|_| chance.below(30) as u8).collect();
        let mut bytes = Vec::new();
        append(&mut bytes, (0, 0), Kind::Leaf, &content, &end);
        let page = Page::checked(&bytes, 0, 0).unwrap();
        let key = [chance.number() as u8];
        let _answers = (find(&page, &key), floor(&page, &key).is_some());
        let mut walk = Entries::default();
        (0..50).all(|_| walk.step(&page) == Some(true));
    }
}
