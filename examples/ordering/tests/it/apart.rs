//! Every service a process of its own, over a real broker: orders go on while one after the other is killed, and the
//! broker too. In the end every acknowledged order is shipped and was charged once, or is cancelled, because payment was
//! out of reach for longer than its patience, and was paid back.

use crate::town::{PARTS, Town, services, url_of};

const ORDERS_PER_ROUND: u64 = 12;

fn survives(server: &str) {
    let mut town = Town::new("apart", &url_of(server), 0.0);
    // A broker that is not there is waited for; who is asked meanwhile says so.
    services("down", server);
    town.open();
    assert!(!town.is_ready(), "there is no broker");
    services("up", server);
    let mut orders = 0;
    let mut place = |town: &Town| {
        (orders..orders + ORDERS_PER_ROUND).for_each(|number| town.order(number));
        orders += ORDERS_PER_ROUND;
    };
    place(&town);
    town.announced("orders", &PARTS);
    town.stop("shipping");
    town.announced("orders", &["orders", "payments", "recorder", "stock"]);
    town.start("shipping");
    town.announced("orders", &PARTS);
    for part in PARTS {
        town.kill(part);
        town.start(part);
        place(&town);
    }
    services("kill", server);
    place(&town);
    services("up", server);
    place(&town);
    let placed = ORDERS_PER_ROUND * (PARTS.len() as u64 + 3);
    let shipped = town.settle(placed);
    assert!(shipped.len() as u64 > placed / 2, "{shipped:?}");
    town.check_books(placed, &shipped);
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
