//! The first page of an index file: which stretch of which log it is of, and where everything is in it.
//!
//! The fields follow each other without gaps, little endian, in the order in which they are written here.

use annals_core::time::Timestamp;
use annals_log::{Milestone, Place};

use super::super::stretch::Stretch;
use super::filter::FilterRoot;
use super::places::PlacesRoot;
use super::table::Root;

const MAGIC: [u8; 8] = *b"annalidx";
/// The newest format this build reads and the one it writes. A file of any other is made again.
const FORMAT: u16 = 1;

/// What the first page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) stretch: Stretch,
    /// How often it was made of others while the store was busy.
    pub(super) level: u8,
    pub(super) pages: u32,
    /// The lowest and the highest id of version 7.
    pub(super) timed_ids: ([u8; 16], [u8; 16]),
    /// How many terms, ids and keys went into the filter.
    pub(super) filtered: u64,
    /// Marks that are set where it ends, from the beginning of the log.
    pub(super) marks_set: u64,
    pub(super) terms: Root,
    pub(super) ids: Root,
    pub(super) marks: Root,
    pub(super) places: PlacesRoot,
    pub(super) filter: FilterRoot,
    /// The page where the counts of all types begin, and their bytes.
    pub(super) types: (u32, u32),
}

#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn milestone(&mut self, milestone: &Milestone) {
        self.number(u64::from(milestone.frame.segment));
        self.number(milestone.frame.at);
        self.number(milestone.number);
        self.number(u64::from(milestone.checksum));
    }

    fn root(&mut self, root: &Root) {
        self.number(u64::from(root.page));
        self.number(u64::from(root.depth));
        self.number(root.entries);
    }
}

struct In<'a>(&'a [u8]);

impl In<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(u64::from_le_bytes(self.take()?)).ok()
    }

    fn milestone(&mut self) -> Option<Milestone> {
        let frame = Place {
            segment: self.number()?,
            at: self.number()?,
        };
        Some(Milestone {
            frame,
            number: self.number()?,
            checksum: self.number()?,
        })
    }

    fn root(&mut self) -> Option<Root> {
        Some(Root {
            page: self.number()?,
            depth: self.number()?,
            entries: self.number()?,
        })
    }
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.0.extend_from_slice(&MAGIC);
        out.0.extend_from_slice(&FORMAT.to_le_bytes());
        let stretch = &self.stretch;
        out.number(u64::from(stretch.after.is_some()));
        // What is not there is written as any other, so that all fields keep their place.
        out.milestone(&stretch.after.unwrap_or(stretch.last));
        out.milestone(&stretch.last);
        out.number(stretch.first);
        out.number(u64::from(stretch.events));
        out.number(stretch.newest.as_micros().cast_unsigned());
        out.number(stretch.log_bytes);
        out.number(u64::from(self.level));
        out.number(u64::from(self.pages));
        out.0.extend_from_slice(&self.timed_ids.0);
        out.0.extend_from_slice(&self.timed_ids.1);
        out.number(self.filtered);
        out.number(self.marks_set);
        out.root(&self.terms);
        out.root(&self.ids);
        out.root(&self.marks);
        out.number(u64::from(self.places.directory));
        out.number(u64::from(self.places.records));
        out.number(u64::from(self.filter.page));
        out.number(u64::from(self.filter.blocks));
        out.number(u64::from(self.types.0));
        out.number(u64::from(self.types.1));
        out.0
    }

    /// `None` if it is none of this format.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = In(bytes);
        let (magic, format) = (fields.take()?, u16::from_le_bytes(fields.take()?));
        if (magic, format) != (MAGIC, FORMAT) {
            return None;
        }
        let has_after = fields.number::<u64>()? == 1;
        let after = Some(fields.milestone()?).filter(|_| has_after);
        let header = Self {
            stretch: Stretch {
                after,
                last: fields.milestone()?,
                first: fields.number()?,
                events: fields.number()?,
                newest: Timestamp::from_micros(fields.number::<u64>()?.cast_signed()),
                log_bytes: fields.number()?,
            },
            level: fields.number()?,
            pages: fields.number()?,
            timed_ids: (fields.take()?, fields.take()?),
            filtered: fields.number()?,
            marks_set: fields.number()?,
            terms: fields.root()?,
            ids: fields.root()?,
            marks: fields.root()?,
            places: PlacesRoot {
                directory: fields.number()?,
                records: fields.number()?,
            },
            filter: FilterRoot {
                page: fields.number()?,
                blocks: fields.number()?,
            },
            types: (fields.number()?, fields.number()?),
        };
        (fields.0.is_empty() && header.places.records == header.stretch.events).then_some(header)
    }
}

#[cfg(test)]
mod tests;
