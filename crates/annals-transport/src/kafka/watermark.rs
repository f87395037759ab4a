//! The watermark of a partition: up to where everything is finished.
//!
//! In: records as they are handed out and finished, in any order. Out: the last record of the unbroken finished row.
//! Gaps between records do not matter; only what was handed out is waited for.

use std::collections::BTreeSet;

/// Of one partition, from its assignment to its end.
#[derive(Debug, Default)]
pub(super) struct Watermark {
    open: BTreeSet<i64>,
    last: Option<i64>,
    told: Option<i64>,
}

impl Watermark {
    pub(super) fn begin(&mut self, record: i64) {
        self.open.insert(record);
        self.last = self.last.max(Some(record));
    }

    /// The last record of the finished row, if the row became longer.
    pub(super) fn finish(&mut self, record: i64) -> Option<i64> {
        self.open.remove(&record);
        let reached = match self.open.first() {
            Some(first) => Some(first - 1),
            None => self.last,
        };
        if reached < Some(0) || reached <= self.told {
            return None;
        }
        self.told = reached;
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
        assert_eq!(mark.finish(6), Some(4));
        assert_eq!(mark.finish(10), None);
        assert_eq!(mark.finish(5), Some(8));
        assert_eq!(mark.finish(9), Some(10));
        mark.begin(11);
        assert_eq!(mark.finish(11), Some(11));
        let mut first = Watermark::default();
        first.begin(0);
        first.begin(1);
        assert_eq!(first.finish(1), None);
        assert_eq!(first.finish(0), Some(1));
    }
}
