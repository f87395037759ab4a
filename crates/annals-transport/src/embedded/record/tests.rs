use super::*;

fn at(topics: &[&str], at: &[(&str, u64)]) -> Checkpoint {
    Checkpoint {
        at: at
            .iter()
            .map(|(topic, at)| ((*topic).into(), Position::new(*at)))
            .collect(),
        topics: topics.iter().copied().map(Topic::from).collect(),
    }
}

#[test]
fn a_topic_that_joins_a_group_begins_with_its_oldest_message() {
    let mut checkpoint = at(&["orders", "stock"], &[("orders", 70)]);
    assert_eq!(checkpoint.start(), Position::ZERO);
    assert_eq!(checkpoint.of("orders"), Position::new(70));
    checkpoint.move_to(Position::new(30));
    assert_eq!(
        (checkpoint.of("orders").get(), checkpoint.of("stock").get()),
        (70, 30)
    );
    checkpoint.move_to(Position::new(90));
    assert_eq!(
        (checkpoint.of("orders").get(), checkpoint.of("stock").get()),
        (90, 90)
    );
}

#[test]
fn all_topics_and_some_topics_know_of_each_other() {
    let mut all = at(&[], &[("orders", 50)]);
    assert_eq!((all.start().get(), all.of("orders").get()), (0, 50));
    all.move_to(Position::new(80));
    assert_eq!((all.of("orders").get(), all.of("stock").get()), (80, 80));
    let some = at(&["stock"], &[("", 80)]);
    assert_eq!(some.start().get(), 80);
}

#[test]
fn what_is_left_to_wait_never_grows_when_the_clock_jumps_back() {
    let tried = Tried {
        tries: 2,
        not_before: Timestamp::from_micros(10_000_000),
        after_millis: 4_000,
    };
    let left = |seconds: i64| tried.left(Timestamp::from_micros(seconds * 1_000_000)).as_secs();
    assert_eq!([left(6), left(9), left(11), left(-1_000)], [4, 1, 0, 4]);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let cut = cut_reason("ü".repeat(2_000));
    assert_eq!((cut.len(), cut.chars().count()), (2_048, 1_024));
    assert_eq!(cut_reason(format!("a{}", "ü".repeat(2_000))).len(), 2_047);
    assert_eq!(cut_reason("short".into()), "short");
}

#[test]
fn marks_are_written_as_the_table_says() {
    let keys = Keys::new("shipping".into());
    let checkpoint = at(&["orders"], &[("orders", 7)]);
    let mark = keys.set_at(&checkpoint);
    assert_eq!(mark.key.to_string(), "group/shipping/at");
    assert_eq!(mark.value.unwrap(), r#"{"at":{"orders":7},"topics":["orders"]}"#);
    assert_eq!(
        keys.set_done(Position::new(9)).key.to_string(),
        "group/shipping/done/9"
    );
    let tried = Tried {
        tries: 3,
        not_before: Timestamp::EPOCH,
        after_millis: 5,
    };
    let mark = keys.set_tried(Position::new(9), &tried);
    assert_eq!(mark.key.to_string(), "group/shipping/try/9");
    assert_eq!(
        mark.value.unwrap(),
        r#"{"tries":3,"not_before":"1970-01-01T00:00:00Z","after_millis":5}"#
    );
}
