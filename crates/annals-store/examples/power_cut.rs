//! A store under load, for a disk that is cut: `cargo xtask torture power` runs it and judges from outside.
//!
//! `power_cut work FOLDER [BUG]` opens a store, prints `log ID` for every event it serves and then `ready`, and appends
//! from several threads until it is killed: `ack POSITION ID…` is an append that was acknowledged, `saw POSITION ID…` is
//! what a reader was shown. A bug of `annals_log::bug` may be planted: the judge must find it. `power_cut verify FOLDER`
//! prints what is wrong with a store and changes nothing.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, RecordedEvent, Visibility};
use annals_core::id::{EventId, uuid_v7};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, EventStore, Read};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::{Clock, SystemClock};
use annals_log::bug::{self, Bug};
use annals_store::{EmbeddedStore, IndexOptions, Options, WriterThread};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const THREADS: u64 = 12;
/// Small, so that a cut meets rolls and files of the index being made.
const SEGMENT_BYTES: (u64, u64) = (64 << 10, 1 << 20);
const PART_EVENTS: u32 = 500;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["work", folder] => work(Path::new(folder), None),
        ["work", folder, bug] => match Bug::ALL.into_iter().find(|one| format!("{one:?}") == bug) {
            Some(bug) => work(Path::new(folder), Some(bug)),
            None => Err(format!("there is no bug {bug}; there are {:?}", Bug::ALL).into()),
        },
        ["verify", folder] => verify(Path::new(folder)),
        _ => Err("usage: power_cut work FOLDER [BUG] | power_cut verify FOLDER".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn verify(folder: &Path) -> Result<(), Failure> {
    let report = annals_store::verify(folder)?;
    for finding in &report.findings {
        println!("{finding}");
    }
    match report.findings.len() {
        0 => Ok(()),
        count => Err(format!("{count} findings").into()),
    }
}

fn work(folder: &Path, bug: Option<Bug>) -> Result<(), Failure> {
    let options = Options {
        segment_bytes_first: SEGMENT_BYTES.0,
        segment_bytes_max: SEGMENT_BYTES.1,
        index: IndexOptions {
            part_events_max: PART_EVENTS,
            ..IndexOptions::default()
        },
        seal_after: Duration::from_millis(20),
        // A planted bug is seen by the planting thread only, so that one has to write.
        writer: match bug {
            Some(_) => WriterThread::Stepped,
            None => WriterThread::Own,
        },
        ..Options::new()
    };
    if let Some(bug) = bug {
        bug::plant(bug);
    }
    let store = EmbeddedStore::open(folder, options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut next = Position::ZERO;
    loop {
        let page = runtime.block_on(store.read(Read::new(Query::all(), next)))?;
        dense(next, &page.events)?;
        let lines: String = ids(&page.events).map(|id| format!("log {id}\n")).collect();
        print(&lines)?;
        next = page.next;
        if page.finished {
            break;
        }
    }
    print("ready\n")?;
    for thread in 0..THREADS {
        let store = store.clone();
        thread::spawn(move || report(append(&store, thread)));
    }
    let reader = store.clone();
    thread::spawn(move || report(read(&reader, next)));
    loop {
        // Does nothing where the store has a thread of its own; ends when this process is killed.
        if store.step() == 0 {
            thread::sleep(Duration::from_micros(if bug.is_some() { 50 } else { 100_000 }));
        }
    }
}

/// One thread that ends is no end of the process: the disk is gone, and the judge kills what is left.
fn report(done: Result<(), Failure>) {
    if let Err(failure) = done {
        eprintln!("{failure}");
    }
}

/// Whole lines at once, so that threads do not write into each other's.
fn print(lines: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()
}

fn ids(events: &[RecordedEvent]) -> impl Iterator<Item = EventId> {
    events.iter().map(|event| event.id)
}

fn dense(from: Position, events: &[RecordedEvent]) -> Result<(), Failure> {
    let mut expected = from;
    for event in events {
        if event.position != expected {
            return Err(format!("expected position {expected}, found {}", event.position).into());
        }
        expected = expected.plus(1);
    }
    Ok(())
}

fn line(word: &str, first: Position, ids: impl Iterator<Item = EventId>) -> String {
    let ids: String = ids.map(|id| format!(" {id}")).collect();
    format!("{word} {first}{ids}\n")
}

/// Appends one after the other: one to four events of up to some kilobytes, every third with a mark.
fn append(store: &EmbeddedStore, thread: u64) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    for number in 0.. {
        let salt = number * THREADS + thread;
        let events = (0..1 + salt % 4).map(|place| event(&*clock, salt * 4 + place));
        let events: Vec<NewEvent> = events.collect::<Result<_, _>>()?;
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let mark = Mark::set(
            MarkKey::new("checkpoint", format!("t{thread}")),
            number.to_string(),
        );
        let marks = if salt.is_multiple_of(3) {
            vec![mark]
        } else {
            Vec::new()
        };
        let append = Append {
            events,
            marks,
            ..Append::default()
        };
        let appended = runtime.block_on(store.append(append))?;
        print(&line("ack", appended.first, ids.into_iter()))?;
    }
    Ok(())
}

fn event(clock: &dyn Clock, number: u64) -> Result<NewEvent, Failure> {
    let mut chance = [0; 10];
    chance[..8].copy_from_slice(&number.to_le_bytes());
    chance[8..].copy_from_slice(&std::process::id().to_le_bytes()[..2]);
    let data = vec![b'a' + (number % 26) as u8; 20 + (number * 7_919 % 3_000) as usize];
    Ok(NewEvent {
        id: EventId::from_uuid(uuid_v7(clock.now(), chance)),
        event_type: EventType::new(format!("thing.happened{}", number % 5)),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![Tag::of("order", number % 97)?],
        occurred: None,
        metadata: Metadata::default(),
        data: data.into(),
    })
}

/// Follows the end and says what it is shown.
fn read(store: &EmbeddedStore, mut next: Position) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut end = store.watch_end();
    loop {
        let page = runtime.block_on(store.read(Read::new(Query::all(), next)))?;
        dense(next, &page.events)?;
        if !page.events.is_empty() {
            print(&line("saw", next, ids(&page.events)))?;
        }
        next = page.next;
        if page.finished && next == *end.borrow_and_update() {
            runtime.block_on(end.changed())?;
        }
    }
}
