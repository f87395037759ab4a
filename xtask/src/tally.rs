//! Counts of tests, read from what cargo and Python print.
//!
//! In: lines of a test run. Out: how many tests passed, failed and were ignored.

use std::ops::AddAssign;

/// Tests of one run, or of many added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that ran and passed.
    pub(crate) passed: u64,
    /// Tests that ran and failed.
    pub(crate) failed: u64,
    /// Tests that were not run.
    pub(crate) ignored: u64,
}

impl Tally {
    /// The counts of a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let counts = line
            .trim_start()
            .strip_prefix("test result: ")?
            .split_once(". ")?
            .1;
        let mut tally = Self::default();
        for part in counts.split(';') {
            match part.trim().split_once(' ') {
                Some((count, "passed")) => tally.passed = count.parse().ok()?,
                Some((count, "failed")) => tally.failed = count.parse().ok()?,
                Some((count, "ignored")) => tally.ignored = count.parse().ok()?,
                _ => {}
            }
        }
        Some(tally)
    }

    /// The counts in what Python's `unittest` printed: `Ran 3 tests in …` and, at the end, `OK (skipped=1)` or
    /// `FAILED (failures=1, errors=1)`.
    pub(crate) fn of_unittest(printed: &str) -> Option<Self> {
        let ran = printed.lines().find_map(|line| line.strip_prefix("Ran "))?;
        let all: u64 = ran.split(' ').next()?.parse().ok()?;
        let end = printed.lines().rfind(|line| !line.trim().is_empty())?;
        let mut tally = Self::default();
        let counts = end
            .split_once('(')
            .map_or("", |(_, counts)| counts.trim_end_matches(')'));
        for part in counts.split(", ") {
            match part.split_once('=') {
                Some(("failures" | "errors" | "unexpected successes", count)) => {
                    tally.failed += count.parse::<u64>().ok()?;
                }
                Some(("skipped", count)) => tally.ignored = count.parse().ok()?,
                _ => {}
            }
        }
        tally.passed = all.checked_sub(tally.failed + tally.ignored)?;
        Some(tally)
    }

    /// Tests that ran.
    pub(crate) fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn results_are_read_and_other_lines_are_not() {
        let good =
            "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 7 filtered out; finished in 0.10s";
        assert_eq!(
            Tally::of_line(good),
            Some(Tally {
                passed: 12,
                failed: 0,
                ignored: 3
            })
        );
        let bad = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        let mut sum = Tally::of_line(bad).unwrap();
        sum += Tally::of_line(good).unwrap();
        assert_eq!((sum.passed, sum.failed, sum.ran()), (13, 2, 15));
        for line in [
            "test a::b ... ok",
            "running 3 tests",
            "the test result: ok. 1 passed",
        ] {
            assert_eq!(Tally::of_line(line), None, "{line}");
        }
    }

    #[test]
    fn results_of_unittest_are_read() {
        let counts = |end: &str| {
            let tally = Tally::of_unittest(&format!("...F\n-----\nRan 9 tests in 0.093s\n\n{end}\n"))?;
            Some((tally.passed, tally.failed, tally.ignored))
        };
        assert_eq!(counts("OK"), Some((9, 0, 0)));
        assert_eq!(counts("OK (skipped=2)"), Some((7, 0, 2)));
        assert_eq!(
            counts("FAILED (failures=1, errors=2, skipped=1)"),
            Some((5, 3, 1))
        );
        assert_eq!(counts("FAILED (failures=10)"), None);
        assert_eq!(Tally::of_unittest("ImportError: no module\n"), None);
    }
}
