//! Every service a process of its own, over a real broker: orders go on while one after the other is killed, and the
//! broker too. In the end every acknowledged order is shipped and was charged once, or is cancelled, because payment was
//! out of reach for longer than its patience, and was paid back.

use std::time::{Duration, Instant};

use ordering::money::Money;
use ordering::provider::{Config, serve};

use crate::town::{PARTS, REST, Town, services};

const ORDERS_PER_ROUND: u64 = 12;

/// What the provider kept is what was shipped; a late compensation may still be on its way.
fn check_books(town: &Town, shipped: &[u64]) {
    let hundredths: u64 = shipped.iter().map(|number| (1 + number % 3) * 250).sum();
    let expected: Money = format!("{}.{:02}", hundredths / 100, hundredths % 100)
        .parse()
        .unwrap();
    let began = Instant::now();
    loop {
        let totals = town.provider_report()["totals"].clone();
        let count = |name: &str| totals[name].as_u64().unwrap();
        let amount = |name: &str| serde_json::from_value::<Money>(totals[name].clone()).unwrap();
        let kept = amount("refunded_amount").checked_add(expected);
        if count("captured") == count("refunded") + shipped.len() as u64
            && kept == Some(amount("captured_amount"))
        {
            return;
        }
        assert!(began.elapsed() < REST, "{totals}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn survives(server: &str) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config::new(folder.path().join("provider"));
    let provider = runtime.block_on(serve(config)).unwrap();
    let mut town = Town::new(
        server,
        "apart",
        folder.path(),
        format!("http://{}", provider.address()),
    );
    town.open();
    let mut orders = 0;
    let mut place = |town: &Town| {
        (orders..orders + ORDERS_PER_ROUND).for_each(|number| town.order(number));
        orders += ORDERS_PER_ROUND;
    };
    place(&town);
    for part in PARTS {
        town.kill(part);
        place(&town);
    }
    services("kill", server);
    place(&town);
    services("up", server);
    place(&town);
    let placed = ORDERS_PER_ROUND * (PARTS.len() as u64 + 3);
    let shipped = town.settle(placed);
    assert!(shipped.len() as u64 > placed / 2, "{shipped:?}");
    check_books(&town, &shipped);
    drop(town);
    runtime.block_on(provider.stop());
}

#[test]
#[ignore = "broker: rabbitmq: kills it and every service"]
fn rabbitmq_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("rabbitmq");
}

#[test]
#[ignore = "broker: kafka: kills it and every service"]
fn kafka_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("kafka");
}

#[test]
#[ignore = "broker: activemq: kills it and every service"]
fn activemq_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("activemq");
}

#[test]
#[ignore = "broker: artemis: kills it and every service"]
fn artemis_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("artemis");
}

#[test]
#[ignore = "broker: nats: kills it and every service"]
fn nats_loses_nothing_when_services_and_the_broker_are_killed() {
    survives("nats");
}
