//! Instances of one group that come, go and die: order per key, and nobody works on what has become another's.
//!
//! Those that die are processes of their own: the program of these tests, started again for one test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use annals_core::port::transport::{Consumer, Delivery, Message, Settlement, Transport};
use tokio::time::timeout;

use super::kit::{
    DEADLINE, apart, declare, done, fresh, inside, join, message, number, numbered, open, publish, take,
};

const KEYS: u64 = 64;
/// Messages of each key.
const TURNS: u64 = 25;
/// One message of each key is published so often.
const EVERY: Duration = Duration::from_millis(400);
/// What begins the lines in which a member says what it does.
const SAYS: &str = "@ ";
/// Server and namespace of a member.
const MEMBER: &str = "ANNALS_MEMBER";
/// The name of the test that is a member.
const NAME: &str = "servers::members::a_member_says_what_it_does";
/// What somebody dead had in hand is given to others by then.
const AGAIN: Duration = Duration::from_secs(20);
/// Handling one message takes so long.
const WORK: Duration = Duration::from_millis(2);

/// What a member says: when, and of which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    /// Nanoseconds, by the clock that all processes share.
    at: u64,
    member: usize,
    /// It was handled and the broker took the settlement; else it was only handed out.
    done: bool,
    number: u64,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// Takes, handles and settles until it is asked to leave.
async fn attend(
    transport: &dyn Transport,
    leave: impl Future<Output = ()>,
    mut say: impl FnMut(bool, u64, u64),
) {
    let mut leave = std::pin::pin!(leave);
    loop {
        let mut consumer = join(transport, "one").await;
        loop {
            let next = tokio::select! {
                biased;
                () = &mut leave => {
                    drop(consumer);
                    // It says goodbye to the broker.
                    return tokio::time::sleep(Duration::from_secs(1)).await;
                }
                next = consumer.next(20) => next,
            };
            let Ok(deliveries) = next else { break };
            deliveries
                .iter()
                .for_each(|delivery| say(false, now(), number(delivery)));
            for delivery in deliveries {
                let (at, number) = (now(), number(&delivery));
                tokio::time::sleep(WORK).await;
                if let Ok(Ok(())) = timeout(DEADLINE, delivery.settle(Settlement::Done)).await {
                    say(true, at, number);
                }
            }
        }
    }
}

/// One instance of a group. Started by another test it works for that one until its input ends; alone it works for itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_says_what_it_does() {
    if let Ok(text) = std::env::var(MEMBER) {
        let (server, namespace) = text.split_once(' ').unwrap();
        let ended = tokio::task::spawn_blocking(|| {
            let mut rest = String::new();
            drop(std::io::stdin().read_to_string(&mut rest));
        });
        let transport = inside(server, namespace);
        println!("{SAYS}here");
        let leave = async { ended.await.unwrap() };
        return attend(&*transport, leave, |done, at, number| {
            println!("{SAYS}{done} {at} {number}")
        })
        .await;
    }
    let transport = open("embedded", "member");
    publish(&*transport, numbered(0..20)).await;
    let mut said = Vec::new();
    let leave = tokio::time::sleep(Duration::from_secs(2));
    attend(&*transport, leave, |done, _, number| said.push((done, number))).await;
    let of = |wanted: bool| {
        said.iter()
            .filter(move |(done, _)| *done == wanted)
            .map(|(_, number)| *number)
    };
    assert_eq!(of(false).collect::<BTreeSet<_>>(), (0..20).collect());
    assert_eq!(of(true).collect::<BTreeSet<_>>(), (0..20).collect());
}

struct Member {
    process: Child,
    hearing: JoinHandle<()>,
}

impl Member {
    fn start(server: &str, namespace: &str, member: usize, said: &Arc<Mutex<Vec<Said>>>) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(MEMBER, format!("{server} {namespace}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, said) = (process.stdout.take().unwrap(), Arc::clone(said));
        let hearing = std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let words = line
                    .split_once(SAYS)
                    .map(|(_, words)| words.split(' ').collect::<Vec<_>>());
                let Some([done, at, number]) = words.as_deref() else {
                    continue;
                };
                said.lock().unwrap().push(Said {
                    at: at.parse().unwrap(),
                    member,
                    done: done.parse().unwrap(),
                    number: number.parse().unwrap(),
                });
            }
        });
        Self { process, hearing }
    }

    /// It is asked to go, and goes in order.
    fn leaves(&mut self) {
        drop(self.process.stdin.take());
    }

    fn dies(&mut self) {
        self.process.kill().unwrap();
    }

    fn ended(mut self) {
        self.process.wait().unwrap();
        self.hearing.join().unwrap();
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        for member in &mut self.0 {
            // An error means that it has ended already.
            drop(member.process.kill());
        }
    }
}

