//! Figures: medians of rounds, percentiles of delays.

use std::time::Duration;

/// The middle one; of an even number the mean of both in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

/// The least delay that `percent` of all do not exceed, in milliseconds.
pub(crate) fn percentile(delays: &mut [Duration], percent: usize) -> f64 {
    delays.sort_unstable();
    let rank = (delays.len() * percent).div_ceil(100).max(1) - 1;
    delays
        .get(rank)
        .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1_000.0)
}

/// So many in that time, per second.
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{median, percentile, rate};

    #[test]
    fn the_middle_and_the_rank() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
        let mut delays: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut delays, 50), 100.0);
        assert_eq!(percentile(&mut delays, 99), 198.0);
        assert!(percentile(&mut [], 50).is_nan());
        assert_eq!(rate(10, Duration::from_millis(500)), 20.0);
    }
}
