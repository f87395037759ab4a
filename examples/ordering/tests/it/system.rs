//! The whole system on virtual time: five services, a broker and a moody payment provider, crashes and lost answers.
//!
//! Every story is told by a seed. Whatever happened on the way, in the end the books agree: those of the orders, of the
//! provider, of the warehouse and of the parcels.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use annals::core::kind::ErrorKind;
use annals::core::port::sink::SinkView;
use annals::{Decide, Service};
use annals_sqlite::Sqlite;
use annals_testkit::chain::{Chain, Faults, Stage, Trace};
use annals_testkit::replay;
use ordering::contract::keys::{CorrectionId, CustomerId, DeliveryId, OrderId, ReturnId, Sku};
use ordering::contract::orders::{CancelOrder, Line, Pieces, PlaceOrder, TakeReturn};
use ordering::contract::stock::{CorrectStock, ReceiveGoods};
use ordering::money::Money;
use ordering::orders::fulfilment::{Fulfilment, PAYMENT_PATIENCE};
use ordering::orders::order::{Order, Return, Stage as Step};
use ordering::orders::returning::Returning;
use ordering::orders::sales::Sales;
use ordering::payments::charge::Payer;
use ordering::shipping::Parcel;
use ordering::stock::article::Stock;
use ordering::stock::levels::StockLevels;
use ordering::{orders, payments, shipping, stock};

use super::bank::{Bank, Mood};

pub(crate) const EVERYTHING: Faults = Faults {
    unknown_appends: 20,
    failed_reads: 10,
    unknown_publishes: 40,
    slow_publishes: 40,
    lost_subscriptions: 40,
    repeated_deliveries: 80,
    slow_appends: 20,
};
const ARTICLES: [&str; 4] = ["cup", "pot", "scale", "kettle"];
/// The last one is not enough for everybody.
const DELIVERED: [u32; 4] = [500, 500, 500, 12];
const SERVICES: [&str; 5] = ["orders", "payments", "stock", "shipping", "recorder"];

/// Sets the whole system up on a stage.
async fn set_up(stage: &Stage, bank: &Bank) {
    let views = |service: &str| Arc::new(Sqlite::folder(stage.folder().join(service)).unwrap());
    let (of_orders, of_stock) = (views("orders"), views("stock"));
    let payer = Arc::new(Payer(Box::new(bank.clone())));
    stage
        .service("recorder", |recorder| recorder.records_everything())
        .await;
    stage.service("shipping", |_| shipping::service()).await;
    stage
        .service("stock", move |_| stock::service(Arc::clone(&of_stock)))
        .await;
    stage
        .service("payments", move |_| payments::service(Arc::clone(&payer)))
        .await;
    stage
        .service("orders", move |_| orders::service(Arc::clone(&of_orders)))
        .await;
}

/// What the story knows that was acknowledged.
#[derive(Default)]
struct Told {
    orders: BTreeMap<OrderId, Vec<Line>>,
    returns: BTreeMap<ReturnId, Vec<Line>>,
    /// By article.
    missing: BTreeMap<String, u32>,
}

