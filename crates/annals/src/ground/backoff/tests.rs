use super::*;

#[test]
fn waits_double_up_to_the_longest_a_fifth_more_or_less() {
    let world = World::default();
    let backoff = Backoff::default();
    for (failures, millis) in [
        (1, 100),
        (2, 200),
        (3, 400),
        (9, 25_600),
        (10, 30_000),
        (u32::MAX, 30_000),
    ] {
        let nominal = Duration::from_millis(millis);
        for _ in 0..50 {
            let wait = backoff.after(failures, &world);
            assert!(
                wait >= nominal.mul_f64(0.8) && wait <= nominal.mul_f64(1.2),
                "{failures}: {wait:?}"
            );
        }
    }
}

#[test]
fn waits_differ() {
    let world = World::default();
    let waits: std::collections::HashSet<Duration> =
        (0..100).map(|_| Backoff::default().after(3, &world)).collect();
    assert!(waits.len() > 10, "all wake at the same moment: {waits:?}");
}

#[test]
fn the_longest_wait_does_not_overflow() {
    let backoff = Backoff {
        first: Duration::MAX,
        longest: Duration::from_secs(1),
    };
    assert!(backoff.after(30, &World::default()) <= Duration::from_millis(1_200));
}
