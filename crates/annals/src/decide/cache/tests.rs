use super::*;

#[test]
fn what_was_used_lately_survives_and_the_rest_is_forgotten() {
    let mut entries = Generations::new(4);
    (0..4).for_each(|key| entries.put(key, key));
    assert_eq!(entries.len(), 4);
    // Used again: it moves to the young ones.
    let zero = entries.take(&0).unwrap();
    entries.put(0, zero);
    entries.put(4, 4);
    entries.put(5, 5);
    assert_eq!(entries.take(&0), Some(0));
    assert_eq!((entries.take(&1), entries.take(&2)), (None, None));
}

#[test]
fn there_are_never_more_than_allowed() {
    for max in [0, 1, 2, 3, 10, 101] {
        let mut entries = Generations::new(max);
        for key in 0..1_000 {
            entries.put(key, ());
            assert!(entries.len() <= max.max(2), "{} of {max}", entries.len());
        }
        assert!(!entries.is_empty());
    }
}

#[test]
fn an_entry_is_taken_out_once_and_put_in_once() {
    let mut entries = Generations::new(2);
    entries.put("a", 1);
    entries.put("b", 2);
    entries.put("a", 3);
    assert_eq!(entries.take(&"a"), Some(3));
    assert_eq!(
        entries.take(&"a"),
        None,
        "an older entry of the same key would be a state of the past"
    );
}
