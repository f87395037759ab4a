//! What was seen, in three numbers: how many, which, and in which order.

use rapidhash::v3::rapidhash_v3;

use crate::fact::{Fact, Seen};

const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// How many events, which, and in which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest {
    /// How many.
    pub count: u64,
    /// Which, in any order.
    pub sum: u64,
    /// Which, in this order.
    pub order: u64,
}

impl Digest {
    /// Adds what was read.
    pub fn see(&mut self, seen: Seen<'_>) {
        let hash = hash(seen.kind, seen.tags, seen.data);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
        self.order = (self.order ^ hash).wrapping_mul(SPREAD).rotate_left(23);
    }

    /// Adds what was written.
    pub fn expect(&mut self, fact: &Fact) {
        let [order, customer] = &fact.tags;
        self.see(Seen {
            kind: fact.kind,
            tags: [order, customer],
            data: &fact.data,
        });
    }

    /// Adds what others saw; the order is then unknown.
    pub fn join(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self.order = 0;
    }

    /// Whether the same events were seen, in any order.
    pub fn same_events(&self, other: &Self) -> bool {
        (self.count, self.sum) == (other.count, other.sum)
    }
}

/// Tags count in any order: some stores sort them. The hash is one that costs some nanoseconds beside the read that it proves.
fn hash(kind: &str, tags: [&str; 2], data: &[u8]) -> u64 {
    let tags = rapidhash_v3(tags[0].as_bytes()).wrapping_add(rapidhash_v3(tags[1].as_bytes()));
    rapidhash_v3(data)
        .wrapping_add(rapidhash_v3(kind.as_bytes()).rotate_left(17))
        .wrapping_add(tags.rotate_left(31))
        .wrapping_mul(SPREAD)
}
#[cfg(test)]
mod tests {
    use super::{Digest, Seen};

    const DATA: &[u8] = b"0123456789abcdef0123456789abcdef0123456789";

    fn of(all: &[(&str, [&str; 2], &[u8])]) -> Digest {
        let mut digest = Digest::default();
        for (kind, tags, data) in all {
            digest.see(Seen {
                kind,
                tags: *tags,
                data,
            });
        }
        digest
    }

    #[test]
    fn every_part_counts_and_tags_have_no_order() {
        let one = of(&[("k", ["a", "b"], DATA)]);
        assert_eq!(one, of(&[("k", ["b", "a"], DATA)]));
        assert_ne!(one, of(&[("l", ["a", "b"], DATA)]));
        assert_ne!(one, of(&[("k", ["a", "c"], DATA)]));
        for at in 0..DATA.len() {
            let mut other = DATA.to_vec();
            other[at] ^= 1;
            assert_ne!(one, of(&[("k", ["a", "b"], &other)]), "{at}");
        }
    }

    #[test]
    fn another_order_is_seen() {
        let (a, b): (_, (_, _, &[u8])) = (("k", ["a", "b"], DATA), ("l", ["a", "b"], DATA));
        let (forth, back) = (of(&[a, b]), of(&[b, a]));
        assert!(forth.same_events(&back) && forth != back);
        assert!(!forth.same_events(&of(&[a, a])));
    }
}
