use super::*;

fn timer(kind: &str, due: i64, data: &str) -> Timer {
    Timer {
        process: "p".into(),
        instance: Tag::of("order", 1).unwrap(),
        kind: kind.into(),
        due: Timestamp::from_micros(due),
        data: data.into(),
        correlation: None,
        causation: None,
    }
}

fn kinds(timers: &Timers, now: i64) -> Vec<String> {
    let due = timers.with(|pending| pending.due(Timestamp::from_micros(now), 10));
    due.iter()
        .map(|(_, value)| serde_json::from_slice::<Timer>(value).unwrap().kind.to_string())
        .collect()
}

#[test]
fn timers_are_due_in_the_order_of_their_moments() {
    let timers = Timers::default();
    timers.committed(&[
        timer("c", 30, "").mark(),
        timer("a", 10, "").mark(),
        timer("b", 20, "").mark(),
    ]);
    assert_eq!(kinds(&timers, 9), [""; 0]);
    assert_eq!(kinds(&timers, 10), ["a"]);
    assert_eq!(kinds(&timers, 30), ["a", "b", "c"]);
    assert_eq!(timers.next_due(), Some(Timestamp::from_micros(10)));
}

#[test]
fn a_replaced_timer_has_one_moment_and_a_cancelled_one_none() {
    let timers = Timers::default();
    timers.committed(&[timer("a", 10, "old").mark(), timer("b", 20, "").mark()]);
    timers.committed(&[timer("a", 40, "new").mark()]);
    timers.committed(&[Mark::remove(Timer::key("p", &Tag::of("order", 1).unwrap(), "b"))]);
    assert_eq!((kinds(&timers, 39), timers.len()), (vec![], 1));
    assert_eq!(kinds(&timers, 40), ["a"]);
}

#[test]
fn what_fired_is_removed_unless_it_was_replaced_meanwhile() {
    let timers = Timers::default();
    let old = timer("a", 10, "old").mark();
    timers.committed(&[old.clone(), Mark::set(MarkKey::new("checkpoint", "x"), "1")]);
    timers.committed(&[timer("a", 20, "new").mark()]);
    let fired = old.value.unwrap();
    timers.with(|pending| pending.remove_same(&old.key, &fired));
    assert_eq!(timers.len(), 1, "the new one stays");
    let new = timer("a", 20, "new").mark().value.unwrap();
    timers.with(|pending| pending.remove_same(&old.key, &new));
    assert_eq!((timers.len(), timers.next_due()), (0, None));
}

#[test]
fn timers_of_one_kind_are_apart_by_process_and_instance() {
    let other = Timer {
        instance: Tag::of("order", 2).unwrap(),
        ..timer("a", 10, "")
    };
    let third = Timer {
        process: "q".into(),
        ..timer("a", 10, "")
    };
    let timers = Timers::default();
    timers.committed(&[timer("a", 10, "").mark(), other.mark(), third.mark()]);
    assert_eq!(timers.len(), 3);
}
