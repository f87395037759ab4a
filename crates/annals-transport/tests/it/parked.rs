//! Parked messages and asking for them again.

use annals_core::kind::ErrorKind;
use annals_transport::embedded::RequeueError;

use crate::bench::{Bench, done, exact, id, next, next_one, number, numbers, park, quiet, retry};

/// A broker whose group `shipping` parked these of ten messages over two keys and settled the rest.
async fn with_parked(numbers: &[u64]) -> (Bench, Box<dyn annals_core::port::transport::Consumer>) {
    let bench = Bench::new();
    bench.publish("orders", 0, 10, 2).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    for _ in 0..10 {
        let delivery = next_one(&mut consumer).await;
        if numbers.contains(&number(&delivery)) {
            delivery.settle(park("poison")).await.unwrap();
        } else {
            done(delivery).await;
        }
    }
    (bench, consumer)
}

async fn parked(bench: &Bench) -> Vec<(u64, bool)> {
    let parked = bench.broker.parked("shipping").await.unwrap();
    parked
        .iter()
        .map(|parked| (parked.position.get(), parked.requeued))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_parked_message_says_what_it_is_and_why() {
    let (mut bench, consumer) = with_parked(&[3]).await;
    drop(consumer);
    bench.restart();
    let parked = bench.broker.parked("shipping").await.unwrap().remove(0);
    assert_eq!(
        (parked.id, parked.position.get(), parked.attempts),
        (id("orders", 3), 3, 1)
    );
    assert_eq!(
        (parked.topic.as_str(), parked.event_type.as_str()),
        ("orders", "test.happened")
    );
    assert_eq!((parked.reason.as_str(), parked.requeued), ("poison", false));
    assert_eq!(parked.parked, bench.clock.now());
}

#[tokio::test(start_paused = true)]
async fn all_are_asked_for_again_in_order_once() {
    let (bench, mut consumer) = with_parked(&[2, 5, 6]).await;
    assert_eq!(bench.broker.requeue_all("shipping").await.unwrap(), 3);
    assert_eq!(bench.broker.requeue_all("shipping").await.unwrap(), 0);
    assert!(!bench.broker.requeue("shipping", id("orders", 5)).await.unwrap());
    assert_eq!(parked(&bench).await, [(2, true), (5, true), (6, true)]);
    let deliveries = next(&mut consumer, 9).await;
    assert_eq!(numbers(&deliveries), [2, 5], "of one key one at a time");
    assert_eq!(deliveries[0].attempt, exact(1), "tries are counted anew");
    assert_eq!(
        bench.broker.requeue_all("shipping").await.unwrap(),
        0,
        "asked for while in hand"
    );
    for delivery in deliveries {
        done(delivery).await;
    }
    assert_eq!(parked(&bench).await, [(6, true)]);
    done(next_one(&mut consumer).await).await;
    assert_eq!(parked(&bench).await, []);
    assert_eq!(bench.broker.requeue_all("shipping").await.unwrap(), 0);
    quiet(&mut consumer).await;
    assert_eq!(bench.broker.lag("shipping").await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_asked_for_again_waits_for_what_is_in_hand_of_its_key() {
    let (bench, mut consumer) = with_parked(&[2]).await;
    bench.publish("orders", 10, 4, 2).await;
    let in_hand = next(&mut consumer, 9).await;
    assert_eq!(numbers(&in_hand), [10, 11]);
    assert!(bench.broker.requeue("shipping", id("orders", 2)).await.unwrap());
    quiet(&mut consumer).await;
    for delivery in in_hand {
        done(delivery).await;
    }
    let after = next(&mut consumer, 9).await;
    assert_eq!(numbers(&after), [2, 13]);
    for delivery in after {
        done(delivery).await;
    }
    assert_eq!(numbers(&next(&mut consumer, 9).await), [12]);
}

#[tokio::test(start_paused = true)]
async fn a_request_outlives_a_restart_and_works_without_a_consumer() {
    let (mut bench, consumer) = with_parked(&[2, 3, 4]).await;
    drop(consumer);
    bench.restart();
    assert!(bench.broker.requeue("shipping", id("orders", 3)).await.unwrap());
    assert!(!bench.broker.requeue("shipping", id("orders", 3)).await.unwrap());
    bench.restart();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let delivery = next_one(&mut consumer).await;
    assert_eq!(number(&delivery), 3);
    delivery.settle(retry(1_000)).await.unwrap();
    drop(consumer);
    bench.restart();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let delivery = next_one(&mut consumer).await;
    assert_eq!(
        (number(&delivery), parked(&bench).await),
        (3, vec![(2, false), (3, true), (4, false)])
    );
    done(delivery).await;
    quiet(&mut consumer).await;
    assert_eq!(parked(&bench).await, [(2, false), (4, false)]);
    assert_eq!(bench.store.marks("group", "shipping/try/").await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_message_parked_above_the_watermark_can_be_asked_for_again() {
    let mut bench = Bench::new();
    bench.publish("orders", 0, 4, 4).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut deliveries = next(&mut consumer, 9).await;
    deliveries.pop().unwrap().settle(park("poison")).await.unwrap();
    assert!(bench.broker.requeue("shipping", id("orders", 3)).await.unwrap());
    drop((consumer, deliveries));
    bench.restart();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut deliveries = next(&mut consumer, 9).await;
    assert_eq!(numbers(&deliveries), [0, 1, 2, 3], "each is there once");
    done(deliveries.pop().unwrap()).await;
    drop((consumer, deliveries));
    bench.restart();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    assert_eq!(numbers(&next(&mut consumer, 9).await), [0, 1, 2]);
    assert_eq!(parked(&bench).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_very_long_reason_is_cut() {
    let bench = Bench::new();
    bench.publish("orders", 0, 1, 1).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    next_one(&mut consumer)
        .await
        .settle(park(&"\u{1}".repeat(1 << 20)))
        .await
        .unwrap();
    let parked = bench.broker.parked("shipping").await.unwrap();
    assert_eq!(parked[0].reason.len(), 2_048);
}

#[tokio::test]
async fn an_unknown_group_or_message_is_told_apart() {
    let (bench, _consumer) = with_parked(&[2]).await;
    assert!(!bench.broker.requeue("shipping", id("orders", 7)).await.unwrap());
    let error = bench.broker.requeue_all("nobody").await.unwrap_err();
    assert!(
        matches!(&error, RequeueError::NoSuchGroup(group) if group == "nobody"),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = bench.broker.requeue("a/b", id("orders", 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        bench.broker.parked("nobody").await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}
