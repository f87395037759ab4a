//! Events as bytes, for stores that keep bytes.
//!
//! Three lengths of one byte each, then type and tags, then content to the end.

use anyhow::{Context, Result};

use crate::fact::{Fact, Seen};

/// Appends an event's bytes.
pub fn encode(fact: &Fact, out: &mut Vec<u8>) {
    let names = [fact.kind, &fact.tags[0], &fact.tags[1]];
    out.extend(names.map(|name| name.len() as u8));
    names
        .iter()
        .for_each(|name| out.extend_from_slice(name.as_bytes()));
    out.extend_from_slice(&fact.data);
}

/// The event in these bytes.
///
/// # Errors
/// They are not what [`encode`] makes.
pub fn decode(bytes: &[u8]) -> Result<Seen<'_>> {
    let (lengths, mut rest) = bytes
        .split_at_checked(3)
        .context("an event of less than three bytes")?;
    let mut name = |length: u8| -> Result<&str> {
        let (name, after) = rest
            .split_at_checked(length.into())
            .context("an event that ends in a name")?;
        rest = after;
        Ok(std::str::from_utf8(name)?)
    };
    let (kind, tags) = (name(lengths[0])?, [name(lengths[1])?, name(lengths[2])?]);
    Ok(Seen {
        kind,
        tags,
        data: rest,
    })
}

/// The key under which an index of bytes notes that an event has a name: its tag or its type.
pub fn index_key(name: &str, position: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 9);
    key.extend_from_slice(name.as_bytes());
    key.push(0);
    key.extend_from_slice(&position.to_be_bytes());
    key
}

/// The position in such a key.
///
/// # Errors
/// It is shorter than a position.
pub fn index_position(key: &[u8]) -> Result<u64> {
    let last = key.last_chunk::<8>().context("a key of less than eight bytes")?;
    Ok(u64::from_be_bytes(*last))
}

/// The names under which an event is found.
pub fn index_names(fact: &Fact) -> [&str; 3] {
    [fact.kind, &fact.tags[0], &fact.tags[1]]
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, index_key, index_position};
    use crate::digest::Digest;
    use crate::fact::Shape;

    #[test]
    fn what_is_encoded_is_decoded() {
        let fact = Shape { events: 10_000 }.fact(4_711);
        let (mut bytes, mut expected, mut found) = (Vec::new(), Digest::default(), Digest::default());
        encode(&fact, &mut bytes);
        expected.expect(&fact);
        found.see(decode(&bytes).unwrap());
        assert_eq!(found, expected);
        assert!(decode(&bytes[..9]).is_err());
    }

    #[test]
    fn keys_of_a_name_are_in_the_order_of_positions() {
        let keys = [1, 255, 256, u64::MAX].map(|position| index_key("order:1", position));
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| *key < index_key("order:10", 0)));
        assert_eq!(index_position(&keys[2]).unwrap(), 256);
    }
}
