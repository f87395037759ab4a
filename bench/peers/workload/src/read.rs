//! The steps that read a full store: opening it after a kill, everything, a tag, a type.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::digest::Digest;
use crate::fact::{KINDS, Shape, customer_tag, mixed, order_tag};
use crate::figures::{Spent, Watch, print, print_settled, resident_kib_of, settled_rate};
use crate::peer::Peer;

/// Times that the longest reads are repeated at least.
const REPEATS_MIN: usize = 3;

/// What a full store must answer.
pub(crate) struct Expected {
    all: Digest,
    orders: Vec<Digest>,
    customers: Vec<Digest>,
    kinds: Vec<Digest>,
}

impl Expected {
    pub(crate) fn of(shape: Shape) -> Self {
        let none = |count: u64| vec![Digest::default(); count as usize];
        let mut expected = Self {
            all: Digest::default(),
            orders: none(shape.orders()),
            customers: none(shape.customers()),
            kinds: none(KINDS.len() as u64),
        };
        shape.facts_of_full(|fact| {
            expected.all.expect(fact);
            expected.orders[shape.order(fact.number) as usize].expect(fact);
            expected.customers[shape.customer(fact.number) as usize].expect(fact);
            expected.kinds[shape.kind(fact.number)].expect(fact);
        });
        expected
    }
}

/// Opens a store that was killed and reads one tag; prints how long both took and what they left in memory.
pub(crate) async fn open<P: Peer>(opening: impl Future<Output = Result<P>>) -> Result<P> {
    let began = Instant::now();
    let peer = opening.await?;
    let mut found = 0;
    if !P::CANNOT.contains(&"tag-10") {
        peer.by_tag(&order_tag(7), &mut |_| found += 1).await?;
        ensure!(found >= 10, "expected 10 events of the first tag, found {found}");
    }
    print("open-ms", began.elapsed().as_secs_f64() * 1e3);
    print_memory("memory-opened-mib", &peer)?;
    Ok(peer)
}

/// Prints the memory that this process, or the store's own, has in RAM.
pub(crate) fn print_memory<P: Peer>(row: &str, peer: &P) -> Result<()> {
    let kib = peer.resident_elsewhere_kib().or_else(|| resident_kib_of("self"));
    let kib = kib.context("the system does not tell how much memory is in use")?;
    print(row, kib as f64 / 1_024.0);
    Ok(())
}

/// Reads everything, tags and a type, for as long as said each.
pub(crate) async fn all<P: Peer>(peer: &P, shape: Shape, expected: &Expected, time: Duration) -> Result<()> {
    scans(peer, shape, expected, time).await?;
    let can = |row: &str| !P::CANNOT.contains(&row);
    if can("tag-10") {
        tags(peer, "tag-10", order_tag, &expected.orders, time).await?;
    }
    if can("tag-1000") {
        tags(peer, "tag-1000", customer_tag, &expected.customers, time).await?;
    }
    if can("type") {
        types(peer, expected, time).await?;
    }
    Ok(())
}

async fn scans<P: Peer>(peer: &P, shape: Shape, expected: &Expected, time: Duration) -> Result<()> {
    let (mut owned, mut lent, mut paged) = (Vec::new(), Vec::new(), Vec::new());
    let began = Instant::now();
    while owned.len() < REPEATS_MIN || began.elapsed() < time {
        let (mut found, watch) = (Digest::default(), Watch::start());
        peer.scan(&mut |event| found.see(event)).await?;
        owned.push(watch.stop());
        check(found, expected)?;
        if P::LENDS {
            let (mut found, watch) = (Digest::default(), Watch::start());
            peer.scan_borrowed(&mut |event| found.see(event)).await?;
            lent.push(watch.stop());
            check(found, expected)?;
        }
        if P::PAGES {
            let (mut found, watch) = (Digest::default(), Watch::start());
            peer.scan_pages(&mut |event| found.see(event)).await?;
            paged.push(watch.stop());
            check(found, expected)?;
        }
    }
    for (row, runs) in [("scan", owned), ("scan-borrowed", lent), ("scan-pages", paged)] {
        if !runs.is_empty() {
            print_settled(row, shape.events, &runs);
        }
    }
    Ok(())
}

fn check(found: Digest, expected: &Expected) -> Result<()> {
    let expected = expected.all;
    ensure!(
        found == expected,
        "a scan: expected {expected:?}, found {found:?}"
    );
    Ok(())
}

async fn tags<P: Peer>(
    peer: &P,
    row: &str,
    tag: fn(u64) -> String,
    expected: &[Digest],
    time: Duration,
) -> Result<()> {
    let (mut reads, mut busy, began) = (0, Spent::default(), Instant::now());
    while began.elapsed() < time {
        let which = mixed(reads + 1) % expected.len() as u64;
        let tag = tag(which);
        let (mut found, watch) = (Digest::default(), Watch::start());
        peer.by_tag(&tag, &mut |event| found.see(event)).await?;
        let spent = watch.stop();
        busy.time += spent.time;
        busy.processor += spent.processor;
        let expected = expected[which as usize];
        ensure!(found == expected, "{tag}: expected {expected:?}, found {found:?}");
        reads += 1;
    }
    print_settled(row, reads, &[busy]);
    Ok(())
}

async fn types<P: Peer>(peer: &P, expected: &Expected, time: Duration) -> Result<()> {
    let (mut runs, began) = (Vec::new(), Instant::now());
    while runs.len() < REPEATS_MIN || began.elapsed() < time {
        let which = runs.len() % KINDS.len();
        let (mut found, watch) = (Digest::default(), Watch::start());
        peer.by_type(KINDS[which], &mut |event| found.see(event)).await?;
        runs.push(watch.stop());
        let expected = expected.kinds[which];
        ensure!(
            found == expected,
            "{}: expected {expected:?}, found {found:?}",
            KINDS[which]
        );
    }
    let times = |of: fn(&Spent) -> Duration| 1e3 / settled_rate(1, runs.iter().map(of).collect());
    print("type-ms", times(|run| run.time));
    print("type-cpu-ms", times(|run| run.processor));
    Ok(())
}
