//! What a long history costs: filling, opening after a kill, memory, and reads of one tag, one type and everything.
//!
//! `cargo run --release -p annals-store --example history [folder] [events] [--requests]`; the folder must be on the
//! disk in question and is left empty. 1,000,000 events of 256 bytes unless said otherwise, in appends of 1,000: two
//! tags each, one of which has 10 events and the other 1,000, and one of ten types; with `--requests` every fourth
//! event begins a new correlation. One process fills and is killed without closing; others open, each afresh. *Cold*
//! means that the system was asked to forget the pages of the files first (`dd`; where there is none, it is left out).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId, uuid_v7};
use annals_core::port::store::{Append, EventStore, Read};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::{Clock, SystemClock};
use annals_store::{EmbeddedStore, Options};
use bytes::Bytes;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const DATA: [u8; 256] = [b'x'; 256];
const BATCH: u64 = 1_000;
static TYPES: [EventType; 10] = [
    EventType::from_static("order.placed"),
    EventType::from_static("order.paid"),
    EventType::from_static("order.shipped"),
    EventType::from_static("order.closed"),
    EventType::from_static("order.cancelled"),
    EventType::from_static("stock.received"),
    EventType::from_static("stock.reserved"),
    EventType::from_static("stock.released"),
    EventType::from_static("stock.counted"),
    EventType::from_static("stock.lost"),
];

/// What one process of this example does, by its arguments.
#[derive(Debug, Clone)]
struct Plan {
    folder: PathBuf,
    events: u64,
    requests: bool,
}

fn main() -> Outcome<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let requests = arguments.iter().any(|argument| argument == "--requests");
    let part = arguments
        .iter()
        .position(|argument| argument.starts_with("--part="));
    let part = part.map(|at| arguments.remove(at)["--part=".len()..].to_owned());
    arguments.retain(|argument| argument != "--requests");
    let mut arguments = arguments.into_iter();
    let plan = Plan {
        folder: arguments
            .next()
            .map_or_else(std::env::temp_dir, PathBuf::from)
            .join("history"),
        events: arguments.next().map_or(Ok(1_000_000), |text| text.parse())?,
        requests,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    match part.as_deref() {
        None => all_parts(&plan),
        Some("fill") => runtime.block_on(fill(&plan)),
        Some("open") => opened(&plan).map(drop),
        Some("settle") => settle(&plan),
        Some("warm") => runtime.block_on(reads(&plan, 20_000)),
        Some("cold") => runtime.block_on(reads(&plan, 200)),
        Some("tags") => runtime.block_on(tags(&plan)),
        Some(other) => Err(format!("expected fill, open, settle, warm, cold or tags, found {other}").into()),
    }
}

/// Every part in a process of its own.
fn all_parts(plan: &Plan) -> Outcome<()> {
    if plan.folder.exists() {
        let folder = plan.folder.display();
        return Err(format!("{folder} exists already: remove it or name another folder").into());
    }
    part(plan, "fill")?;
    part(plan, "open")?;
    part(plan, "settle")?;
    part(plan, "open")?;
    if forget(&plan.folder)? {
        part(plan, "open")?;
        forget(&plan.folder)?;
        part(plan, "cold")?;
    }
    part(plan, "warm")?;
    println!("files: {}", file_sizes(&plan.folder)?);
    std::fs::remove_dir_all(&plan.folder)?;
    Ok(())
}

fn part(plan: &Plan, name: &str) -> Outcome<()> {
    println!("-- {name}");
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(plan.folder.parent().unwrap_or(Path::new(".")))
        .arg(plan.events.to_string())
        .arg(format!("--part={name}"));
    if plan.requests {
        command.arg("--requests");
    }
    let status = command.status()?;
    // The part that fills ends as if it had been killed.
    if name != "fill" && !status.success() {
        return Err(format!("part {name} ended with {status}").into());
    }
    Ok(())
}

/// Asks the system to forget what it keeps in memory of these files.
fn forget(folder: &Path) -> Outcome<bool> {
    for path in files(folder)? {
        let file = format!("if={}", path.display());
        let told = Command::new("dd")
            .args([&file, "iflag=nocache", "count=0", "status=none"])
            .status();
        if !told.is_ok_and(|status| status.success()) {
            println!("cold parts are left out: dd is not there or does not know iflag=nocache");
            return Ok(false);
        }
    }
    Ok(true)
}

fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.append(&mut files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn file_sizes(folder: &Path) -> Outcome<String> {
    let (mut log, mut other, mut count) = (0, 0, 0);
    for path in files(folder)? {
        let bytes = path.metadata()?.len();
        match path.extension().is_some_and(|ending| ending == "seg") {
            true => log += bytes,
            false => (other, count) = (other + bytes, count + 1),
        }
    }
    Ok(format!(
        "log {} MiB, other {} MiB in {count} files",
        log >> 20,
        other >> 20
    ))
}

async fn fill(plan: &Plan) -> Outcome<()> {
    let store = EmbeddedStore::open(&plan.folder, Options::default())?;
    let (cpu, began) = (processor_time(), Instant::now());
    for first in (0..plan.events).step_by(BATCH as usize) {
        let batch = first..(first + BATCH).min(plan.events);
        let events = batch.map(|number| event(plan, number)).collect();
        store
            .append(Append {
                events,
                ..Append::default()
            })
            .await?;
    }
    report("fill, 1 writer x 1000", plan.events, began, cpu);
    println!("{:?}", store.stats());
    memory();
    std::process::abort();
}

fn opened(plan: &Plan) -> Outcome<EmbeddedStore> {
    let before = resident("VmRSS:");
    let began = Instant::now();
    let store = EmbeddedStore::open(&plan.folder, Options::default())?;
    println!(
        "open {} events: {:.2?}; resident before {before}",
        store.end(),
        began.elapsed()
    );
    memory();
    Ok(store)
}

/// Waits until the files of the index stay as many as they are.
fn settle(plan: &Plan) -> Outcome<()> {
    let store = opened(plan)?;
    let (cpu, began) = (processor_time(), Instant::now());
    let (files, mut last, mut changed) = (store.stats().index_files, store.stats().index_files, began);
    while changed.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
        let now = store.stats().index_files;
        if now != last {
            (last, changed) = (now, Instant::now());
        }
    }
    let cpu = processor_time().zip(cpu).map(|(after, before)| after - before);
    println!(
        "{files} files of the index became {last} in {:.2?}, processor time {cpu:?}",
        changed - began
    );
    memory();
    Ok(())
}

