//! What every message transport keeps, whatever broker is behind it.
//!
//! In: a transport on which a case has not run before (cases use names of their own, so one broker may serve them all),
//! or, where a case needs to open it again, a [`Rig`]. Out: nothing, or a panic that says which promise broke. Nothing
//! here knows a particular broker; what a broker cannot do by its [`Capabilities`] is not asked of it.
//!
//! [`Capabilities`]: annals_core::port::transport::Capabilities

mod kit;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use annals_core::event::{EventType, Metadata, Origin, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId};
use annals_core::port::store::{BoxFuture, limits};
use annals_core::port::transport::{Delivery, Listener, Message, Published, Settlement, Start, Transport};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use kit::{
    DEADLINE, QUIET, assert_quiet, done, drain, join, key, message, next, next_one, number, numbered, park,
    publish_all, retry, settle, subscribe, take, tries,
};

/// Opens a transport again on the same data, as after a crash: nothing was closed.
pub trait Rig: Send + Sync {
    /// Opens it. What was opened before is dropped by the caller.
    fn open(&self) -> BoxFuture<'_, Arc<dyn Transport>>;
}

/// What an operator can do with parked messages, where the transport itself keeps them.
pub trait Parking: Send + Sync {
    /// The id, reason and attempts of what a group put aside and did not get since.
    fn parked<'a>(&'a self, group: &'a str) -> BoxFuture<'a, Vec<(EventId, String, u32)>>;

    /// Asks for a parked message again.
    fn requeue<'a>(&'a self, group: &'a str, id: EventId) -> BoxFuture<'a, ()>;
}

/// Case 1: what is published is delivered, byte for byte, with everything it carries.
pub async fn round_trip(transport: &dyn Transport) {
    const CASE: &str = "round-trip";
    let bodies: [Bytes; 5] = [
        Bytes::new(),
        Bytes::from_static(&[0]),
        (0..=u8::MAX).collect(),
        vec![0xA5; 1 << 20].into(),
        Bytes::from_static("{\"name\":\"Zoë \u{1F680} \\\"quoted\\\"\\n\"}".as_bytes()),
    ];
    let mut sent: Vec<_> = bodies
        .into_iter()
        .enumerate()
        .map(|(n, body)| message(CASE, n as u64, "a", body))
        .collect();
    sent.push(rich(message(CASE, 99, "a", "{}")));
    publish_all(transport, sent.clone()).await;
    let mut consumer = join(transport, CASE).await;
    for expected in &sent {
        let delivery = next_one(&mut *consumer).await;
        assert_eq!(&delivery.message, expected);
        done(delivery).await;
    }
    if transport.capabilities().replay {
        let mut reader = subscribe(transport, CASE, "any", Start::At(Position::ZERO)).await;
        let read = take(&mut *reader, sent.len()).await;
        assert!(read.iter().map(|delivery| &delivery.message).eq(&sent));
    }
}

fn rich(mut message: Message) -> Message {
    let id = message.event.id;
    message.event.version = 7;
    message.event.purpose = Purpose::Command;
    message.event.visibility = Visibility::Private;
    message.event.occurred = Some(Timestamp::from_micros(-1));
    for tag in ["sku:Ä:b c/\u{1F680}", "order:42"] {
        message.event.tags.push(Tag::new(tag).expect("a tag"));
    }
    message.event.metadata = Metadata {
        correlation: Some(CorrelationId::from_uuid(Uuid::from_u128(1))),
        causation: Some(id),
        trace_parent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        actor: Some("ann: \\ \u{fc}".into()),
        service: Some("orders".into()),
        topic: Some("elsewhere".into()),
        origin: Some(Origin {
            service: "orders".into(),
            position: Position::new(u64::from(u32::MAX)),
            recorded: Timestamp::from_micros(1_291_191_960_000_001),
        }),
    };
    message
}

