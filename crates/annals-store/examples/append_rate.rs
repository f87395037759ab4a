//! How fast a store on this disk appends and reads, and what it costs. Prints one line per workload.
//!
//! `cargo run --release -p annals-store --example append_rate [folder]`; the folder must be on the disk in question
//! and is left empty. Every append is flushed before it is counted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_core::condition::Condition;
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId, uuid_v7};
use annals_core::port::store::{Append, EventStore, Read};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::{Clock, SystemClock};
use annals_store::{EmbeddedStore, Options};
use bytes::Bytes;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const DATA: [u8; 200] = [b'x'; 200];
static TYPES: [EventType; 4] = [
    EventType::from_static("order.placed"),
    EventType::from_static("order.paid"),
    EventType::from_static("stock.reserved"),
    EventType::from_static("stock.released"),
];

fn main() -> Outcome<()> {
    let folder = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("append-rate");
    if folder.exists() {
        return Err(format!(
            "{} exists already: remove it or name another folder",
            folder.display()
        )
        .into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(&folder))?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

async fn measure(folder: &std::path::Path) -> Outcome<()> {
    let store = Arc::new(EmbeddedStore::open(folder, Options::default())?);
    for (writers, per_writer, batch) in [(1, 4_000, 1), (16, 4_000, 1), (64, 4_000, 1), (1, 300, 1_000)] {
        appends(&store, writers, per_writer, batch).await?;
    }
    decisions(&store, 16, 2_000).await?;
    let events = store.end().get();
    let needed = 1_000_000_u64.saturating_sub(events).div_ceil(1_000);
    appends(&store, 1, needed, 1_000).await?;
    reads(&store).await?;
    println!("{:?}; resident {} MiB", store.stats(), resident_mib());
    let path = folder.to_owned();
    Arc::into_inner(store).ok_or("a handle is still in use")?.close();
    let began = Instant::now();
    let store = EmbeddedStore::open(path, Options::default())?;
    println!(
        "open {} events: {:?}; resident {} MiB",
        store.end(),
        began.elapsed(),
        resident_mib()
    );
    Ok(())
}

/// Writers that each append one batch after the other.
async fn appends(store: &Arc<EmbeddedStore>, writers: u64, per_writer: u64, batch: u64) -> Outcome<()> {
    let (cpu, began, flushes) = (processor_time(), Instant::now(), store.stats().flushes);
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..per_writer {
                    let events = (0..batch)
                        .map(|n| event(writer << 40 | round << 20 | n))
                        .collect();
                    store
                        .append(Append {
                            events,
                            ..Append::default()
                        })
                        .await?;
                }
                Ok::<_, annals_core::port::store::AppendError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    report(
        &format!("append, {writers} writers x {batch}"),
        writers * per_writer * batch,
        began,
        cpu,
    );
    println!("    {} flushes", store.stats().flushes - flushes);
    Ok(())
}

/// Decisions: read two tags, append under the condition that nothing newer carries them.
async fn decisions(store: &Arc<EmbeddedStore>, writers: u64, per_writer: u64) -> Outcome<()> {
    let (cpu, began) = (processor_time(), Instant::now());
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..per_writer {
                    let event = event(writer << 40 | round << 20);
                    let items = event
                        .tags
                        .iter()
                        .map(|tag| QueryItem::of(&TYPES[..2], tag.clone()))
                        .collect();
                    let query = Query::any(items);
                    let page = store
                        .read(Read::new(query.clone(), Position::ZERO).limit(10))
                        .await
                        .ok();
                    let from = page.map_or(Position::ZERO, |_| store.end());
                    let conditions = vec![Condition::NoMatch { query, from }];
                    // A lost race is an answer too.
                    store
                        .append(Append {
                            events: vec![event],
                            conditions,
                            ..Append::default()
                        })
                        .await
                        .ok();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    report(
        &format!("decide and append, {writers} writers"),
        writers * per_writer,
        began,
        cpu,
    );
    Ok(())
}

async fn reads(store: &EmbeddedStore) -> Outcome<()> {
    let (cpu, began) = (processor_time(), Instant::now());
    let (mut from, mut seen) = (Position::ZERO, 0);
    loop {
        let page = store.read(Read::new(Query::all(), from)).await?;
        seen += page.events.len() as u64;
        from = page.next;
        if page.finished {
            break;
        }
    }
    report("scan, owned events", seen, began, cpu);
    let (cpu, began, mut found) = (processor_time(), Instant::now(), 0);
    for number in 0..20_000_u64 {
        let query = Query::tag(Tag::of("order", mixed(number) % 100_000)?);
        found += store
            .read(Read::new(query, Position::ZERO).limit(10))
            .await?
            .events
            .len();
    }
    report(
        &format!("tag read, {} events each", found / 20_000),
        20_000,
        began,
        cpu,
    );
    Ok(())
}

fn event(number: u64) -> NewEvent {
    let random = mixed(number);
    let id = |salt: u64| {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&mixed(number ^ salt).to_le_bytes());
        uuid_v7(SystemClock.now(), bytes)
    };
    let tag = |kind: &str, value: u64| Tag::of(kind, value).expect("kind and number make a tag");
    NewEvent {
        id: EventId::from_uuid(id(1 << 60)),
        event_type: TYPES[(random % 4) as usize].clone(),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![
            tag("order", random % 100_000),
            tag("sku", random / 100_000 % 4_000),
        ],
        occurred: None,
        metadata: Metadata {
            correlation: Some(CorrelationId::from_uuid(id(1 << 61))),
            ..Metadata::default()
        },
        data: Bytes::from_static(&DATA),
    }
}

/// Spreads numbers (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn report(what: &str, count: u64, began: Instant, cpu: Option<Duration>) {
    let took = began.elapsed();
    let rate = count as f64 / took.as_secs_f64();
    let each = processor_time()
        .zip(cpu)
        .map(|(after, before)| (after - before).as_secs_f64() * 1e6 / count as f64);
    let each = each.map_or_else(|| "unknown".to_owned(), |micros| format!("{micros:.1} us"));
    println!("{what}: {rate:.0}/s, processor time each {each} ({count} in {took:.2?})");
}

/// Processor time of all threads, where the system tells it: ticks of 10 ms.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

fn resident_mib() -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or_else(|| "unknown".to_owned(), |kib| (kib / 1_024).to_string())
}
