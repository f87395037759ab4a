//! Bad roads to the server: it is not there yet, its door is shut in everybody's face, nobody answers, answers are slow, or
//! its clock stands still. Nothing hangs, nothing hurries, and health says what is wrong.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_core::port::transport::{
    Consumer, Health, Published, Settlement, Start, Subscribe, SubscribeError, Transport,
};
use annals_core::position::Position;
use annals_core::time::SystemClock;
use annals_store::MemoryStore;
use annals_testkit::proxy::{Proxy, Weather};
use annals_transport::durable::DurableInbox;
use annals_transport::embedded::EmbeddedBroker;
use tokio::time::timeout;

use super::killed::services;
use super::kit::{
    DEADLINE, Road, TOPIC, apart, asked, by_way_of, declare, done, fresh, inside, join, message, number,
    number_of, numbered, publish, take, take_and_settle,
};

/// Longer than a call may take, whatever the road: the deadlines of connecting and of a confirmation together.
const CALL_MAX: Duration = Duration::from_secs(32);

/// Calls, and says how long that took; it must not hang.
async fn within<T>(what: &str, call: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let answer = timeout(CALL_MAX, call).await;
    let answer = answer.unwrap_or_else(|_| panic!("{what} hangs"));
    (answer, began.elapsed())
}

fn assert_unknown(outcomes: &[Published]) {
    let unknown = |outcome: &Published| matches!(outcome, Published::Unknown(why) if !why.is_empty());
    assert!(outcomes.iter().all(unknown), "{outcomes:?}");
}

fn assert_not_up(transport: &dyn Transport, when: &str) {
    let health = transport.health();
    assert!(
        matches!(&health, Health::Degraded(why) | Health::Blocked(why) if !why.is_empty()),
        "{when}: {health:?}"
    );
}

