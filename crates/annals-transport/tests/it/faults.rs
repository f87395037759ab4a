//! Stores that fail, and futures that are dropped: at worst a message comes back, never is one lost.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use annals_core::kind::ErrorKind;
use annals_core::port::store::{AppendError, EventStore, ReadError};
use annals_core::port::transport::{Published, ReceiveError, Settlement, SubscribeError, Transport};
use annals_store::{EmbeddedStore, Options};
use annals_transport::embedded::InspectError;

use crate::bench::{
    Bench, all_done, done, exact, id, is_lost, message, next, next_one, number, numbers, park, quiet, retry,
};
use crate::faulty::{Fault, FaultyStore};

fn bench() -> (FaultyStore, Bench) {
    let store = FaultyStore::default();
    let bench = Bench::on(Arc::new(store.clone()));
    (store, bench)
}

/// Polls a future a few times, then drops it.
fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..polls {
        assert!(matches!(future.as_mut().poll(&mut context), Poll::Pending));
    }
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_was_not_written_brings_the_message_back() {
    let (store, bench) = bench();
    bench.publish("orders", 0, 2, 1).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let failing = [
        AppendError::Full("no space".into()),
        AppendError::Invalid("too much".into()),
        AppendError::Unknown("slow".into()),
    ];
    for (tries, error) in (1..).zip(failing) {
        let delivery = next_one(&mut consumer).await;
        assert_eq!((number(&delivery), delivery.attempt), (0, exact(tries)));
        store.plan([Fault::Fails(error.clone())]);
        let settled = delivery.settle(Settlement::Done).await;
        assert!(is_lost(&settled, &error.to_string()), "{settled:?}");
    }
    store.plan([Fault::Fails(AppendError::Closed("closed".into()))]);
    let settled = next_one(&mut consumer).await.settle(park("why")).await;
    assert!(matches!(settled, Err(ReceiveError::Closed)), "{settled:?}");
    done(next_one(&mut consumer).await).await;
    assert_eq!(numbers(&next(&mut consumer, 9).await), [1]);
    assert_eq!(bench.broker.parked("shipping").await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_of_unknown_outcome_leaves_nothing_false_behind() {
    for first in [Settlement::Done, park("why"), retry(0)] {
        let (store, mut bench) = bench();
        bench.publish("orders", 0, 20, 20).await;
        let mut consumer = bench.join("shipping", &["orders"]).await;
        let mut deliveries = next(&mut consumer, 10).await;
        all_done(deliveries.split_off(5)).await;
        all_done(deliveries.split_off(1)).await;
        store.plan([Fault::WrittenButUnknown]);
        let settled = deliveries.remove(0).settle(first.clone()).await;
        assert!(is_lost(&settled, "not known"), "{settled:?}");
        let back = next_one(&mut consumer).await;
        assert_eq!(number(&back), 0, "{first:?}: it comes back");
        let mut others = next(&mut consumer, 2).await;
        done(others.pop().unwrap()).await;
        done(back).await;
        drop((consumer, others));
        assert_eq!(bench.broker.parked("shipping").await.unwrap(), [], "{first:?}");
        bench.restart();
        let mut consumer = bench.join("shipping", &["orders"]).await;
        let left = next(&mut consumer, 20).await;
        let expected: Vec<_> = std::iter::once(10).chain(12..20).collect();
        assert_eq!(
            numbers(&left),
            expected,
            "{first:?}: what was settled does not come back"
        );
        all_done(left).await;
        let marks = bench.store.marks("group", "shipping/").await.unwrap();
        let names: Vec<_> = marks.iter().map(|(key, _)| key.name.as_str()).collect();
        assert_eq!(names, ["shipping/at", "shipping/generation"], "{first:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_settlement_dropped_half_way_is_written_by_the_next() {
    let (store, mut bench) = bench();
    bench.publish("orders", 0, 6, 6).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut deliveries = next(&mut consumer, 4).await.into_iter();
    // Nobody polled it: it was never settled, so it comes back.
    drop(deliveries.next().unwrap().settle(Settlement::Done));
    // It was under way: it is settled, by whoever has the next turn.
    store.plan([Fault::WrittenButSilent]);
    poll_and_drop(deliveries.next().unwrap().settle(Settlement::Done), 2);
    let again = next(&mut consumer, 9).await;
    assert_eq!(numbers(&again), [0, 4, 5]);
    store.plan([Fault::WrittenButSilent]);
    poll_and_drop(deliveries.next().unwrap().settle(Settlement::Done), 1);
    done(deliveries.next().unwrap()).await;
    drop((consumer, again));
    bench.restart();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let left = next(&mut consumer, 9).await;
    assert_eq!(numbers(&left), [0, 4, 5]);
    assert_eq!(bench.broker.lag("shipping").await.unwrap(), 3);
    let mut left = left.into_iter().rev();
    store.plan([Fault::WrittenButSilent]);
    poll_and_drop(left.next().unwrap().settle(Settlement::Done), 1);
    all_done(left.collect()).await;
    let done_marks = bench.store.marks("group", "shipping/done/").await.unwrap();
    assert_eq!(done_marks, [], "what was written twice is cleared away once");
}

#[tokio::test(start_paused = true)]
async fn a_settlement_nobody_waits_for_is_written_by_the_next_look() {
    let (store, mut bench) = bench();
    bench.publish("orders", 0, 3, 3).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut deliveries = next(&mut consumer, 3).await.into_iter();
    store.plan([Fault::Silent]);
    poll_and_drop(deliveries.next().unwrap().settle(Settlement::Done), 2);
    quiet(&mut consumer).await;
    drop((consumer, deliveries));
    bench.restart();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    assert_eq!(numbers(&next(&mut consumer, 9).await), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn after_an_unknown_outcome_the_next_write_says_everything_again() {
    let (store, mut bench) = bench();
    bench.publish("orders", 0, 12, 12).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut deliveries = next(&mut consumer, 9).await;
    all_done(deliveries.split_off(1)).await;
    // What the store may have written: all of 0 to 8 is settled, and the marks of the single ones are gone.
    store.plan([Fault::WrittenButUnknown]);
    let settled = deliveries.remove(0).settle(Settlement::Done).await;
    assert!(is_lost(&settled, "not known"), "{settled:?}");
    let mut deliveries = next(&mut consumer, 9).await;
    assert_eq!(numbers(&deliveries), [0, 9, 10, 11]);
    done(deliveries.remove(1)).await;
    drop((consumer, deliveries));
    bench.restart();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let expected = [0, 10, 11];
    assert_eq!(
        numbers(&next(&mut consumer, 9).await),
        expected,
        "0 was said to come back, and nothing else"
    );
}

#[tokio::test(start_paused = true)]
async fn settlements_that_come_together_are_written_together() {
    let (store, bench) = bench();
    bench.publish("orders", 0, 40, 40).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut deliveries = next(&mut consumer, 40).await.into_iter();
    store.plan([Fault::WrittenButSilent]);
    let mut first = Box::pin(deliveries.next().unwrap().settle(Settlement::Done));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    let mut rest: Vec<_> = deliveries
        .map(|delivery| Box::pin(delivery.settle(Settlement::Done)))
        .collect();
    for settling in &mut rest {
        assert!(
            settling.as_mut().poll(&mut context).is_pending(),
            "it waits for its turn"
        );
    }
    // The one append after the first carries all of them: the second one planned would fail.
    store.plan([Fault::None, Fault::Fails(AppendError::Full("no space".into()))]);
    drop(first);
    for settling in rest {
        settling.await.unwrap();
    }
    assert_eq!(bench.broker.lag("shipping").await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_next_dropped_at_any_point_loses_nothing() {
    let (_, bench) = bench();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    for n in 0..5 {
        poll_and_drop(consumer.next(9), 3);
        bench.publish("orders", n, 1, 1).await;
        drop(consumer.next(9));
        let delivery = next_one(&mut consumer).await;
        assert_eq!((number(&delivery), delivery.attempt), (n, exact(1)));
        done(delivery).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_read_loses_the_subscription_not_the_messages() {
    let (store, bench) = bench();
    bench.publish("orders", 0, 3, 3).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    store.break_reads(Some(ReadError::Corrupt("segment 7".into())));
    let error = consumer.next(1).await.unwrap_err();
    assert!(
        matches!(&error, ReceiveError::Lost(why) if why.contains("segment 7")),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    store.break_reads(Some(ReadError::Closed));
    assert!(matches!(consumer.next(1).await, Err(ReceiveError::Closed)));
    store.break_reads(None);
    assert_eq!(numbers(&next(&mut consumer, 9).await), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_be_opened_can_be_opened_later() {
    let (store, bench) = bench();
    store.plan([Fault::Fails(AppendError::Full("no space".into()))]);
    let error = bench.try_join("shipping", &["orders"]).await.err().unwrap();
    assert!(
        matches!(&error, SubscribeError::Unavailable(why) if why.contains("no space")),
        "{error}"
    );
    let error = bench.broker.lag("shipping").await.unwrap_err();
    assert!(matches!(&error, InspectError::NoSuchGroup(_)), "{error}");
    let mut consumer = bench.join("shipping", &["orders"]).await;
    quiet(&mut consumer).await;
}

#[tokio::test(start_paused = true)]
async fn a_requeue_that_was_not_written_or_not_awaited_can_be_asked_for_again() {
    let (store, bench) = bench();
    bench.publish("orders", 0, 1, 1).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    next_one(&mut consumer).await.settle(park("why")).await.unwrap();
    store.plan([Fault::Fails(AppendError::Full("no space".into()))]);
    let error = bench
        .broker
        .requeue("shipping", id("orders", 0))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    store.plan([Fault::WrittenButSilent]);
    poll_and_drop(bench.broker.requeue("shipping", id("orders", 0)), 2);
    quiet(&mut consumer).await;
    assert!(!bench.broker.requeue("shipping", id("orders", 0)).await.unwrap());
    done(next_one(&mut consumer).await).await;
    assert_eq!(bench.broker.parked("shipping").await.unwrap(), []);
    tokio::time::sleep(Duration::from_secs(1)).await;
    quiet(&mut consumer).await;
    assert_eq!(store.healthy().end().get(), 1);
}

#[tokio::test]
async fn a_store_that_is_closed_ends_everything_in_good_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::new()).unwrap();
    let bench = Bench::on(Arc::new(store.clone()));
    bench.publish("orders", 0, 2, 2).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut deliveries = next(&mut consumer, 2).await;
    done(deliveries.remove(0)).await;
    let waiting = tokio::spawn(async move { consumer.next(1).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.close();
    let ended = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    let ended = ended.expect("a waiting call ends").unwrap();
    assert!(matches!(ended, Err(ReceiveError::Closed)), "{ended:?}");
    let settled = deliveries.remove(0).settle(Settlement::Done).await;
    assert!(matches!(settled, Err(ReceiveError::Closed)), "{settled:?}");
    let outcomes = bench.broker.publish(vec![message("orders", 2, 2)]).await;
    assert!(matches!(&outcomes[0], Published::Unknown(_)), "{outcomes:?}");
    drop((store, bench));

    let again = EmbeddedStore::open(dir.path(), Options::new()).unwrap();
    let bench = Bench::on(Arc::new(again));
    let mut consumer = bench.join("shipping", &["orders"]).await;
    assert_eq!(numbers(&next(&mut consumer, 2).await), [1]);
}
