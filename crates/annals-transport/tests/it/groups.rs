//! Groups: order, retries, restart, changes of topics, two brokers on one store, bounds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use annals_core::mark::MarkKey;
use annals_core::port::store::{Append, EventStore};
use annals_core::port::transport::{Attempt, Published, Settlement, SubscribeError, Transport};
use annals_store::MemoryStore;
use annals_transport::embedded::{EmbeddedBroker, Limits};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::bench::{
    Bench, RuntimeClock, all_done, done, exact, is_lost, message, next, next_one, number, numbers, quiet,
    retry,
};

#[tokio::test(start_paused = true)]
async fn of_one_key_one_message_is_in_hand() {
    let bench = Bench::new();
    bench.publish("orders", 0, 6, 2).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let first = next(&mut consumer, 10).await;
    assert_eq!(numbers(&first), [0, 1]);
    quiet(&mut consumer).await;
    let mut first = first.into_iter();
    done(first.next().unwrap()).await;
    assert_eq!(
        numbers(&next(&mut consumer, 10).await),
        [2],
        "it was dropped unsettled and comes back"
    );
    let again = next(&mut consumer, 10).await;
    assert_eq!((numbers(&again), again[0].attempt), (vec![2], exact(2)));
}

#[tokio::test(start_paused = true)]
async fn one_order_holds_over_all_topics_of_a_group() {
    let bench = Bench::new();
    for (n, topic) in ["orders", "stock", "orders", "stock"].into_iter().enumerate() {
        let outcomes = bench.broker.publish(vec![message(topic, n as u64, 7)]).await;
        assert_eq!(outcomes, [Published::Stored]);
    }
    bench.publish("elsewhere", 100, 3, 1).await;
    for topics in [&["orders", "stock"][..], &[]] {
        let group = format!("of {} topics", topics.len());
        let mut consumer = bench.join(&group, topics).await;
        for expected in 0..4 {
            let delivery = next_one(&mut consumer).await;
            assert_eq!(number(&delivery), expected);
            done(delivery).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_are_no_messages_are_passed_over() {
    let bench = Bench::new();
    let mut plain = message("orders", 900, 0).event;
    plain.tags.push("order:1".parse().unwrap());
    let append = Append {
        events: vec![plain],
        ..Append::default()
    };
    bench.store.append(append).await.unwrap();
    bench.publish("orders", 0, 2, 2).await;
    let mut consumer = bench.join("everything", &[]).await;
    let deliveries = next(&mut consumer, 10).await;
    assert_eq!(numbers(&deliveries), [0, 1]);
    all_done(deliveries).await;
    quiet(&mut consumer).await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_outlives_a_restart_with_its_time_and_its_count() {
    let mut bench = Bench::new();
    bench.publish("orders", 0, 3, 1).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    next_one(&mut consumer).await.settle(retry(0)).await.unwrap();
    next_one(&mut consumer).await.settle(retry(10_000)).await.unwrap();
    drop(consumer);
    tokio::time::advance(Duration::from_secs(4)).await;
    bench.restart();
    let begun = Instant::now();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let delivery = next_one(&mut consumer).await;
    assert_eq!((number(&delivery), delivery.attempt), (0, Attempt::AtLeast(3)));
    assert_eq!(begun.elapsed().as_secs(), 6);
    done(delivery).await;
    assert_eq!(
        next_one(&mut consumer).await.attempt,
        Attempt::AtLeast(1),
        "it may have been handed out before"
    );
    bench.publish("orders", 3, 1, 1).await;
    let mut left = vec![next_one(&mut consumer).await];
    for _ in 0..2 {
        done(left.pop().unwrap()).await;
        left.push(next_one(&mut consumer).await);
    }
    assert_eq!(
        (numbers(&left), left[0].attempt),
        (vec![3], exact(1)),
        "new since the restart"
    );
    let marks = bench.store.marks("group", "shipping/try/").await.unwrap();
    assert_eq!(marks, [], "tries are forgotten once their message is done");
}

#[tokio::test(start_paused = true)]
async fn what_was_finished_out_of_turn_leaves_no_marks_behind() {
    let bench = Bench::new();
    bench.publish("orders", 0, 100, 100).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut deliveries = next(&mut consumer, 100).await;
    let first = deliveries.remove(0);
    deliveries.reverse();
    all_done(deliveries).await;
    let done_marks = || async { bench.store.marks("group", "shipping/done/").await.unwrap().len() };
    assert_eq!(done_marks().await, 99);
    done(first).await;
    assert_eq!(done_marks().await, 0);
    let at = bench
        .store
        .mark(MarkKey::new("group", "shipping/at"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(at, r#"{"at":{"orders":100},"topics":["orders"]}"#);
}

#[tokio::test(start_paused = true)]
async fn a_group_may_listen_to_more_and_to_fewer_topics_later() {
    let mut bench = Bench::new();
    bench.publish("orders", 0, 3, 3).await;
    bench.publish("stock", 10, 3, 3).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    all_done(next(&mut consumer, 9).await).await;
    let error = bench.try_join("shipping", &["stock"]).await.err().unwrap();
    assert!(
        matches!(&error, SubscribeError::Unsupported(why) if why.contains("orders") && why.contains("stock")),
        "{error}"
    );
    drop(consumer);
    let mut consumer = bench.join("shipping", &["orders", "stock"]).await;
    let deliveries = next(&mut consumer, 9).await;
    assert_eq!(
        numbers(&deliveries),
        [10, 11, 12],
        "a new topic begins with its oldest message"
    );
    all_done(deliveries).await;
    drop(consumer);
    bench.restart();
    bench.publish("orders", 3, 1, 1).await;
    bench.publish("billing", 20, 1, 7).await;
    let mut consumer = bench.join("shipping", &[]).await;
    let deliveries = next(&mut consumer, 9).await;
    assert_eq!(numbers(&deliveries), [3, 20]);
    all_done(deliveries).await;
    drop(consumer);
    let mut consumer = bench.join("shipping", &["stock", "billing", "orders"]).await;
    quiet(&mut consumer).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_brokers_on_one_store_the_later_one_leads() {
    let bench = Bench::new();
    bench.publish("orders", 0, 4, 4).await;
    let mut early = bench.join("shipping", &["orders"]).await;
    let mut in_hand = next(&mut early, 2).await;
    done(in_hand.remove(0)).await;
    let later = EmbeddedBroker::new(Arc::clone(&bench.store), RuntimeClock::start());
    let later = Bench {
        store: Arc::clone(&bench.store),
        clock: Arc::clone(&bench.clock),
        broker: later,
    };
    let mut leading = later.join("shipping", &["orders"]).await;
    let settled = in_hand.remove(0).settle(Settlement::Done).await;
    assert!(is_lost(&settled, "another broker"), "{settled:?}");
    assert!(early.next(1).await.is_err(), "the earlier broker leads no more");
    let deliveries = next(&mut leading, 9).await;
    assert_eq!(
        numbers(&deliveries),
        [1, 2, 3],
        "the refused settlement changed nothing"
    );
    all_done(deliveries).await;
    // Subscribing again takes the lead back, in good order.
    bench.publish("orders", 4, 1, 1).await;
    let mut back = bench.join("shipping", &["orders"]).await;
    assert_eq!(numbers(&next(&mut back, 9).await), [4]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_waits_gets_what_is_published_then() {
    let bench = Bench::new();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    quiet(&mut consumer).await;
    let broker = bench.broker.clone();
    let publishing = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        broker
            .publish(vec![message("elsewhere", 1, 1), message("orders", 0, 0)])
            .await
    });
    let delivery = next_one(&mut consumer).await;
    assert_eq!((number(&delivery), delivery.attempt), (0, exact(1)));
    assert_eq!(publishing.await.unwrap(), [Published::Stored, Published::Stored]);
}

#[tokio::test(start_paused = true)]
async fn a_lane_moves_to_a_waiting_consumer_when_its_last_delivery_is_dropped() {
    let bench = Bench::new();
    bench.publish("orders", 0, 64, 64).await;
    let mut first = bench.join("shipping", &["orders"]).await;
    let in_hand = next(&mut first, 64).await;
    let mut second = bench.join("shipping", &["orders"]).await;
    quiet(&mut second).await;
    drop(first);
    quiet(&mut second).await;
    let (later, now) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(in_hand);
            Instant::now()
        },
        async {
            let deliveries = next(&mut second, 1).await;
            assert_eq!(deliveries[0].attempt, exact(2));
            Instant::now()
        }
    );
    assert_eq!(later, now, "it was woken by the drop");
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_while_a_key_is_held_up() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let limits = Limits {
        in_flight_max: 4,
        window_max: 20,
        held_bytes_max: 1 << 20,
    };
    let clock = RuntimeClock::start();
    let bench = Bench {
        broker: EmbeddedBroker::with_limits(Arc::clone(&store), Arc::clone(&clock), limits),
        store,
        clock,
    };
    bench.publish("orders", 0, 100, 100).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let held_up = next_one(&mut consumer).await;
    let mut seen = BTreeSet::new();
    while let Ok(received) = tokio::time::timeout(Duration::from_millis(10), consumer.next(9)).await {
        let deliveries = received.unwrap();
        assert!(deliveries.len() <= 4);
        seen.extend(numbers(&deliveries));
        all_done(deliveries).await;
        let status = bench.broker.status("shipping").await.unwrap();
        assert!(status.waiting + status.in_flight <= 20, "{status:?}");
    }
    assert_eq!(
        seen,
        (1..20).collect(),
        "the window is full of what waits for the first"
    );
    done(held_up).await;
    // From here on one message is always in hand, so the window never falls empty, yet moves on.
    let mut in_hand = next_one(&mut consumer).await;
    assert!(seen.insert(number(&in_hand)));
    while seen.len() < 99 {
        for delivery in next(&mut consumer, 3).await {
            assert!(seen.insert(number(&delivery)));
            done(std::mem::replace(&mut in_hand, delivery)).await;
        }
    }
    done(in_hand).await;
    assert_eq!(bench.broker.lag("shipping").await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_window_is_found_again_after_a_restart() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let clock = RuntimeClock::start();
    let limits = Limits {
        window_max: 8,
        ..Limits::default()
    };
    let open = || Bench {
        broker: EmbeddedBroker::with_limits(Arc::clone(&store), Arc::clone(&clock), limits),
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
    };
    let bench = open();
    bench.publish("orders", 0, 30, 30).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let held_up = next_one(&mut consumer).await;
    all_done(next(&mut consumer, 9).await).await;
    quiet(&mut consumer).await;
    drop((bench, consumer, held_up));
    let bench = open();
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut seen = Vec::new();
    while seen.len() < 23 {
        let deliveries = next(&mut consumer, 9).await;
        seen.extend(numbers(&deliveries));
        all_done(deliveries).await;
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(std::iter::once(0).chain(8..30)));
}

#[tokio::test(start_paused = true)]
async fn content_in_memory_is_bounded() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryStore::new());
    let clock = RuntimeClock::start();
    let limits = Limits {
        held_bytes_max: 10_000,
        ..Limits::default()
    };
    let bench = Bench {
        broker: EmbeddedBroker::with_limits(Arc::clone(&store), Arc::clone(&clock), limits),
        store,
        clock,
    };
    let mut batch: Vec<_> = (0..40).map(|n| message("orders", n, n)).collect();
    batch
        .iter_mut()
        .for_each(|message| message.event.data = vec![0; 3_000].into());
    bench.broker.publish(batch).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let mut in_hand = Vec::new();
    while let Ok(received) = tokio::time::timeout(Duration::from_millis(10), consumer.next(100)).await {
        in_hand.extend(received.unwrap());
    }
    assert_eq!(in_hand.len(), 4, "the fourth goes over the bound");
    let mut count = 0;
    while count < 40 {
        count += in_hand.len();
        all_done(std::mem::take(&mut in_hand)).await;
        if count < 40 {
            in_hand = next(&mut consumer, 100).await;
        }
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_refused() {
    let bench = Bench::new();
    for (group, topic) in [
        ("", "orders"),
        ("a/b", "orders"),
        ("shipping", ""),
        ("shipping", "a\nb"),
    ] {
        let error = bench.try_join(group, &[topic]).await.err().unwrap();
        assert!(
            matches!(error, SubscribeError::Unsupported(_)),
            "{group:?} {topic:?}: {error}"
        );
    }
    let many: Vec<_> = (0..400).map(|n| format!("{n}{}", "x".repeat(200))).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let error = bench.try_join("shipping", &many).await.err().unwrap();
    assert!(error.to_string().contains("checkpoint"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_on_several_threads_keep_every_key_in_order() {
    const KEYS: u64 = 32;
    const COUNT: u64 = KEYS * 40;
    let bench = Arc::new(Bench::new());
    bench.publish("orders", 0, COUNT, KEYS).await;
    let seen = Arc::new(std::sync::Mutex::new(vec![0_u64; KEYS as usize]));
    let mut consumers = JoinSet::new();
    for _ in 0..4 {
        let (bench, seen) = (Arc::clone(&bench), Arc::clone(&seen));
        consumers.spawn(async move {
            let mut consumer = bench.join("shipping", &["orders"]).await;
            while let Ok(received) = tokio::time::timeout(Duration::from_millis(300), consumer.next(8)).await
            {
                for delivery in received.unwrap() {
                    let (key, turn) = (number(&delivery) % KEYS, number(&delivery) / KEYS);
                    assert_eq!(seen.lock().unwrap()[key as usize], turn, "key {key}");
                    tokio::task::yield_now().await;
                    seen.lock().unwrap()[key as usize] += 1;
                    done(delivery).await;
                }
            }
        });
    }
    while let Some(ended) = consumers.join_next().await {
        ended.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), vec![40; KEYS as usize]);
    assert_eq!(bench.broker.lag("shipping").await.unwrap(), 0);
}
