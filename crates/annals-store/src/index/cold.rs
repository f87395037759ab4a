//! Reading from the medium, one page after the other, is slow: where one page had to come from there, the kernel is told of
//! all others that will be asked for.

use std::time::Instant;

use annals_core::query::{Query, QueryItem};

use super::part::Part;
use super::sealed::COLD;
use super::term::TermKind;
use super::trouble::Trouble;

/// The terms that must be there for a query to match, as far as they are rare.
pub(super) fn terms_of(query: &Query) -> Vec<(TermKind, Vec<u8>)> {
    let of_item = |item: &QueryItem| {
        let tags = item
            .tags
            .iter()
            .map(|tag| (TermKind::Tag, tag.as_str().as_bytes().to_vec()));
        let correlation = item
            .correlation
            .map(|id| (TermKind::Correlation, id.as_uuid().as_bytes().to_vec()));
        tags.chain(correlation).collect::<Vec<_>>()
    };
    query.items().iter().flat_map(of_item).collect()
}

/// Watches a walk over parts. Where the first file had to be read from the medium, so will the others: then the kernel is
/// told of all that will be asked there, so that it is not waited for one page after the other.
pub(super) struct ColdWatch<'a> {
    parts: &'a [Part],
    forward: bool,
    began: Option<Instant>,
}

impl<'a> ColdWatch<'a> {
    pub(super) fn new(parts: &'a [Part], forward: bool) -> Self {
        Self {
            parts,
            forward,
            began: (parts.len() > 2).then(Instant::now),
        }
    }

    /// So many parts and one more were asked about these terms.
    pub(super) fn after(
        &mut self,
        number: usize,
        terms: impl FnOnce() -> Vec<(TermKind, Vec<u8>)>,
    ) -> Result<(), Trouble> {
        let Some(began) = self.began.take() else {
            return Ok(());
        };
        if began.elapsed() < COLD {
            return Ok(());
        }
        let terms = terms();
        let left = if self.forward {
            number + 1..self.parts.len()
        } else {
            0..self.parts.len() - 1 - number
        };
        for filter in [true, false] {
            for part in &self.parts[left.clone()] {
                if let Part::Sealed(part) = part {
                    terms
                        .iter()
                        .try_for_each(|(kind, bytes)| part.hint(*kind, bytes, filter))?;
                }
            }
        }
        Ok(())
    }
}
