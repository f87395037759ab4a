//! Orders as large as they may be, and many of them at once: nothing that was placed may stop a service later.

use std::sync::Arc;

use annals::{Effects, Model, On, Process, ServiceBuilder};
use annals_sqlite::Sqlite;
use annals_testkit::chain::{Chain, Stage};
use futures_util::future::join_all;
use ordering::contract::keys::{DeliveryId, OrderId, Sku};
use ordering::contract::orders::{Line, OrderPlaced, Pieces, PlaceOrder};
use ordering::contract::stock::ReceiveGoods;
use ordering::orders::order::{LINES_MAX, Order, Stage as Step};
use ordering::payments::charge::Payer;
use ordering::{orders, payments, shipping, stock};
use serde::Serialize;

use super::bank::Bank;

fn lines(articles: usize, code_bytes: usize) -> Vec<Line> {
    let line = |n: usize| Line {
        sku: Sku::from(format!("{n:0>code_bytes$}")),
        quantity: 1,
        price: "0.25".parse().expect("an amount"),
        goods: true,
    };
    (0..articles).map(line).collect()
}

fn place(id: &str, lines: Vec<Line>) -> PlaceOrder {
    PlaceOrder {
        order: OrderId::from(id),
        customer: None,
        country: "Norway".to_owned(),
        lines,
        placed: None,
    }
}

async fn start_orders(stage: &Stage) {
    let views = Arc::new(Sqlite::folder(stage.folder().join("orders")).unwrap());
    stage
        .service("orders", move |_| orders::service(Arc::clone(&views)))
        .await;
}

async fn start_payments(stage: &Stage) {
    let payer = Arc::new(Payer(Box::new(Bank::default())));
    stage
        .service("payments", move |_| payments::service(Arc::clone(&payer)))
        .await;
}

async fn start_stock(stage: &Stage) {
    let views = Arc::new(Sqlite::folder(stage.folder().join("stock")).unwrap());
    stage
        .service("stock", move |_| stock::service(Arc::clone(&views)))
        .await;
}

#[test]
fn an_order_of_as_many_articles_as_there_may_be_is_shipped() {
    Chain::new(1).run(async |stage| {
        start_orders(stage).await;
        start_payments(stage).await;
        start_stock(stage).await;
        stage.service("shipping", |_| shipping::service()).await;
        let all = lines(LINES_MAX, 12);
        let goods = all.iter().map(|line| Pieces {
            sku: line.sku.clone(),
            quantity: 1,
        });
        let receive = ReceiveGoods {
            delivery: DeliveryId::from("d1"),
            pieces: goods.collect(),
            received: None,
        };
        stage.running("stock").execute(receive).await.unwrap();
        let orders = stage.running("orders");
        orders.execute(place("one", all.clone())).await.unwrap();
        // There is one of each: nothing is left for the second.
        stage.settle().await;
        orders.execute(place("two", all)).await.unwrap();
        stage.settle().await;
        let found = async |id| orders.load::<Order>(&OrderId::from(id)).await.unwrap().state;
        assert_eq!(found("one").await.stage, Step::Shipped);
        let second = found("two").await;
        assert_eq!(
            (second.stage, second.reason.as_deref()),
            (Step::Cancelled, Some("out_of_stock"))
        );
    });
}

/// Sees every order, and does nothing about it.
#[derive(Default, Serialize)]
struct Watching;

impl Model for Watching {
    type Key = OrderId;
    type Event = OrderPlaced;

    fn apply(&mut self, _: &OrderPlaced) {}
}

impl Process for Watching {
    const NAME: &'static str = "watching";
    type Timer = ();

    fn react(&self, _: On<'_, OrderPlaced, ()>, _: &mut Effects<()>) {}
}

/// Each is a message of 64 KiB, and the note that it was sent is as large: together they are more than a store takes
/// in one append, for the process that sends them, for another service that copies them, and for the recorder.
#[test]
fn what_many_large_orders_want_at_once_is_more_than_one_append() {
    const ORDERS: usize = 300;
    Chain::new(2).run(async |stage| {
        stage
            .service("recorder", |recorder| recorder.records_everything())
            .await;
        stage.stop("recorder").await;
        let watching = |watcher: ServiceBuilder| watcher.process::<Watching>().listens_to("orders");
        stage.service("watcher", watching).await;
        stage.stop("watcher").await;
        start_orders(stage).await;
        let orders = stage.running("orders");
        let placing = (0..ORDERS).map(|n| {
            let orders = orders.clone();
            async move { orders.execute(place(&format!("o{n}"), lines(127, 495))).await }
        });
        for placed in join_all(placing).await {
            placed.unwrap();
        }
        stage.settle().await;
        stage.stop("orders").await;
        // All payments are there before any of them is seen.
        start_payments(stage).await;
        stage.settle().await;
        stage.restart("orders").await;
        stage.restart("recorder").await;
        stage.restart("watcher").await;
        stage.settle().await;
        let copied = stage.history("watcher").await;
        assert_eq!(copied.len(), ORDERS);
        let recorded = stage.history("recorder").await;
        let count = |name: &str| {
            recorded
                .iter()
                .filter(|event| event.event_type.as_str() == name)
                .count()
        };
        assert_eq!(count("order.placed"), ORDERS);
        assert_eq!(count("payments.take"), ORDERS);
        assert_eq!(count("stock.reserve"), ORDERS);
        for status in stage.statuses().await {
            assert_eq!(status.trouble(), None, "{status:?}");
        }
    });
}