async fn reads(plan: &Plan, rounds: u64) -> Outcome<()> {
    let store = opened(plan)?;
    let tags = (plan.events / 10).max(1);
    tag_reads(&store, "order", tags, 10, rounds).await?;
    tag_reads(&store, "sku", (plan.events / 1_000).max(1), 1_000, rounds / 20).await?;
    let (cpu, began) = (processor_time(), Instant::now());
    for number in 0..rounds {
        let tag = Tag::of("order", mixed(number) % tags)?;
        store.revision(tag, Position::MAX).await?;
    }
    report("revision of a tag", rounds, began, cpu);
    let (cpu, began) = (processor_time(), Instant::now());
    for number in 0..rounds {
        let tag = Tag::of("nobody", number)?;
        store.revision(tag, Position::MAX).await?;
    }
    report("revision of a tag that is not there", rounds, began, cpu);
    lent(&store, "type read, lent", Query::types(&TYPES[3..4]))?;
    pages(&store, "type read", Query::types(&TYPES[3..4])).await?;
    lent(&store, "scan, lent", Query::all())?;
    pages(&store, "scan, owned events", Query::all()).await?;
    memory();
    Ok(())
}

/// Only short reads of one tag, for a profile.
async fn tags(plan: &Plan) -> Outcome<()> {
    let store = opened(plan)?;
    tag_reads(&store, "order", (plan.events / 10).max(1), 10, 200_000).await
}

async fn tag_reads(store: &EmbeddedStore, kind: &str, tags: u64, each: usize, rounds: u64) -> Outcome<()> {
    let (cpu, began, mut found) = (processor_time(), Instant::now(), 0);
    for number in 0..rounds {
        let tag = Tag::of(kind, mixed(number) % tags)?;
        let read = Read::new(Query::tag(tag), Position::ZERO).limit(each + 1);
        found += store.read(read).await?.events.len() as u64;
    }
    report(
        &format!("tag read, {} events each", found / rounds),
        rounds,
        began,
        cpu,
    );
    Ok(())
}

fn lent(store: &EmbeddedStore, what: &str, query: Query) -> Outcome<()> {
    let (cpu, began) = (processor_time(), Instant::now());
    let (mut events, mut seen, mut bytes) = (store.lend(query, Position::ZERO), 0, 0);
    while let Some(event) = events.next_event()? {
        seen += 1;
        bytes += event.data().len();
    }
    report(what, seen, began, cpu);
    match bytes as u64 == seen * DATA.len() as u64 {
        true => Ok(()),
        false => Err(format!("expected {} bytes an event, found {bytes} of {seen}", DATA.len()).into()),
    }
}

async fn pages(store: &EmbeddedStore, what: &str, query: Query) -> Outcome<()> {
    let (cpu, began) = (processor_time(), Instant::now());
    let (mut from, mut seen) = (Position::ZERO, 0);
    loop {
        let page = store.read(Read::new(query.clone(), from)).await?;
        seen += page.events.len() as u64;
        from = page.next;
        if page.finished {
            break;
        }
    }
    report(what, seen, began, cpu);
    Ok(())
}

/// The tags come scattered: every tag has its events spread over the whole history.
fn event(plan: &Plan, number: u64) -> NewEvent {
    let spread = |tags: u64| number.wrapping_mul(7_919) % tags.max(1);
    let tag = |kind: &str, value: u64| Tag::of(kind, value).expect("kind and number make a tag");
    let id = |number: u64| {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&mixed(number).to_le_bytes());
        uuid_v7(SystemClock.now(), bytes)
    };
    let request = plan.requests.then(|| {
        let number = number / 4;
        CorrelationId::from_uuid(uuid::Uuid::from_u64_pair(
            0x0190_0000_0000_7000 + (number >> 8),
            mixed(number),
        ))
    });
    NewEvent {
        id: EventId::from_uuid(id(number)),
        event_type: TYPES[(mixed(number) % 10) as usize].clone(),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![
            tag("order", spread(plan.events / 10)),
            tag("sku", spread(plan.events / 1_000)),
        ],
        occurred: None,
        metadata: Metadata {
            correlation: request,
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
    let micros = took.as_secs_f64() * 1e6 / count as f64;
    println!("{what}: {rate:.0}/s, {micros:.1} us, processor time {each} ({count} in {took:.2?})");
}

/// Processor time of all threads, where the system tells it: ticks of 10 ms.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

fn memory() {
    println!(
        "    resident {}, at most {}",
        resident("VmRSS:"),
        resident("VmHWM:")
    );
}

fn resident(line: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|other| other.strip_prefix(line));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or_else(
        || "unknown".to_owned(),
        |kib| format!("{:.1} MiB", kib as f64 / 1_024.0),
    )
}