/// The members of a case, none of which outlives it.
struct Ended(Vec<Member>);

/// 64 keys keep their order, and nothing is lost, while instances join, leave in order and are killed.
pub(super) async fn come_and_go(server: &'static str) {
    let namespace = fresh("come-and-go");
    let transport = inside(server, &namespace);
    declare(&*transport, "one").await;
    let said = Arc::new(Mutex::new(Vec::new()));
    let mut members = Ended(Vec::new());
    let start = |members: &mut Ended| {
        let next = members.0.len();
        members.0.push(Member::start(server, &namespace, next, &said));
    };
    start(&mut members);
    start(&mut members);
    let publishing = tokio::spawn(async move {
        for turn in 0..TURNS {
            let body = |number: u64| number.to_string().into_bytes();
            let numbers = turn * KEYS..(turn + 1) * KEYS;
            let batch = numbers.map(|number| message(number, number % KEYS, body(number)));
            publish(&*transport, batch.collect()).await;
            tokio::time::sleep(EVERY).await;
        }
    });
    let pause = || tokio::time::sleep(Duration::from_secs(2));
    pause().await;
    start(&mut members);
    pause().await;
    // Whoever works just now, or some of those who do.
    let last = said.lock().unwrap().last().map_or(0, |said: &Said| said.member);
    members.0[last].dies();
    pause().await;
    let next = (last + 1) % 3;
    members.0[next].leaves();
    start(&mut members);
    publishing.await.unwrap();
    let began = Instant::now();
    let untold = loop {
        let (done, untold) = heard(&said.lock().unwrap(), last);
        // Longer than any broker takes to hand out again what the dead one had not settled.
        if done == KEYS * TURNS || done + 1 == KEYS * TURNS && untold.is_some() && began.elapsed() > AGAIN {
            break untold;
        }
        assert!(began.elapsed() < DEADLINE, "{done} of {} are done", KEYS * TURNS);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    members.0.iter_mut().for_each(Member::leaves);
    while let Some(member) = members.0.pop() {
        member.ended();
    }
    let mut said = said.lock().unwrap().clone();
    said.extend(untold);
    said.sort_unstable();
    assert_order(server, &said);
}

/// How many are done; and what the dead one was given that nobody has done, if it is the only one: it may have settled it and
/// died before it could say so.
fn heard(said: &[Said], dead: usize) -> (u64, Option<Said>) {
    let done: BTreeSet<u64> = said
        .iter()
        .filter(|said| said.done)
        .map(|said| said.number)
        .collect();
    let mut untold = said
        .iter()
        .filter(|said| said.member == dead && !done.contains(&said.number));
    let first = untold.next().map(|said| Said { done: true, ..*said });
    (done.len() as u64, first.filter(|_| untold.next().is_none()))
}

/// What was done for the first time was next of its key.
fn assert_order(server: &str, said: &[Said]) {
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut again, mut by) = (0, BTreeMap::<usize, u64>::new());
    for one in said.iter().filter(|said| said.done) {
        let (key, turn) = (one.number % KEYS, one.number / KEYS);
        let expected = next.entry(key).or_default();
        assert!(
            turn <= *expected,
            "{server}: key {key} was at {expected}, and then {turn} was done: {one:?}"
        );
        if turn < *expected {
            again += 1;
        } else {
            *expected += 1;
            *by.entry(one.member).or_default() += 1;
        }
    }
    assert!(next.values().all(|turns| *turns == TURNS), "{next:?}");
    assert!(by.len() > 1, "only one member ever worked: {by:?}");
    println!(
        "{server}: {} in order, {again} done again, by member {by:?}",
        KEYS * TURNS
    );
}

/// Gives each consumer a moment, and answers what came, by consumer.
async fn listen(consumers: &mut [Box<dyn Consumer>], time: Duration) -> Vec<(usize, Delivery)> {
    let (began, mut came) = (Instant::now(), Vec::new());
    while began.elapsed() < time {
        for (place, consumer) in consumers.iter_mut().enumerate() {
            if let Ok(next) = timeout(Duration::from_millis(100), consumer.next(50)).await {
                came.extend(
                    next.expect("the subscription stands")
                        .into_iter()
                        .map(|one| (place, one)),
                );
            }
        }
    }
    came
}