/// Cases 3 and 5: what is too large or has no possible destination is refused, it alone and in its place; the connection
/// survives.
pub async fn refused(transport: &dyn Transport) {
    const CASE: &str = "refused";
    let mut batch = numbered(CASE, 9, 3);
    batch[2].event.data = vec![b'x'; limits::EVENT_DATA_BYTES_MAX + 1].into();
    batch[5].topic = "two\nlines".into();
    batch[7].event.event_type = EventType::from_static("");
    let outcomes = transport.publish(batch).await;
    let refused = |at: usize| matches!(&outcomes[at], Published::Refused(reason) if !reason.is_empty());
    for (place, outcome) in outcomes.iter().enumerate() {
        let expected = [2, 5, 7].contains(&place);
        assert_eq!(refused(place), expected, "message {place}: {outcome:?}");
        assert_eq!(
            *outcome == Published::Stored,
            !expected,
            "message {place}: {outcome:?}"
        );
    }
    publish_all(transport, vec![message(CASE, 9, "0", "9")]).await;
    let mut consumer = join(transport, CASE).await;
    drain(&mut *consumer, [0, 1, 3, 4, 6, 8, 9]).await;
    assert_eq!(transport.publish(Vec::new()).await, []);
}

/// Case 6: a consumer that goes away with deliveries in hand: all of them come back, and none of those it settled.
pub async fn unsettled_come_back(transport: &dyn Transport) {
    const CASE: &str = "unsettled";
    publish_all(transport, numbered(CASE, 10, 10)).await;
    let mut first = join(transport, CASE).await;
    let mut in_hand = take(&mut *first, 10).await;
    for delivery in in_hand.drain(..4) {
        done(delivery).await;
    }
    let expected: BTreeSet<_> = in_hand.iter().map(number).collect();
    drop(first);
    drop(in_hand);
    let mut second = join(transport, CASE).await;
    let again = take(&mut *second, 6).await;
    assert_eq!(again.iter().map(number).collect::<BTreeSet<_>>(), expected);
    assert!(
        again
            .iter()
            .all(|delivery| tries(delivery).is_none_or(|tries| tries == 2)),
        "{again:?}"
    );
    for delivery in again {
        done(delivery).await;
    }
    assert_quiet(&mut *second, "everything is settled").await;
}

/// Case 11: consumers of one group share the messages; each group gets all of them.
pub async fn groups_share(transport: &dyn Transport) {
    const CASE: &str = "share";
    publish_all(transport, numbered(CASE, 200, 50)).await;
    let mut one = join(transport, CASE).await;
    let mut two = join(transport, CASE).await;
    let (mut by_one, mut by_two) = (BTreeSet::new(), BTreeSet::new());
    while by_one.len() + by_two.len() < 200 {
        for (consumer, seen) in [(&mut one, &mut by_one), (&mut two, &mut by_two)] {
            let Ok(received) = timeout(QUIET, consumer.next(16)).await else {
                continue;
            };
            for delivery in received.expect("the subscription stands") {
                assert!(seen.insert(number(&delivery)));
                done(delivery).await;
            }
        }
    }
    assert!(by_one.is_disjoint(&by_two), "each message goes to one consumer");
    assert!(
        by_one.len() > 20 && by_two.len() > 20,
        "found {} and {}",
        by_one.len(),
        by_two.len()
    );
    let mut other = subscribe(transport, CASE, "share-other", Start::Group).await;
    drain(&mut *other, 0..200).await;
}

/// Case 12: a group added later sees what is kept, if the transport can replay; two subscribers that keep their own
/// checkpoint know nothing of each other.
pub async fn late_group(transport: &dyn Transport) {
    const CASE: &str = "late";
    if !transport.capabilities().replay {
        return;
    }
    publish_all(transport, numbered(CASE, 30, 4)).await;
    let mut early = join(transport, CASE).await;
    drain(&mut *early, 0..30).await;
    let mut late = subscribe(transport, CASE, "late-other", Start::Group).await;
    drain(&mut *late, 0..30).await;
    let mut reader = subscribe(transport, CASE, "any", Start::At(Position::ZERO)).await;
    let read = take(&mut *reader, 20).await;
    assert!(read.iter().map(number).eq(0..20));
    assert!(read.iter().all(|delivery| delivery.settle.is_none()));
    let after = read[9]
        .position
        .expect("a transport that replays has positions")
        .next();
    let mut further = subscribe(transport, CASE, "any", Start::At(after)).await;
    assert!(take(&mut *further, 20).await.iter().map(number).eq(10..30));
    assert!(take(&mut *reader, 10).await.iter().map(number).eq(20..30));
    assert_quiet(&mut *reader, "the reader has everything").await;
    publish_all(transport, vec![message(CASE, 30, "a", "30")]).await;
    assert_eq!(number(&next_one(&mut *reader).await), 30);
    // Who waits is woken by what is new, and gets nothing else.
    let waiting = async { number(&next_one(&mut *reader).await) };
    let (woken, ()) = tokio::join!(
        waiting,
        publish_all(transport, vec![message(CASE, 31, "a", "31")])
    );
    assert_eq!(woken, 31);
    assert_quiet(&mut *reader, "the reader has everything again").await;
}

