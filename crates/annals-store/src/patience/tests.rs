//! Groups that are flushed one after the other, at moments that the tests tell.

use super::*;

const FLUSH: Duration = Duration::from_micros(800);

fn last(patience: &Patience) -> Instant {
    patience.count.span.map_or_else(Instant::now, |(_, last)| last)
}

/// Lets so many groups be flushed; each carries and takes what is said of groups that wait and of those that do not.
fn flush(
    patience: &mut Patience,
    groups: usize,
    waiting: (usize, Duration),
    not: (usize, Duration),
) -> usize {
    let mut now = last(patience);
    let mut waited = 0;
    for _ in 0..groups {
        let waits = patience.wait(now, 1).is_some();
        let (appends, took) = if waits { waiting } else { not };
        waited += usize::from(waits);
        now += took;
        patience.flushed(now, FLUSH, appends, 64 - appends);
    }
    waited
}

#[test]
fn a_caller_that_is_alone_waits_for_nobody() {
    let mut patience = Patience::default();
    let now = Instant::now();
    for number in 1..10_000 {
        patience.flushed(now + FLUSH * number, FLUSH, 1, 0);
        assert_eq!(patience.wait(now + FLUSH * number, 1), None);
    }
}

#[test]
fn where_waiting_carries_more_most_groups_wait_and_where_not_few() {
    let (more, less) = ((63, FLUSH * 3 / 2), (31, FLUSH));
    let mut patience = Patience::default();
    flush(&mut patience, 1_000, more, less);
    assert!(flush(&mut patience, 10_000, more, less) > 9_500);
    let wait = patience.wait(last(&patience), 32).unwrap();
    assert!(wait > FLUSH / 3 && wait <= FLUSH / 2, "{wait:?}");
    assert_eq!(patience.wait(last(&patience), 64), None, "all are there");
    assert_eq!(
        patience.wait(last(&patience) + FLUSH * 2, 32),
        None,
        "they are gone"
    );

    let late = (33, FLUSH * 3 / 2);
    flush(&mut patience, 10_000, late, less);
    assert!(
        flush(&mut patience, 10_000, late, less) < 500,
        "they come too late now"
    );
    flush(&mut patience, 10_000, more, less);
    assert!(flush(&mut patience, 1_000, more, less) > 900, "they come again");
    let same = (32, FLUSH);
    flush(&mut patience, 10_000, same, same);
    assert!(
        flush(&mut patience, 10_000, same, same) < 500,
        "it makes no difference"
    );
}

#[test]
fn the_first_groups_of_a_trial_do_not_count() {
    let mut count = Count::from(Instant::now());
    let mut now = Instant::now();
    for group in 1..=SETTLING + 10 {
        now += if group > SETTLING { FLUSH } else { FLUSH * 50 };
        count.add(now, if group > SETTLING { 8 } else { 1 });
    }
    assert_eq!(count.rate(), 10_000);
}

#[test]
fn what_was_counted_before_a_pause_says_nothing() {
    let mut patience = Patience::default();
    flush(&mut patience, BETWEEN.0 as usize + 3, (63, FLUSH), (31, FLUSH));
    assert!(patience.trying && patience.count.groups > 0);
    let later = last(&patience) + FLUSH * 100;
    patience.flushed(later, FLUSH, 63, 1);
    assert!(!patience.trying && patience.count.groups == 0);
}

#[test]
fn nobody_waits_long_however_slow_the_disk_is() {
    let slow = Duration::from_millis(20);
    let mut patience = Patience::default();
    let now = Instant::now();
    for number in 1..BETWEEN.0 {
        patience.flushed(now + slow * number, slow, 2, 2);
    }
    assert_eq!(patience.wait(last(&patience), 2), Some(WAIT_MAX));
}

/// What a flush takes, as it is known after the next one that takes `FLUSH`.
fn flush_after(patience: &Patience) -> Duration {
    (patience.flush * 7 + FLUSH) / 8
}

#[test]
fn callers_are_those_who_were_answered_and_those_who_wait() {
    let mut patience = Patience::default();
    let now = Instant::now();
    patience.flushed(now, FLUSH, 2, 3);
    assert_eq!(patience.callers(), 5);
    assert!(patience.wait(now, 4).is_some());
    assert_eq!(patience.wait(now, 5), None);
}

#[test]
fn groups_are_counted_as_soon_as_there_are_two_callers() {
    let mut patience = Patience::default();
    let now = Instant::now();
    for (callers, counted) in [(2, 0), (2, 1), (2, 2), (1, 0), (3, 1)] {
        patience.flushed(now, FLUSH, 1, callers - 1);
        assert_eq!(patience.count.groups, counted, "{callers} callers");
    }
}

#[test]
fn it_is_a_pause_after_more_than_sixteen_flushes_and_too_late_to_wait_after_one() {
    let mut patience = Patience::default();
    let now = Instant::now();
    patience.flushed(now, FLUSH, 2, 2);
    let later = now + flush_after(&patience) * PAUSE;
    patience.flushed(later, FLUSH, 2, 2);
    assert_eq!(patience.count.groups, 1);
    let nanosecond = Duration::from_nanos(1);
    assert!(patience.wait(later + patience.flush - nanosecond, 2).is_some());
    assert_eq!(patience.wait(later + patience.flush, 2), None);
    let much_later = later + flush_after(&patience) * PAUSE + nanosecond;
    patience.flushed(much_later, FLUSH, 2, 2);
    assert_eq!(patience.count.groups, 0);
}