/// What goes from one instance to another can be settled by the other only, and is settled once.
pub(super) async fn revoked(server: &'static str) {
    const COUNT: u64 = 120;
    let namespace = fresh("revoked");
    let transports = [inside(server, &namespace), inside(server, &namespace)];
    declare(&*transports[0], "one").await;
    publish(&*transports[0], apart(0..COUNT)).await;
    let mut consumers = vec![join(&*transports[0], "one").await];
    let held = take(&mut *consumers[0], COUNT as usize).await;
    if server != "kafka" {
        // Kafka divides anew when somebody joins; the others when somebody goes.
        consumers.clear();
    }
    consumers.push(join(&*transports[1], "one").await);
    let began = Instant::now();
    let mut others: Vec<Delivery> = Vec::new();
    while others.is_empty() {
        assert!(began.elapsed() < DEADLINE, "nothing goes over to the other");
        let came = listen(&mut consumers, Duration::from_secs(1)).await;
        others.extend(came.into_iter().map(|(_, delivery)| delivery));
    }
    others.extend(
        listen(&mut consumers, Duration::from_secs(2))
            .await
            .into_iter()
            .map(|(_, one)| one),
    );
    let gone: BTreeSet<u64> = others.iter().map(number).collect();
    let mut settled = BTreeSet::new();
    for delivery in held {
        let number = number(&delivery);
        if let Ok(Ok(())) = timeout(DEADLINE, delivery.settle(Settlement::Done)).await {
            assert!(
                !gone.contains(&number),
                "{number} is the other's, and the first settled it"
            );
            settled.insert(number);
        }
    }
    done(others).await;
    let mut settled_by_other = gone;
    while settled.len() + settled_by_other.len() < COUNT as usize {
        assert!(
            began.elapsed() < DEADLINE * 2,
            "{} and {} settled",
            settled.len(),
            settled_by_other.len()
        );
        for (_, delivery) in listen(&mut consumers, Duration::from_millis(300)).await {
            let number = number(&delivery);
            assert!(!settled.contains(&number), "{number} was settled, and came again");
            done(vec![delivery]).await;
            settled_by_other.insert(number);
        }
    }
    println!(
        "{server}: {} settled by the first, {} by the other",
        settled.len(),
        settled_by_other.len()
    );
}

/// Who is slow keeps what he has: nobody is given it meanwhile, nor what follows of its key.
pub(super) async fn slow(server: &'static str) {
    // NATS hands out again what is in hand for too long; the others wait for half an hour at least.
    let patience = Duration::from_secs(if server == "nats" { 15 } else { 4 });
    let namespace = fresh("slow");
    let transports = [inside(server, &namespace), inside(server, &namespace)];
    declare(&*transports[0], "one").await;
    let mut consumers = vec![
        join(&*transports[0], "one").await,
        join(&*transports[1], "one").await,
    ];
    // Until each has its part.
    let before = listen(&mut consumers, Duration::from_secs(4)).await;
    assert!(before.is_empty(), "{before:?}");
    let of_one_key = |number: u64| -> Vec<Message> { vec![message(number, 7, b"x".to_vec())] };
    publish(&*transports[0], of_one_key(0)).await;
    let began = Instant::now();
    let (slow, held) = loop {
        assert!(began.elapsed() < DEADLINE, "it does not come");
        let mut came = listen(&mut consumers, Duration::from_millis(300)).await;
        if let Some(first) = came.pop() {
            break first;
        }
    };
    publish(&*transports[0], of_one_key(1)).await;
    publish(&*transports[0], of_one_key(2)).await;
    let meanwhile = listen(&mut consumers, patience).await;
    for (place, delivery) in &meanwhile {
        assert!(
            number(delivery) != 0,
            "it was handed out again while somebody had it"
        );
        assert_eq!(
            *place,
            slow,
            "{} of the same key went to another",
            number(delivery)
        );
    }
    timeout(DEADLINE, held.settle(Settlement::Done))
        .await
        .unwrap()
        .unwrap();
    let mut numbers: Vec<u64> = meanwhile.iter().map(|(_, delivery)| number(delivery)).collect();
    done(meanwhile.into_iter().map(|(_, delivery)| delivery).collect()).await;
    while numbers.len() < 2 {
        assert!(began.elapsed() < DEADLINE * 2, "only {numbers:?} came");
        for (_, delivery) in listen(&mut consumers, Duration::from_millis(300)).await {
            numbers.push(number(&delivery));
            done(vec![delivery]).await;
        }
    }
    assert_eq!(numbers, [1, 2]);
}