/// Case 13: 64 keys keep their order while consumers join, leave and drop what they have in hand.
pub async fn order_while_consumers_change(transport: &dyn Transport) {
    const CASE: &str = "changing";
    const KEYS: u64 = 64;
    const COUNT: u64 = KEYS * 15;
    publish_all(transport, numbered(CASE, COUNT, KEYS)).await;
    let mut consumers = vec![join(transport, CASE).await];
    let mut settled: BTreeMap<String, u64> = BTreeMap::new();
    let mut held: Vec<Delivery> = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    for step in 0_usize.. {
        assert!(
            Instant::now() < deadline,
            "expected an end in time, found {settled:?}"
        );
        match step % 7 {
            2 if consumers.len() < 5 => consumers.push(join(transport, CASE).await),
            5 if consumers.len() > 1 => drop(consumers.remove(step % consumers.len())),
            // Everything in hand goes back, as after a crash.
            6 => held.clear(),
            _ => {}
        }
        let consumer = step % consumers.len();
        if let Ok(received) = timeout(Duration::from_millis(5), consumers[consumer].next(40)).await {
            held.extend(received.expect("the subscription stands"));
        }
        for delivery in held.split_off(held.len() / 3) {
            let expected = settled.entry(key(&delivery)).or_default();
            let turn = number(&delivery) / KEYS;
            assert!(
                turn <= *expected,
                "key {} got {turn} before {expected}",
                key(&delivery)
            );
            *expected = (*expected).max(turn + 1);
            done(delivery).await;
        }
        if settled.values().sum::<u64>() == COUNT {
            break;
        }
    }
}

/// Case 14: a message that is to be tried again holds up its key and no other.
pub async fn order_through_retry(transport: &dyn Transport) {
    const CASE: &str = "retry-order";
    publish_all(transport, numbered(CASE, 10, 2)).await;
    let mut consumer = join(transport, CASE).await;
    let (mut of_0, mut of_1, mut retries) = (Vec::new(), Vec::new(), 0);
    while of_0.len() + of_1.len() < 10 {
        for delivery in next(&mut *consumer, 8).await {
            let found = number(&delivery);
            if found == 2 && retries < 3 {
                retries += 1;
                retry(delivery, Duration::from_millis(30)).await;
                continue;
            }
            if found.is_multiple_of(2) {
                &mut of_0
            } else {
                &mut of_1
            }
            .push(found);
            done(delivery).await;
        }
    }
    assert_eq!((of_0, of_1), (vec![0, 2, 4, 6, 8], vec![1, 3, 5, 7, 9]));
}

/// Case 17: what is finished out of turn never makes a restart skip what is not; and it does not come back.
pub async fn watermark(rig: &dyn Rig) {
    const CASE: &str = "watermark";
    let transport = rig.open().await;
    publish_all(&*transport, numbered(CASE, 40, 40)).await;
    let mut consumer = join(&*transport, CASE).await;
    let mut left = Vec::new();
    for delivery in take(&mut *consumer, 20).await {
        if number(&delivery).is_multiple_of(5) {
            left.push(delivery);
        } else {
            done(delivery).await;
        }
    }
    let mut expected: BTreeSet<_> = left.iter().map(number).collect();
    assert_eq!(expected.len(), 4);
    expected.extend(20..40);
    drop((consumer, left, transport));
    let transport = rig.open().await;
    let mut consumer = join(&*transport, CASE).await;
    drain(&mut *consumer, expected).await;
    assert_quiet(&mut *consumer, "everything is settled").await;
}

