//! The judge takes what is right, and each single wrong is found.

use super::*;
use annals_core::event::EventType;
use annals_core::mark::Mark;
use annals_core::query::Query;
use annals_core::tag::Tag;
use uuid::Uuid;

fn id(number: u64) -> EventId {
    EventId::from_uuid(Uuid::from_u128(u128::from(number) + 1))
}

fn tag() -> Tag {
    Tag::new("order:1").unwrap()
}

/// Events 0 to 4; those of even number have the tag.
fn log() -> Vec<Logged> {
    let event = |number: u64| Logged {
        id: id(number),
        event_type: EventType::from_static("order.placed"),
        tags: if number.is_multiple_of(2) {
            vec![tag()]
        } else {
            Vec::new()
        },
    };
    (0..5).map(event).collect()
}

fn asked(ids: &[u64], conditions: Vec<Condition>) -> Asked {
    Asked {
        ids: ids.iter().map(|number| id(*number)).collect(),
        conditions,
        marks: Vec::new(),
    }
}

fn at_time(called: u64, returned: u64, what: What) -> Operation {
    Operation {
        called,
        returned,
        what,
    }
}

fn appended(number: u64, conditions: Vec<Condition>) -> Operation {
    let place = Place::First(Position::new(number));
    let what = What::Appended(asked(&[number], conditions), place);
    at_time(number * 10, number * 10 + 5, what)
}

/// Five appends, one after the other; event n at n times 10.
fn right() -> Vec<Operation> {
    (0..5).map(|number| appended(number, Vec::new())).collect()
}

fn with(operation: Operation) -> Vec<Operation> {
    let mut all = right();
    all.push(operation);
    all
}

fn no_match(from: u64) -> Condition {
    Condition::NoMatch {
        query: Query::tag(tag()),
        from: Position::new(from),
    }
}

fn tag_at(expected: Option<u64>) -> Condition {
    Condition::TagAt {
        tag: tag(),
        expected: expected.map(Revision::new),
    }
}