async fn until_up(transport: &dyn Transport) {
    let began = Instant::now();
    while transport.health() != Health::Up {
        assert!(began.elapsed() < DEADLINE, "{:?}", transport.health());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A durable copy of a group, read from its beginning.
async fn copied(transport: &Arc<dyn Transport>) -> Box<dyn Consumer> {
    let copy = EmbeddedBroker::new(Arc::new(MemoryStore::new()), Arc::new(SystemClock));
    let subscribe = Subscribe {
        group: "one".into(),
        topics: vec![TOPIC.into()],
        start: Start::At(Position::ZERO),
    };
    let inbox = DurableInbox::new(Arc::clone(transport), copy);
    inbox.subscribe(subscribe).await.unwrap()
}

/// Connections that came while so much time passed.
async fn counted(proxy: &Proxy, time: Duration) -> u64 {
    let before = proxy.accepted();
    tokio::time::sleep(time).await;
    proxy.accepted() - before
}

/// The server is not there when its clients start; then its door is there and shuts at once; then it is open. They say so,
/// do not run against it more often than their back-off says, and get to work.
pub(super) async fn not_there_yet(server: &'static str) {
    let (road, namespace) = (Road::to(server).await, fresh("not-there"));
    // The group is known before, as it is when a system starts anew.
    declare(&*inside(server, &namespace), "one").await;
    let transport = by_way_of(&road.url(), &namespace);
    let mut reader = copied(&transport).await;
    let (outcomes, took) = within("publishing to nobody", transport.publish(numbered(0..3))).await;
    assert_unknown(&outcomes);
    // Some only look for the server when a group is declared.
    let (declared, _) = within(
        "declaring to nobody",
        transport.declare("one".into(), vec![TOPIC.into()]),
    )
    .await;
    assert!(
        matches!(declared, Err(SubscribeError::Unavailable(_))),
        "{declared:?}"
    );
    assert_not_up(&*transport, "nobody is there");
    let proxy = road.proxy().await;
    proxy.set(Weather::Cut);
    let time = Duration::from_secs(asked("ANNALS_STORM_SECONDS", 8));
    let came = counted(&proxy, time).await;
    // One reader with pauses of 0.1, 0.2, … 2 s, and a client of Kafka for it and for publishing, which tries each second.
    let allowed = match server {
        "kafka" => 4 * (time.as_secs() + 2),
        "nats" => 3 * time.as_secs(),
        _ => 8 + time.as_secs() / 2,
    };
    assert!(
        came <= allowed,
        "{came} connections in {time:?}, expected at most {allowed}"
    );
    proxy.set(Weather::Clear);
    let began = Instant::now();
    declare(&*transport, "one").await;
    publish(&*transport, numbered(3..23)).await;
    let mut missing: BTreeSet<u64> = (3..23).collect();
    while !missing.is_empty() {
        for delivery in take(&mut *reader, 1).await {
            missing.remove(&number(&delivery));
        }
    }
    until_up(&*transport).await;
    println!(
        "{server}: unknown after {:.1} s; {came} connections in {time:?} to a door that shuts; at work {:.1} s after it opened",
        took.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
}

/// Nobody answers any more, though the connection seems to stand: publishing ends in time and is not known to have worked,
/// and health says so. A slow road delivers everything.
pub(super) async fn bad_weather(server: &'static str) {
    let (road, namespace) = (Road::to(server).await, fresh("weather"));
    let proxy = Arc::new(road.proxy().await);
    let transport = by_way_of(&road.url(), &namespace);
    declare(&*transport, "one").await;
    publish(&*transport, numbered(0..10)).await;

    proxy.set(Weather::HalfOpen);
    let (outcomes, took) = within("publishing", transport.publish(numbered(10..13))).await;
    assert_unknown(&outcomes);
    assert_not_up(&*transport, "nobody answers");
    proxy.set(Weather::Clear);
    publish(&*transport, numbered(13..20)).await;
    until_up(&*transport).await;

    proxy.set(Weather::Slow(96 << 10));
    let large = (20..60).map(|number| message(number, number % 16, vec![b'x'; 8 << 10]));
    let began = Instant::now();
    publish(&*transport, large.collect()).await;
    let slow = began.elapsed();
    assert!(slow > Duration::from_secs(2), "the road was not slow: {slow:?}");
    proxy.set(Weather::Clear);
    let mut consumer = join(&*transport, "one").await;
    let mut missing: BTreeSet<u64> = (0..10).chain(13..60).collect();
    while !missing.is_empty() {
        for message in take_and_settle(&mut *consumer, 1).await {
            missing.remove(&number_of(&message));
        }
    }
    drop((consumer, transport));
    let (url, way) = (road.url(), Arc::clone(&proxy));
    let closed = tokio::task::spawn_blocking(move || closed_without_an_answer(&url, &namespace, &way));
    let closed = closed.await.unwrap();
    proxy.set(Weather::Clear);
    println!(
        "{server}: not known to be stored after {:.1} s without an answer; 320 KiB on a slow road in {:.1} s; closed after {:.1} s \
         without an answer",
        took.as_secs_f64(),
        slow.as_secs_f64(),
        closed.as_secs_f64()
    );
}

/// A process that ends while nobody answers ends all the same: everything is dropped, and then its runtime. Blocks.
fn closed_without_an_answer(url: &str, namespace: &str, proxy: &Proxy) -> Duration {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (transport, consumer) = runtime.block_on(async {
        let transport = by_way_of(url, namespace);
        declare(&*transport, "one").await;
        publish(&*transport, numbered(60..70)).await;
        let mut consumer = join(&*transport, "one").await;
        let held = take(&mut *consumer, 1).await;
        (transport, (consumer, held))
    });
    proxy.set(Weather::HalfOpen);
    let began = Instant::now();
    runtime.block_on(async {
        drop(consumer);
        drop(transport);
    });
    drop(runtime);
    let took = began.elapsed();
    assert!(took < CALL_MAX, "it took {took:?} to end");
    took
}

/// The time of this process that the processors spent, where the system tells.
fn worked() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 = fields
        .iter()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// The broker's clock stands still, its connections stay: a call ends in time, nobody runs in circles meanwhile, and when it
/// goes on everything arrives. `ANNALS_PAUSE` says for how many seconds, eight unless said.
pub(super) async fn paused(server: &'static str) {
    let time = Duration::from_secs(asked("ANNALS_PAUSE", 8));
    let transport = inside(server, &fresh("paused"));
    declare(&*transport, "one").await;
    publish(&*transport, numbered(0..50)).await;
    let mut reader = copied(&transport).await;
    let before = take(&mut *reader, 50).await.len();
    tokio::task::spawn_blocking(move || services("pause", server))
        .await
        .unwrap();
    let (began, spent) = (Instant::now(), worked());
    let publishing = {
        let transport = Arc::clone(&transport);
        tokio::spawn(async move { within("publishing", transport.publish(numbered(50..60))).await })
    };
    tokio::time::sleep(time).await;
    let spent = worked() - spent;
    let (stood, health) = (began.elapsed(), transport.health());
    tokio::task::spawn_blocking(move || services("resume", server))
        .await
        .unwrap();
    assert!(
        spent < time / 4,
        "{spent:?} of work in {time:?} in which nothing could be done"
    );
    // By then publishing has given up.
    let long = stood > CALL_MAX - Duration::from_secs(3);
    assert!(
        !long || health != Health::Up,
        "{health:?} after {stood:?} without an answer"
    );
    let (outcomes, took) = publishing.await.unwrap();
    let stored = outcomes.iter().filter(|one| **one == Published::Stored).count();
    publish(&*transport, numbered(60..80)).await;
    let mut missing: BTreeSet<u64> = (60..80).collect();
    if stored == outcomes.len() {
        missing.extend(50..60);
    }
    while !missing.is_empty() {
        for delivery in take(&mut *reader, 1).await {
            missing.remove(&number(&delivery));
            done(vec![delivery]).await;
        }
    }
    until_up(&*transport).await;
    println!(
        "{server}: {before} before; published in a pause of {time:?}: {stored} of 10 stored after {:.1} s; {spent:?} of work \
         meanwhile",
        took.as_secs_f64()
    );
}

/// Whatever is dropped, at whatever time and in whatever order: nothing hangs, and what was not settled comes again.
pub(super) async fn dropped(server: &'static str) {
    let namespace = fresh("dropped");
    let transport = inside(server, &namespace);
    declare(&*transport, "one").await;
    publish(&*transport, apart(0..12)).await;
    let mut first = join(&*transport, "one").await;
    let mut held = take(&mut *first, 8).await;
    // A delivery goes before its consumer, one after it, one is settled when its consumer is gone.
    drop(held.pop());
    let settled = held.remove(0);
    let mut missing: BTreeSet<u64> = (0..12).collect();
    missing.remove(&number(&settled));
    done(vec![settled]).await;
    // What is settled is on its way before the consumer goes.
    tokio::time::sleep(Duration::from_millis(700)).await;
    drop(first);
    let late = held.remove(0);
    let late_number = number(&late);
    if timeout(DEADLINE, late.settle(Settlement::Done))
        .await
        .unwrap()
        .is_ok()
    {
        missing.remove(&late_number);
    }
    // A wait is given up, twice, and one that was never polled.
    let mut second = join(&*transport, "one").await;
    for _ in 0..2 {
        drop(timeout(Duration::ZERO, second.next(1)).await);
    }
    drop(second.next(1));
    drop(held);
    // Publishing is given up at once; it is stored or it is not.
    drop(timeout(Duration::ZERO, transport.publish(apart(12..13))).await);
    drop(second);
    let other = inside(server, &namespace);
    let mut third = join(&*other, "one").await;
    // The transport goes first, and its consumer stays.
    drop(transport);
    let began = Instant::now();
    while !missing.is_empty() {
        assert!(began.elapsed() < DEADLINE, "{missing:?} did not come again");
        for delivery in take(&mut *third, 1).await {
            missing.remove(&number(&delivery));
            done(vec![delivery]).await;
        }
    }
    drop(other);
    drop(third);
}