/// Case 19: a retry comes when it was asked for, and each try is counted once, also across a restart. `slack` is what
/// the machine may be late; zero where time is virtual.
pub async fn retry_schedule(rig: &dyn Rig, slack: Duration) {
    const CASE: &str = "schedule";
    let transport = rig.open().await;
    publish_all(&*transport, numbered(CASE, 1, 1)).await;
    let mut consumer = join(&*transport, CASE).await;
    let mut delivery = next_one(&mut *consumer).await;
    for (round, wait) in (1..).zip([100, 250, 50, 0]) {
        assert!(
            tries(&delivery).is_none_or(|tries| tries == round),
            "{delivery:?}"
        );
        let after = Duration::from_millis(wait);
        let asked = Instant::now();
        retry(delivery, after).await;
        delivery = next_one(&mut *consumer).await;
        let waited = asked.elapsed();
        // A timer may be late by its grain, never early.
        let grain = Duration::from_millis(2);
        assert!(waited >= after, "asked for {after:?}, waited {waited:?}");
        assert!(
            waited <= after + after / 10 + grain + slack,
            "asked for {after:?}, waited {waited:?}"
        );
    }
    assert!(tries(&delivery).is_none_or(|tries| tries == 5), "{delivery:?}");
    retry(delivery, Duration::from_millis(20)).await;
    drop((consumer, transport));
    let transport = rig.open().await;
    let mut consumer = join(&*transport, CASE).await;
    let delivery = next_one(&mut *consumer).await;
    assert!(tries(&delivery).is_none_or(|tries| tries >= 6), "{delivery:?}");
    done(delivery).await;
}

/// Case 20: a message that is put aside lets its key go on and says why it was put aside; asked for again, once or
/// twice, it is delivered once more, and is put aside no longer when it is done.
pub async fn parking(transport: &dyn Transport, parking: &dyn Parking) {
    const CASE: &str = "parking";
    publish_all(transport, numbered(CASE, 6, 2)).await;
    let mut consumer = join(transport, CASE).await;
    let poison = message(CASE, 2, "0", "2").event.id;
    let mut order = Vec::new();
    while order.len() < 5 {
        for delivery in next(&mut *consumer, 8).await {
            match (number(&delivery), tries(&delivery)) {
                (2, None | Some(2..)) => settle(delivery, park("no such \"order\"")).await,
                (2, Some(_)) => retry(delivery, Duration::ZERO).await,
                (found, _) => {
                    order.push(found);
                    done(delivery).await;
                }
            }
        }
    }
    assert_eq!(
        order
            .iter()
            .filter(|found| found.is_multiple_of(2))
            .collect::<Vec<_>>(),
        [&0, &4]
    );
    let parked = parking.parked(CASE).await;
    assert_eq!(parked, [(poison, "no such \"order\"".to_owned(), 2)]);
    assert_quiet(&mut *consumer, "what is parked does not come back by itself").await;

    for _ in 0..2 {
        parking.requeue(CASE, poison).await;
    }
    let again = next_one(&mut *consumer).await;
    assert_eq!(again.message, numbered(CASE, 3, 2)[2]);
    settle(again, park("still not")).await;
    assert_eq!(parking.parked(CASE).await, [(poison, "still not".to_owned(), 1)]);

    for _ in 0..2 {
        parking.requeue(CASE, poison).await;
    }
    done(next_one(&mut *consumer).await).await;
    parking.requeue(CASE, poison).await;
    assert_quiet(&mut *consumer, "it is done").await;
    assert_eq!(parking.parked(CASE).await, []);
}

/// Case 22: a message published again, alone, in other company, twice in one batch or after a restart, is stored again
/// and delivered once.
pub async fn duplicate_ids(rig: &dyn Rig) {
    const CASE: &str = "duplicate";
    let transport = rig.open().await;
    if !transport.capabilities().exact_dedupe {
        return;
    }
    let all = numbered(CASE, 12, 3);
    publish_all(&*transport, all[..4].to_vec()).await;
    publish_all(&*transport, all[..4].to_vec()).await;
    publish_all(&*transport, vec![all[1].clone()]).await;
    publish_all(
        &*transport,
        vec![all[4].clone(), all[2].clone(), all[5].clone(), all[4].clone()],
    )
    .await;
    drop(transport);
    let transport = rig.open().await;
    publish_all(&*transport, all[2..9].to_vec()).await;
    publish_all(&*transport, all.clone()).await;
    let mut consumer = join(&*transport, CASE).await;
    drain(&mut *consumer, 0..12).await;
    assert_quiet(&mut *consumer, "each message was delivered once").await;
}