#[track_caller]
fn takes(operations: &[Operation]) -> Counts {
    judge(&log(), operations).unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[track_caller]
fn finds(operations: &[Operation], part: &str) {
    match judge(&log(), operations) {
        Err(wrong) => assert!(wrong.contains(part), "expected {part:?}, found {wrong}"),
        Ok(counts) => panic!("expected {part:?}, found nothing wrong: {counts:?}"),
    }
}

#[test]
fn what_is_right_is_taken_and_counted() {
    let counts = takes(&right());
    assert_eq!((counts.appended, counts.conditional, counts.events), (5, 0, 5));
}

#[test]
fn every_event_is_somebodys_and_only_his() {
    finds(&right()[1..], "nobody asked for the event at position 0");
    let mut twice = right();
    twice.push(appended(2, Vec::new()));
    finds(&twice, "is told to be first at position 2");
    let mut log = log();
    log[4].id = id(0);
    assert!(
        judge(&log, &right())
            .unwrap_err()
            .contains("is at positions 0 and 4")
    );
}

#[test]
fn what_was_acknowledged_is_there_and_where_it_was_said() {
    let mut lost = right();
    lost.push(appended(7, Vec::new()));
    finds(&lost, "is not in the log");
    let mut moved = right();
    let place = Place::First(Position::new(3));
    moved[4].what = What::Appended(asked(&[4], Vec::new()), place);
    finds(&moved, "its events begin at position 4");
    moved[4].what = What::Appended(asked(&[4], Vec::new()), Place::Before(Position::new(5)));
    takes(&moved);
    moved[4].what = What::Appended(asked(&[4], Vec::new()), Place::Before(Position::new(4)));
    finds(&moved, "its events begin at position 4");
    // Not side by side.
    let mut torn = right();
    torn.remove(4);
    torn[2].what = What::Appended(asked(&[2, 4], Vec::new()), Place::First(Position::new(2)));
    finds(&torn, "is not in the log where");
}

#[test]
fn the_order_of_positions_is_that_of_the_clock() {
    let mut turned = right();
    (turned[3].called, turned[3].returned) = (100, 105);
    finds(&turned, "contradicts the clock");
    // Longer operations may be in any order.
    turned[4].returned = 101;
    takes(&turned);
}

fn read(called: u64, returned: u64, end: u64, events: &[u64]) -> Operation {
    let seen = Seen {
        query: Query::tag(tag()),
        from: Position::ZERO,
        next: Position::new(end),
        finished: true,
        events: events
            .iter()
            .map(|number| (Position::new(*number), id(*number)))
            .collect(),
    };
    at_time(called, returned, What::Read(seen))
}

#[test]
fn a_read_sees_what_was_acknowledged_before_it_and_nothing_else() {
    takes(&with(read(26, 28, 3, &[0, 2])));
    // Event 2 was acknowledged at 25.
    finds(&with(read(26, 28, 2, &[0])), "contradicts the clock");
    takes(&with(read(24, 28, 2, &[0])));
    // Event 3 was begun at 30.
    finds(&with(read(26, 28, 4, &[0, 2])), "contradicts the clock");
    finds(
        &with(read(26, 28, 3, &[0])),
        "did not see the event at position 2",
    );
    finds(&with(read(26, 28, 3, &[0, 1, 2])), "saw ");
    finds(&with(read(26, 28, 9, &[0, 2, 4])), "beyond the end");
}

#[test]
fn a_page_that_ended_early_has_seen_nothing_of_the_future() {
    let early = |returned| {
        let mut one = read(22, returned, 4, &[0, 2]);
        if let What::Read(seen) = &mut one.what {
            seen.finished = false;
        }
        one
    };
    takes(&with(early(31)));
    finds(&with(early(28)), "saw what had not happened");
}

#[test]
fn a_condition_held_where_its_append_is() {
    let on = |number: u64, condition| {
        let mut all = right();
        all[number as usize] = appended(number, vec![condition]);
        all
    };
    takes(&on(3, no_match(3)));
    finds(&on(3, no_match(2)), "although a condition did not hold");
    // Event 2 is its own and not in its way.
    takes(&on(2, no_match(1)));
    finds(&on(2, no_match(0)), "although a condition did not hold");
    takes(&on(2, tag_at(Some(0))));
    finds(&on(2, tag_at(None)), "although a condition did not hold");
    finds(&on(2, tag_at(Some(1))), "although a condition did not hold");
    assert_eq!(takes(&on(0, tag_at(None))).conditional, 1);
}

fn refused_by(called: u64, returned: u64, condition: Condition, conflict: Conflict) -> Operation {
    at_time(
        called,
        returned,
        What::Refused(asked(&[9], vec![condition]), conflict),
    )
}

fn in_the_way(from: u64, number: u64) -> Conflict {
    Conflict::Match {
        condition: 0,
        from: Position::new(from),
        position: Position::new(number),
        id: id(number),
        event_type: EventType::from_static("order.placed"),
    }
}

#[test]
fn a_refusal_names_what_was_in_the_way() {
    takes(&with(refused_by(26, 28, no_match(1), in_the_way(1, 2))));
    takes(&with(refused_by(15, 21, no_match(1), in_the_way(1, 2))));
    // Event 2 was begun at 20.
    finds(
        &with(refused_by(15, 19, no_match(1), in_the_way(1, 2))),
        "was refused by what was not there",
    );
    // The first in the way is 0; 3 does not match; 4 is not the first.
    finds(
        &with(refused_by(50, 60, no_match(0), in_the_way(0, 2))),
        "was refused by",
    );
    finds(
        &with(refused_by(50, 60, no_match(3), in_the_way(3, 3))),
        "was refused by",
    );
    finds(
        &with(refused_by(50, 60, no_match(1), in_the_way(1, 4))),
        "was refused by",
    );
    finds(
        &with(refused_by(50, 60, no_match(1), in_the_way(2, 2))),
        "was refused by",
    );
    let its_own = at_time(
        50,
        60,
        What::Refused(asked(&[4], vec![no_match(1)]), in_the_way(1, 2)),
    );
    finds(&with(its_own), "was refused, but its event");
}

#[test]
fn a_refusal_by_a_revision_met_it() {
    let by = |called, returned, expected: Option<u64>, found: Option<u64>| {
        let conflict = Conflict::Tag {
            condition: 0,
            tag: tag(),
            expected: expected.map(Revision::new),
            found: found.map(Revision::new),
        };
        with(refused_by(called, returned, tag_at(expected), conflict))
    };
    takes(&by(26, 28, Some(0), Some(1)));
    finds(&by(26, 28, Some(1), Some(1)), "was refused by");
    finds(&by(26, 28, Some(1), Some(0)), "was refused by");
    finds(&by(26, 28, Some(0), Some(2)), "was refused by");
    takes(&by(21, 28, Some(1), Some(0)));
}

#[test]
fn marks_are_those_of_the_appends_before() {
    let key = MarkKey::new("idempotency", "k");
    let is = |expected: Option<&'static str>| Condition::MarkIs {
        key: key.clone(),
        expected: expected.map(Bytes::from),
    };
    let mut all = right();
    if let What::Appended(asked, _) = &mut all[1].what {
        asked.marks.push(Mark::set(key.clone(), "a"));
    }
    let taken = |number: u64, condition: &Condition| {
        let mut all = all.clone();
        all[number as usize] = appended(number, vec![condition.clone()]);
        all
    };
    takes(&taken(0, &is(None)));
    takes(&taken(2, &is(Some("a"))));
    finds(&taken(2, &is(None)), "although a condition did not hold");
    finds(&taken(3, &is(Some("b"))), "although a condition did not hold");
    let by = |called, returned, found: Option<&'static str>| {
        let conflict = Conflict::Mark {
            condition: 0,
            key: key.clone(),
            found: found.map(Bytes::from),
        };
        let mut all = all.clone();
        all.push(refused_by(called, returned, is(Some("z")), conflict));
        all
    };
    takes(&by(20, 22, Some("a")));
    takes(&by(0, 3, None));
    takes(&by(9, 11, Some("a")));
    finds(&by(20, 22, None), "was refused by");
    finds(&by(0, 3, Some("a")), "was refused by");
}

#[test]
fn what_nobody_was_told_is_whole_or_not_there() {
    let unknown = |ids: &[u64]| at_time(10, u64::MAX, What::Unknown(asked(ids, Vec::new())));
    let counts = takes(&with(unknown(&[8, 9])));
    assert_eq!((counts.unknown, counts.unknown_there), (1, 0));
    let mut there = right();
    there.drain(3..);
    there.push(unknown(&[3, 4]));
    assert_eq!(takes(&there).unknown_there, 1);
    there[3] = unknown(&[3, 9]);
    finds(&there, "is not in the log where");
    // Known by its repetition.
    let mut repeated = right();
    repeated.insert(0, unknown(&[3]));
    assert_eq!(takes(&repeated).unknown_there, 1);
}

#[test]
fn a_repetition_tells_the_place_of_what_was_begun() {
    let again = |returned, place| {
        let what = What::Repeated(asked(&[3], Vec::new()), Place::First(Position::new(place)));
        at_time(0, returned, what)
    };
    assert_eq!(takes(&with(again(31, 3))).repeated, 1);
    finds(&with(again(29, 3)), "before anybody had asked for it");
    finds(&with(again(31, 2)), "its events begin at position 3");
}
