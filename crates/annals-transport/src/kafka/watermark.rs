//! The watermark of a partition: up to where everything is finished.
//!
//! In: records as they are handed out and finished, in any order. Out: the last record of the unbroken finished row, not
//! for each of them but now and then, and when nothing is in hand: who is told pays for it. Gaps between records do not
//! matter; only what was handed out is waited for.

use std::collections::BTreeSet;

/// Of one partition, from its assignment to its end.
#[derive(Debug, Default)]
pub(super) struct Watermark {
    open: BTreeSet<i64>,
    last: Option<i64>,
    told: Option<i64>,
    /// Finished since it was told.
    untold: usize,
}

/// It is told when so many were finished since, at the latest.
const UNTOLD_MAX: usize = 256;

impl Watermark {
    pub(super) fn begin(&mut self, record: i64) {
        self.open.insert(record);
        self.last = self.last.max(Some(record));
    }

    /// A stretch was handed out that began with an open record and ends with this one: it is finished with its first.
    pub(super) fn extend(&mut self, last: i64) {
        self.last = self.last.max(Some(last));
    }

    /// A stretch of so many records is finished that begins with this one. The last record of the finished row, if the row
    /// became longer and it is time to tell.
    pub(super) fn finish(&mut self, first: i64, records: usize) -> Option<i64> {
        self.open.remove(&first);
        self.untold += records;
        match self.open.is_empty() || self.untold >= UNTOLD_MAX {
            true => self.reached(),
            false => None,
        }
    }

    /// The last record of the finished row, if it became longer since this was told.
    pub(super) fn reached(&mut self) -> Option<i64> {
        let reached = match self.open.first() {
            Some(first) => Some(first - 1),
            None => self.last,
        };
        if reached < Some(0) || reached <= self.told {
            return None;
        }
        (self.told, self.untold) = (reached, 0);
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_unfinished_is_passed() {
        let mut mark = Watermark::default();
        [5, 6, 9, 10].into_iter().for_each(|record| mark.begin(record));
        assert_eq!((mark.finish(6, 1), mark.reached()), (None, Some(4)));
        assert_eq!(mark.finish(10, 1), None);
        assert_eq!((mark.finish(5, 1), mark.reached()), (None, Some(8)));
        assert_eq!(mark.finish(9, 1), Some(10));
        mark.begin(11);
        assert_eq!(mark.finish(11, 1), Some(11));
        let mut first = Watermark::default();
        first.begin(0);
        first.begin(1);
        assert_eq!(first.finish(1, 1), None);
        assert_eq!(first.finish(0, 1), Some(1));
    }

    #[test]
    fn a_stretch_is_passed_when_it_is_finished_and_not_before() {
        let mut mark = Watermark::default();
        mark.begin(5);
        mark.extend(9);
        mark.begin(10);
        mark.extend(20);
        assert_eq!(mark.reached(), Some(4));
        assert_eq!((mark.finish(10, 11), mark.reached()), (None, None));
        assert_eq!(mark.finish(5, 5), Some(20));
        mark.begin(21);
        mark.extend(600);
        mark.begin(601);
        assert_eq!(mark.finish(21, 580), Some(600), "so many are told at once");
    }

    #[test]
    fn what_is_finished_is_told_in_time_though_more_is_always_in_hand() {
        let mut mark = Watermark::default();
        mark.begin(0);
        let told = (0..1_000).filter_map(|record| {
            mark.begin(record + 1);
            mark.finish(record, 1)
        });
        assert_eq!(told.collect::<Vec<_>>(), [255, 511, 767]);
        assert_eq!((mark.reached(), mark.reached()), (Some(999), None));
    }
}
