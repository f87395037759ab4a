use super::*;

#[test]
fn reads_back_what_it_writes() {
    let moment: Timestamp = "2010-12-01T08:26:00.000123Z".parse().unwrap();
    assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
    assert_eq!(moment.as_micros(), 1_291_191_960_000_123);
}

#[test]
fn says_what_it_expected() {
    let error = "yesterday".parse::<Timestamp>().unwrap_err().to_string();
    assert!(
        error.contains("yesterday") && error.contains("2010-12-01T08:26:00Z"),
        "{error}"
    );
}

#[test]
fn moves_and_measures() {
    let start = Timestamp::from_micros(10);
    assert_eq!(
        start.after(Duration::from_micros(5)).since(start),
        Duration::from_micros(5)
    );
    assert_eq!(start.since(start.after(Duration::from_secs(1))), Duration::ZERO);
    assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
}
