use std::time::Duration;

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use bytes::Bytes;

use super::*;

fn held(position: u64, key: &str) -> Held {
    let event = NewEvent {
        id: EventId::from_uuid(uuid::Uuid::from_u128(u128::from(position))),
        event_type: EventType::from_static("test.happened"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![Tag::new(key).unwrap()],
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::from_static(b"12345"),
    };
    Held {
        position: Position::new(position),
        message: Message {
            topic: "orders".into(),
            event,
        },
        taken: Timestamp::EPOCH,
        tries: 0,
        tries_exact: true,
        tries_marked: false,
        requeued: false,
        not_before: None,
        unsure: false,
    }
}

fn holding(messages: &[(u64, &str)]) -> (Backlog, ConsumerId) {
    let mut backlog = Backlog::new();
    let consumer = backlog.join();
    for (position, key) in messages {
        backlog.hold(held(*position, key));
    }
    (backlog, consumer)
}

fn handed(backlog: &mut Backlog, consumer: ConsumerId, max: usize) -> Vec<u64> {
    let out = backlog.hand_out(consumer, max);
    out.iter().map(|out| out.held.position.get()).collect()
}

fn done(backlog: &mut Backlog, position: u64) {
    backlog.finish(Position::new(position));
}

#[test]
fn of_each_key_one_message_is_in_hand_and_the_oldest_keys_go_first() {
    let (mut backlog, consumer) = holding(&[(0, "k:a"), (1, "k:a"), (2, "k:b"), (3, "k:c"), (4, "k:b")]);
    assert_eq!(handed(&mut backlog, consumer, 2), [0, 2]);
    assert_eq!(handed(&mut backlog, consumer, 10), [3]);
    done(&mut backlog, 2);
    assert_eq!(handed(&mut backlog, consumer, 10), [4]);
    done(&mut backlog, 0);
    assert_eq!(handed(&mut backlog, consumer, 10), [1]);
    for position in [1, 3, 4] {
        done(&mut backlog, position);
    }
    assert_eq!((backlog.len(), backlog.bytes(), backlog.queues.len()), (0, 0, 0));
    assert_eq!(backlog.in_hand(consumer), 0);
}

#[test]
fn what_is_given_back_comes_again_before_what_follows() {
    let (mut backlog, consumer) = holding(&[(0, "k:a"), (1, "k:a")]);
    let first = backlog.hand_out(consumer, 1).remove(0);
    backlog.give_back(Position::ZERO, first.generation + 1);
    assert_eq!(
        handed(&mut backlog, consumer, 1),
        Vec::<u64>::new(),
        "another generation gives nothing back"
    );
    backlog.give_back(Position::ZERO, first.generation);
    let again = backlog.hand_out(consumer, 5).remove(0);
    assert_eq!((again.held.position, again.held.tries), (Position::ZERO, 2));
}

#[test]
fn a_message_being_settled_is_neither_given_back_nor_settled_again() {
    let (mut backlog, consumer) = holding(&[(0, "k:a")]);
    let generation = backlog.hand_out(consumer, 1).remove(0).generation;
    assert!(backlog.begin_settling(Position::ZERO, generation));
    assert!(!backlog.begin_settling(Position::ZERO, generation));
    backlog.give_back(Position::ZERO, generation);
    assert_eq!(handed(&mut backlog, consumer, 1), Vec::<u64>::new());
    backlog.put_back(Position::ZERO);
    assert_eq!(handed(&mut backlog, consumer, 1), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_holds_up_its_key_alone() {
    let (mut backlog, consumer) = holding(&[(0, "k:a"), (1, "k:a"), (2, "k:b")]);
    assert_eq!(handed(&mut backlog, consumer, 1), [0]);
    let due = Instant::now() + Duration::from_secs(5);
    backlog.delay(Position::ZERO, due);
    assert_eq!(backlog.next_due(), Some(due));
    assert_eq!(handed(&mut backlog, consumer, 9), [2]);
    let expected = Counts {
        waiting: 1,
        delayed: 1,
        in_hand: 1,
    };
    assert_eq!(backlog.counts(), expected);
    backlog.wake(due - Duration::from_millis(1));
    assert_eq!(handed(&mut backlog, consumer, 9), Vec::<u64>::new());
    backlog.wake(due);
    assert_eq!(handed(&mut backlog, consumer, 9), [0]);
    assert_eq!(backlog.next_due(), None);
}

#[test]
fn an_older_message_that_joins_goes_next_but_not_beside_what_is_in_hand() {
    let (mut backlog, consumer) = holding(&[(5, "k:a"), (6, "k:a")]);
    backlog.hold(held(3, "k:a"));
    assert_eq!(
        handed(&mut backlog, consumer, 9),
        [3],
        "the older one took the place at the head"
    );
    backlog.hold(held(1, "k:a"));
    assert_eq!(handed(&mut backlog, consumer, 9), Vec::<u64>::new());
    done(&mut backlog, 3);
    assert_eq!(handed(&mut backlog, consumer, 9), [1]);
    done(&mut backlog, 1);
    assert_eq!(handed(&mut backlog, consumer, 9), [5]);
}

#[test]
fn holding_twice_has_one_effect() {
    let (mut backlog, consumer) = holding(&[(0, "k:a"), (0, "k:a")]);
    assert_eq!((backlog.len(), backlog.bytes()), (1, HELD_BYTES + 5));
    assert_eq!(handed(&mut backlog, consumer, 9), [0]);
    backlog.hold(held(0, "k:a"));
    assert_eq!(handed(&mut backlog, consumer, 9), Vec::<u64>::new());
}

#[test]
fn messages_without_a_tag_do_not_wait_for_each_other() {
    let (mut backlog, consumer) = holding(&[]);
    for position in 0..3 {
        let mut loose = held(position, "k:a");
        loose.message.event.tags.clear();
        backlog.hold(loose);
    }
    assert_eq!(handed(&mut backlog, consumer, 9), [0, 1, 2]);
}

#[test]
fn two_consumers_never_have_one_key_at_once() {
    let keys: Vec<String> = (0..64).map(|number| format!("k:{number}")).collect();
    let messages: Vec<_> = (0..256).map(|at| (at, keys[at as usize % 64].as_str())).collect();
    let (mut backlog, first) = holding(&messages);
    let mut of_first = handed(&mut backlog, first, 40);
    let second = backlog.join();
    let of_second = handed(&mut backlog, second, 1_000);
    assert!(of_first.iter().all(|at| !of_second.contains(&(at % 64))));
    of_first.iter().for_each(|at| done(&mut backlog, *at));
    of_first = handed(&mut backlog, first, 1_000);
    let also_second = handed(&mut backlog, second, 1_000);
    let mut all: Vec<_> = of_first
        .iter()
        .chain(&of_second)
        .chain(&also_second)
        .map(|at| at % 64)
        .collect();
    all.sort_unstable();
    assert_eq!(all, (0..64).collect::<Vec<_>>(), "each key is in hand once");
    assert!(!of_first.is_empty() && !of_second.is_empty());
}