/// Case 25: a consumer that settles nothing is handed no more than `in_flight_max` messages, however many wait; settling
/// lets more come, and nothing is lost.
pub async fn back_pressure(transport: &dyn Transport, in_flight_max: usize) {
    const CASE: &str = "pressure";
    let count = in_flight_max as u64 * 3;
    publish_all(transport, numbered(CASE, count, count)).await;
    let mut consumer = join(transport, CASE).await;
    let mut in_hand = Vec::new();
    while let Ok(received) = timeout(QUIET, consumer.next(usize::MAX)).await {
        in_hand.extend(received.expect("the subscription stands"));
        assert!(
            in_hand.len() <= in_flight_max,
            "expected at most {in_flight_max}, found {}",
            in_hand.len()
        );
    }
    assert_eq!(in_hand.len(), in_flight_max);
    let mut missing: BTreeSet<u64> = (0..count).collect();
    for delivery in in_hand {
        assert!(missing.remove(&number(&delivery)));
        done(delivery).await;
    }
    drain(&mut *consumer, missing).await;
}

/// Case 28: consumers, deliveries and waiting calls may be dropped at any time and in any order.
pub async fn drop_without_close(transport: &dyn Transport) {
    const CASE: &str = "drop";
    publish_all(transport, numbered(CASE, 6, 6)).await;
    let mut first = join(transport, CASE).await;
    let mut in_hand = take(&mut *first, 4).await;
    drop(first);
    // Its consumer is gone; a delivery may be settled or come back, but nothing breaks.
    let late = in_hand.remove(0);
    let late_number = number(&late);
    let late_settled = late.settle(Settlement::Done).await.is_ok();
    let mut second = join(transport, CASE).await;
    let fresh = take(&mut *second, 2).await;
    drop(in_hand);
    let mut waiting = Box::pin(second.next(1));
    let cut_off = timeout(Duration::ZERO, &mut waiting).await;
    drop(waiting);
    let mut expected: BTreeSet<_> = (0..6).collect();
    if late_settled {
        expected.remove(&late_number);
    }
    for delivery in fresh.into_iter().chain(
        cut_off
            .into_iter()
            .flat_map(|received| received.expect("it stands")),
    ) {
        expected.remove(&number(&delivery));
        done(delivery).await;
    }
    drain(&mut *second, expected).await;
    drop(subscribe(transport, CASE, "drop-unused", Start::Group).await);
}

/// Case 29: subscribing again with the same words changes nothing; no call loses what the one before it made.
pub async fn subscribing_again(transport: &dyn Transport) {
    const CASE: &str = "again";
    publish_all(transport, numbered(CASE, 8, 8)).await;
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        let mut consumer = join(transport, CASE).await;
        let idle = join(transport, CASE).await;
        drop(idle);
        for delivery in take(&mut *consumer, 2).await {
            assert!(seen.insert(number(&delivery)), "{delivery:?} was settled before");
            done(delivery).await;
        }
    }
    let mut consumer = join(transport, CASE).await;
    assert_quiet(&mut *consumer, "everything is settled").await;
}

/// Case 38: what is said on a channel is heard by everybody who listens, once and in order; not by those of another
/// channel, and not by those who come later. It is no message: no group gets it.
pub async fn broadcast(transport: &dyn Transport) {
    const CASE: &str = "broadcast";
    if !transport.capabilities().broadcast {
        return;
    }
    let say = async |words: &'static str| {
        let said = transport.broadcast(CASE.into(), Bytes::from_static(words.as_bytes()));
        said.await.expect("it can be said");
    };
    let listen = async |channel: &'static str| {
        let listening = timeout(DEADLINE, transport.listen(channel.into())).await;
        listening
            .expect("listening begins in time")
            .expect("there is something to listen to")
    };
    say("yesterday").await;
    let (mut one, mut two, mut other) = (listen(CASE).await, listen(CASE).await, listen("another").await);
    say("first").await;
    say("second").await;
    for listener in [&mut one, &mut two] {
        assert_eq!(heard(&mut **listener).await, "first");
        assert_eq!(heard(&mut **listener).await, "second");
    }
    drop(one);
    let mut late = listen(CASE).await;
    say("third").await;
    assert_eq!(heard(&mut *two).await, "third");
    assert_eq!(heard(&mut *late).await, "third");
    let quiet = timeout(QUIET, other.next()).await;
    assert!(quiet.is_err(), "nothing was said there, found {quiet:?}");
}

async fn heard(listener: &mut dyn Listener) -> String {
    let said = timeout(DEADLINE, listener.next()).await;
    let said = said.expect("it is heard in time").expect("the listener stands");
    String::from_utf8(said.to_vec()).expect("it was said in words")
}