/// Asks until there is an answer: whether it was done, or refused with a code.
async fn ask<C: Decide>(stage: &Stage, service: &str, key: &str, command: C) -> Result<(), String> {
    loop {
        let asked = stage.running(service).execute(command.clone());
        match asked.idempotency_key(key).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Refused => return Err(error.code()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

fn line(stage: &Stage, articles: usize) -> Line {
    let article = stage.seed().below(articles as u64) as usize;
    Line {
        sku: Sku::from(ARTICLES[article]),
        quantity: 1 + stage.seed().below(3) as u32,
        price: format!("{}.25", 1 + stage.seed().below(90)).parse().unwrap(),
        goods: stage.seed().below(8) > 0,
    }
}

fn lines(stage: &Stage, articles: usize) -> Vec<Line> {
    (0..=stage.seed().below(3))
        .map(|_| line(stage, articles))
        .collect()
}

fn customer(stage: &Stage) -> Option<CustomerId> {
    let known = stage.seed().below(4) > 0;
    known.then(|| CustomerId::from(format!("{}", 10 + stage.seed().below(5))))
}

async fn order(stage: &Stage, number: u64) -> (OrderId, Vec<Line>) {
    let id = OrderId::from(format!("o{number}"));
    let lines = lines(stage, ARTICLES.len());
    let command = PlaceOrder {
        order: id.clone(),
        customer: customer(stage),
        country: format!("country {}", number % 3),
        lines: lines.clone(),
        placed: None,
    };
    let placed = ask(stage, "orders", &format!("place o{number}"), command).await;
    assert_eq!(placed, Ok(()), "a new order is placed");
    (id, lines)
}

async fn give_back(stage: &Stage, number: u64) -> (ReturnId, Vec<Line>) {
    let id = ReturnId::from(format!("r{number}"));
    let lines = lines(stage, 3);
    let command = TakeReturn {
        id: id.clone(),
        customer: customer(stage),
        country: "country 0".to_owned(),
        lines: lines.clone(),
        returned: None,
    };
    let taken = ask(stage, "orders", &format!("return r{number}"), command).await;
    assert_eq!(taken, Ok(()), "a return is taken");
    (id, lines)
}

async fn deliver(stage: &Stage) {
    let pieces = ARTICLES.iter().zip(DELIVERED).map(|(sku, quantity)| Pieces {
        sku: Sku::from(*sku),
        quantity,
    });
    let command = ReceiveGoods {
        delivery: DeliveryId::from("d1"),
        pieces: pieces.collect(),
        received: None,
    };
    assert_eq!(ask(stage, "stock", "d1", command).await, Ok(()));
}

/// One chapter: some orders at once, perhaps a cancellation, a return, a count, and a crash.
async fn chapter(stage: &Stage, number: u64, told: &mut Told) {
    let (a, b, c, d) = (number * 10, number * 10 + 1, number * 10 + 2, number * 10 + 3);
    let placed = tokio::join!(order(stage, a), order(stage, b), order(stage, c), order(stage, d));
    told.orders.extend([placed.0, placed.1, placed.2, placed.3]);
    for _ in 0..stage.seed().below(40) {
        tokio::task::yield_now().await;
    }
    let whose = OrderId::from(format!("o{}", number * 10 + stage.seed().below(4)));
    let cancel = CancelOrder {
        order: whose,
        reason: "customer".to_owned(),
    };
    let cancelled = ask(stage, "orders", &format!("cancel {number}"), cancel).await;
    assert!(
        cancelled.is_ok() || cancelled == Err("already_shipped".to_owned()),
        "{cancelled:?}"
    );
    told.returns.extend([give_back(stage, number).await]);
    if number == 1 {
        let correction = CorrectStock {
            id: CorrectionId::from("c1"),
            missing: vec![Pieces {
                sku: Sku::from("cup"),
                quantity: 7,
            }],
            counted: None,
        };
        assert_eq!(ask(stage, "stock", "c1", correction).await, Ok(()));
        told.missing.insert("cup".to_owned(), 7);
    }
    let victim = SERVICES[stage.seed().below(5) as usize];
    stage.crash_somewhere(victim).await;
}

async fn story(stage: &Stage, bank: &Bank, chapters: u64) -> Told {
    set_up(stage, bank).await;
    deliver(stage).await;
    let mut told = Told::default();
    for number in 0..chapters {
        chapter(stage, number, &mut told).await;
        tokio::time::sleep(Duration::from_millis(stage.seed().below(4_000))).await;
    }
    stage.pass(PAYMENT_PATIENCE * 4).await;
    told
}

fn minus(left: Money, right: Money) -> Money {
    left.checked_sub(right).expect("small amounts")
}

/// The order's own books, the provider's and the parcel's agree. Counts the orders that were shipped.
async fn check_orders(stage: &Stage, bank: &Bank, told: &Told) -> u64 {
    let (orders, shipping) = (stage.running("orders"), stage.running("shipping"));
    let ledger = bank.ledger();
    let shipped = Cell::new(0);
    for id in told.orders.keys() {
        let order = loaded(async || orders.load::<Order>(id).await.map(|order| order.state)).await;
        let parcel = loaded(async || shipping.load::<Parcel>(id).await.map(|parcel| parcel.state)).await;
        let charge = ledger.get(&format!("charge:{id}"));
        let kept = charge.map_or(Money::ZERO, |charge| minus(charge.captured, charge.refunded));
        match order.stage {
            Step::Shipped => {
                shipped.set(shipped.get() + 1);
                assert_eq!(kept, order.amount, "{id} was shipped: {charge:?}");
                assert_eq!(parcel, Parcel::Shipped, "{id}");
                assert_eq!(
                    (order.captured, order.refunded),
                    (order.amount, Money::ZERO),
                    "{id}"
                );
            }
            Step::Cancelled => {
                assert_eq!(kept, Money::ZERO, "{id} was cancelled: {charge:?} {order:?}");
                assert_ne!(parcel, Parcel::Shipped, "{id} was cancelled");
            }
            other => panic!("{id} is still {other:?}: {order:?} {charge:?}"),
        }
    }
    let known = |key: &String| {
        key.strip_prefix("charge:")
            .is_some_and(|id| told.orders.contains_key(&OrderId::from(id)))
    };
    assert!(ledger.keys().all(known), "a charge for nobody: {ledger:?}");
    shipped.get()
}

/// A store of this stage may refuse to be read; ask again.
async fn loaded<T, E>(mut load: impl AsyncFnMut() -> Result<T, E>) -> T {
    loop {
        if let Ok(found) = load().await {
            return found;
        }
    }
}

async fn check_returns(stage: &Stage, told: &Told) {
    let orders = stage.running("orders");
    for (id, lines) in &told.returns {
        let back = loaded(async || orders.load::<Return>(id).await.map(|back| back.state)).await;
        let goods = lines.iter().any(|line| line.goods);
        assert!(
            back.taken && back.credited && (back.back || !goods),
            "{id}: {back:?}"
        );
    }
}

/// received + returned - missing - shipped, by article.
async fn expected_stock(stage: &Stage, told: &Told) -> BTreeMap<String, i64> {
    let mut left: BTreeMap<String, i64> = BTreeMap::new();
    let mut add = |sku: &str, pieces: i64| *left.entry(sku.to_owned()).or_default() += pieces;
    ARTICLES
        .iter()
        .zip(DELIVERED)
        .for_each(|(sku, pieces)| add(sku, i64::from(pieces)));
    for (sku, missing) in &told.missing {
        add(sku, -i64::from(*missing));
    }
    let goods = |lines: &Vec<Line>| -> Vec<(String, i64)> {
        let goods = lines.iter().filter(|line| line.goods);
        goods
            .map(|line| (line.sku.to_string(), i64::from(line.quantity)))
            .collect()
    };
    for lines in told.returns.values() {
        goods(lines).iter().for_each(|(sku, pieces)| add(sku, *pieces));
    }
    let orders = stage.running("orders");
    for (id, lines) in &told.orders {
        if loaded(async || orders.load::<Order>(id).await).await.stage == Step::Shipped {
            goods(lines).iter().for_each(|(sku, pieces)| add(sku, -pieces));
        }
    }
    left
}

async fn check_stock(stage: &Stage, told: &Told) {
    let stock = stage.running("stock");
    let expected = expected_stock(stage, told).await;
    let rows = stock.view::<StockLevels>().now().expect("the projection runs");
    let rows = rows.rows("SELECT sku, available FROM stock_levels", ()).unwrap();
    let rows: BTreeMap<String, i64> = rows
        .iter()
        .map(|row| {
            (
                row["sku"].as_str().unwrap().to_owned(),
                row["available"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(rows, expected, "the read model and the orders");
    for (sku, left) in expected {
        let sku = Sku::from(sku);
        let found = loaded(async || stock.load::<Stock>(&sku).await).await.left;
        assert_eq!(found, left, "{sku}");
        assert!(found >= 0, "{sku} was promised twice");
    }
}

/// Nothing waits, nothing is in trouble, no timer is left.
async fn check_rest(stage: &Stage) -> usize {
    let statuses = stage.statuses().await;
    for status in &statuses {
        assert!(status.is_idle() && status.trouble().is_none(), "{status:#?}");
        assert_eq!(status.timers, 0, "{}", status.service);
    }
    statuses.iter().map(|status| status.parked).sum()
}

/// Everything held in memory and in read models is the fold of what was recorded.
async fn check_replay(stage: &Stage) {
    let orders = stage.running("orders");
    assert!(replay::process::<Fulfilment>(&orders).await > 0);
    assert!(replay::process::<Returning>(&orders).await > 0);
    for service in SERVICES {
        replay::states(&stage.running(service)).await;
    }
    let again = Sqlite::folder(stage.folder().join("again")).unwrap();
    let again = replay::projection(orders.store(), Sales, &again).await;
    let live = orders.view::<Sales>().now().expect("the projection runs");
    for sql in [
        "SELECT * FROM sales_by_country ORDER BY country",
        "SELECT * FROM sales_by_day ORDER BY day",
        "SELECT * FROM open_sales ORDER BY sale",
    ] {
        assert_eq!(live.rows(sql, ()).unwrap(), again.rows(sql, ()).unwrap(), "{sql}");
    }
    assert!(
        live.checkpoint()
            .await
            .is_ok_and(|checkpoint| checkpoint.is_some())
    );
}

/// What is parked is taken up again: only payments whose provider never answered.
async fn take_up_again(stage: &Stage) {
    for name in SERVICES {
        let service: Service = stage.running(name);
        for parked in loaded(async || service.parked().await).await {
            assert_eq!(parked.message, "payments.take", "{parked:?}");
            service.requeue(parked.id).await;
        }
    }
    stage.pass(PAYMENT_PATIENCE * 4).await;
}

#[test]
fn when_nothing_goes_wrong_every_order_is_shipped() {
    Chain::new(7).run(async |stage| {
        let bank = Bank::default();
        set_up(stage, &bank).await;
        deliver(stage).await;
        let mut told = Told::default();
        told.orders.extend([order(stage, 1).await, order(stage, 2).await]);
        told.returns.extend([give_back(stage, 1).await]);
        stage.settle().await;
        assert_eq!(check_orders(stage, &bank, &told).await, 2);
        check_returns(stage, &told).await;
        check_stock(stage, &told).await;
        assert_eq!(check_rest(stage).await, 0);
        check_replay(stage).await;
    });
}

pub(crate) fn told_by(seed: u64, faults: Faults, chapters: u64) {
    let bank = Bank::of_moods(seed);
    Chain::with_faults(seed, faults).run(async |stage| {
        let told = story(stage, &bank, chapters).await;
        println!("seed {seed}, {faults:?}");
        let shipped = check_orders(stage, &bank, &told).await;
        check_returns(stage, &told).await;
        check_stock(stage, &told).await;
        let parked = check_rest(stage).await;
        check_replay(stage).await;
        take_up_again(stage).await;
        assert_eq!(
            check_orders(stage, &bank, &told).await,
            shipped,
            "requeued too late"
        );
        check_stock(stage, &told).await;
        assert_eq!(shipped + cancelled(stage, &told).await, told.orders.len() as u64);
        println!("{shipped} of {} shipped, {parked} were parked", told.orders.len());
    });
}

async fn cancelled(stage: &Stage, told: &Told) -> u64 {
    let orders = stage.running("orders");
    let mut cancelled = 0;
    for id in told.orders.keys() {
        let order = loaded(async || orders.load::<Order>(id).await).await;
        cancelled += u64::from(order.stage == Step::Cancelled);
    }
    cancelled
}

#[test]
fn whatever_the_provider_does_the_books_agree() {
    (0..6).for_each(|seed| told_by(seed, Faults::default(), 4));
}

#[test]
fn whatever_is_lost_repeated_or_crashes_the_books_agree() {
    (100..112).for_each(|seed| told_by(seed, EVERYTHING, 4));
}

#[test]
fn the_moods_of_the_bank_are_all_met() {
    let bank = Bank::of_moods(0);
    let mut moods: Vec<Mood> = (0..100).map(|n| bank.mood(&format!("charge:o{n}"))).collect();
    moods.sort_unstable();
    moods.dedup();
    assert_eq!(moods.len(), 6, "{moods:?}");
}

fn trace(seed: u64) -> Trace {
    let bank = Bank::of_moods(seed);
    Chain::with_faults(seed, EVERYTHING).run(async |stage| {
        story(stage, &bank, 2).await;
        stage.trace().await
    })
}

#[test]
fn the_same_seed_is_the_same_story() {
    let (first, second) = (trace(5), trace(5));
    assert_eq!(first.first_difference(&second), None);
    assert!(first.lines().len() > 100, "{first}");
}
