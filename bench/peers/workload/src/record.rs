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

#[cfg(test)]
mod tests {
    use super::{decode, encode};
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
}
