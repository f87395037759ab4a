//! Topics, groups and lag as status pages show them.

use annals_core::port::transport::Transport;

use crate::bench::{Bench, done, id, next, next_one, park, retry};

#[tokio::test(start_paused = true)]
async fn topics_are_named_and_counted() {
    let mut bench = Bench::new();
    assert_eq!(bench.broker.topics().await.unwrap(), []);
    bench.publish("stock", 0, 3, 1).await;
    bench.publish("orders", 0, 2, 1).await;
    bench.restart();
    bench.publish("stock", 3, 1, 1).await;
    let topics = bench.broker.topics().await.unwrap();
    let found: Vec<_> = topics
        .iter()
        .map(|topic| (topic.topic.as_str(), topic.messages))
        .collect();
    assert_eq!(found, [("orders", 2), ("stock", 4)]);
}

#[tokio::test(start_paused = true)]
async fn a_group_is_shown_as_it_stands() {
    let mut bench = Bench::new();
    bench.publish("orders", 0, 10, 10).await;
    bench.publish("elsewhere", 0, 5, 1).await;
    let mut consumer = bench.join("shipping", &["orders"]).await;
    let idle = bench.join("shipping", &["orders"]).await;
    drop(idle);
    let mut deliveries = next(&mut consumer, 6).await;
    done(deliveries.remove(5)).await;
    done(deliveries.remove(0)).await;
    deliveries.remove(0).settle(park("poison")).await.unwrap();
    deliveries.remove(0).settle(retry(5_000)).await.unwrap();
    let status = bench.broker.status("shipping").await.unwrap();
    assert_eq!(
        (status.group.as_str(), &status.topics[..]),
        ("shipping", &["orders".into()][..])
    );
    assert_eq!((status.lag, status.watermark.get(), status.generation), (7, 2, 1));
    assert_eq!((status.parked, status.requeued, status.consumers), (1, 0, 1));
    assert_eq!((status.in_flight, status.delayed, status.waiting), (2, 1, 4));

    assert!(bench.broker.requeue("shipping", id("orders", 1)).await.unwrap());
    drop((consumer, deliveries));
    bench.restart();
    let status = bench.broker.status("shipping").await.unwrap();
    assert_eq!(
        (status.lag, status.parked, status.requeued, status.consumers),
        (7, 0, 1, 0)
    );
    assert_eq!((status.in_flight, status.delayed, status.waiting), (0, 0, 0));
    assert_eq!(bench.broker.lag("shipping").await.unwrap(), 7);
    assert_eq!(bench.broker.groups().await.unwrap(), ["shipping"]);
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_a_group_of_all_topics_counts_them_all() {
    let bench = Bench::new();
    let mut consumer = bench.join("recorder", &[]).await;
    assert_eq!(bench.broker.lag("recorder").await.unwrap(), 0);
    bench.publish("stock", 0, 3, 1).await;
    bench.publish("orders", 0, 2, 1).await;
    assert_eq!(bench.broker.lag("recorder").await.unwrap(), 5);
    done(next_one(&mut consumer).await).await;
    assert_eq!(bench.broker.lag("recorder").await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_broker_says_what_it_can_do() {
    let capabilities = Bench::new().broker.capabilities();
    assert!(capabilities.replay && capabilities.exact_dedupe && capabilities.partition_order);
    assert!(capabilities.stored_means.contains("flushed"));
}
