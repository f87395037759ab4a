//! What goes wrong while a store is open, and what its callers are told.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use annals_core::condition::Condition;
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::kind::ErrorKind;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::{Clock, Timestamp};
use annals_store::disk::Disk;
use annals_store::disk::sim::{Fault, SimDisk, Survival};
use annals_store::{EmbeddedStore, FormatError, IndexOptions, OpenError, Options, WriterThread, verify_on};
use bytes::Bytes;
use uuid::Uuid;

struct FixedClock(i64);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0)
    }
}

fn dir() -> &'static Path {
    Path::new("store")
}

fn options() -> Options {
    Options {
        writer: WriterThread::Stepped,
        segment_bytes_first: 16 << 10,
        ..Options::default()
    }
}

fn open(disk: &SimDisk) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open_on(Arc::new(disk.clone()), dir(), options())
}

fn event(number: u64, bytes: usize) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(u128::from(number) + 1)),
        event_type: EventType::from_static("order.placed"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![Tag::of("order", number).unwrap()],
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::from(vec![7; bytes]),
    }
}

fn one(number: u64) -> Append {
    Append {
        events: vec![event(number, 300)],
        ..Append::default()
    }
}

type Waiting = BoxFuture<'static, Result<Appended, AppendError>>;

fn poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Poll<T> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn ready<T>(mut future: impl Future<Output = T> + Unpin) -> T {
    match poll(&mut future) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("expected an answer at once"),
    }
}

/// Queues an append without letting the writer go on.
fn queued(store: &EmbeddedStore, append: Append) -> Waiting {
    let mut append = store.append(append);
    assert!(poll(&mut append).is_pending());
    append
}

fn append(store: &EmbeddedStore, append: Append) -> Result<Appended, AppendError> {
    let mut append = store.append(append);
    if let Poll::Ready(answer) = poll(&mut append) {
        return answer;
    }
    store.step();
    ready(append)
}

fn tagged(store: &EmbeddedStore, number: u64) -> Result<Vec<NewEvent>, ReadError> {
    let read = Read::new(Query::tag(Tag::of("order", number).unwrap()), Position::ZERO);
    Ok(ready(store.read(read))?
        .events
        .into_iter()
        .map(|found| found.event)
        .collect())
}

fn first_file() -> std::path::PathBuf {
    dir().join("0000000000.seg")
}

#[test]
fn what_queued_up_shares_one_flush() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    let mut waiting: Vec<_> = (0..20).map(|number| queued(&store, one(number))).collect();
    let conflicting = Condition::NoMatch {
        query: Query::tag(Tag::of("order", 3).unwrap()),
        from: Position::ZERO,
    };
    let lost = queued(
        &store,
        Append {
            conditions: vec![conflicting],
            ..one(50)
        },
    );
    let before = store.stats();
    assert_eq!((before.events, before.flushes), (0, 0));
    assert_eq!(store.step(), 21);
    assert_eq!((store.stats().events, store.stats().flushes), (20, 1));
    for (number, append) in waiting.drain(..).enumerate() {
        assert_eq!(ready(append).unwrap().first, Position::new(number as u64));
    }
    assert_eq!(
        ready(lost).unwrap_err().kind(),
        ErrorKind::Conflict,
        "decided against the same group"
    );
}

#[test]
fn a_group_is_bounded_in_bytes() {
    let disk = SimDisk::new(1);
    let store = EmbeddedStore::open_on(
        Arc::new(disk),
        dir(),
        Options {
            group_bytes_max: 10_000,
            segment_bytes_first: 1 << 20,
            ..options()
        },
    )
    .unwrap();
    let heavy = |number| Append {
        events: vec![event(number, 4_000)],
        ..Append::default()
    };
    let waiting: Vec<_> = (0..5).map(|number| queued(&store, heavy(number))).collect();
    store.step();
    assert_eq!(store.stats().flushes, 3, "two, two and one");
    assert!(waiting.into_iter().all(|append| ready(append).is_ok()));
    append(
        &store,
        Append {
            events: vec![event(9, 50_000)],
            ..Append::default()
        },
    )
    .unwrap();
}

#[test]
fn a_full_queue_lets_callers_wait_and_forgets_those_who_leave() {
    let disk = SimDisk::new(1);
    let options = Options {
        queue_bytes_max: 4 << 10,
        ..options()
    };
    let store = EmbeddedStore::open_on(Arc::new(disk), dir(), options).unwrap();
    let waiting: Vec<_> = (0..4).map(|number| queued(&store, one(number))).collect();
    let mut outside = queued(&store, one(4));
    let leaving = queued(&store, one(5));
    assert_eq!(store.step(), 4, "the others wait before the queue");
    assert!(waiting.into_iter().all(|append| ready(append).is_ok()));
    drop(leaving);
    assert!(poll(&mut outside).is_pending());
    assert_eq!(store.step(), 1);
    assert_eq!(ready(outside).unwrap().first, Position::new(4));
    let oversized = Append {
        events: vec![event(6, 100_000)],
        ..Append::default()
    };
    assert!(
        append(&store, oversized).is_ok(),
        "an append larger than the queue takes all of it"
    );
    assert_eq!(store.stats().events, 6);
    store.close();
    assert_eq!(ready(store.append(one(7))).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_failed_flush_is_told_as_unknown_and_stops_the_store() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    append(&store, one(0)).unwrap();
    let mut end = store.watch_end();
    disk.fail_at(disk.operations(), Fault::FailFlush);
    let (first, second) = (queued(&store, one(1)), queued(&store, one(1)));
    let known = queued(&store, one(0));
    store.step();
    for lost in [first, second, known] {
        assert_eq!(
            ready(lost).unwrap_err().kind(),
            ErrorKind::Unknown,
            "also what was decided after it"
        );
    }
    assert!(store.stats().failed);
    assert_eq!(
        (store.end(), end.has_changed().unwrap()),
        (Position::new(1), false)
    );
    assert_eq!(tagged(&store, 1).unwrap(), []);
    assert_eq!(tagged(&store, 0).unwrap(), [event(0, 300)], "reads go on");
    let refused = ready(store.append(one(2))).unwrap_err();
    assert!(
        matches!(&refused, AppendError::Closed(reason) if reason.contains("flush")),
        "{refused}"
    );
    drop(store);
    assert!(end.borrow_and_update().get() == 1);
    let store = open(&disk).unwrap();
    assert!(
        append(&store, one(1)).unwrap().first == Position::new(1),
        "the same ids, one effect"
    );
    assert_eq!(store.stats().events, 2);
}

#[test]
fn what_was_decided_before_anything_was_accepted_is_told_though_the_flush_behind_it_fails() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    let first = append(&store, one(0)).unwrap();
    disk.fail_at(disk.operations(), Fault::FailFlush);
    let conflicting = Append {
        conditions: vec![Condition::TagAt {
            tag: Tag::of("order", 0).unwrap(),
            expected: None,
        }],
        ..one(1)
    };
    let (known, conflict) = (queued(&store, one(0)), queued(&store, conflicting));
    let lost = queued(&store, one(2));
    store.step();
    assert_eq!(ready(lost).unwrap_err().kind(), ErrorKind::Unknown);
    let known = ready(known).unwrap();
    assert_eq!(
        (known.duplicate, known.first, known.recorded),
        (true, first.first, first.recorded)
    );
    assert_eq!(ready(conflict).unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn a_full_disk_is_told_and_the_store_goes_on() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    disk.limit(Some(disk.used()));
    let key = MarkKey::new("checkpoint", "a");
    let full = (0..)
        .find_map(|number| {
            append(
                &store,
                Append {
                    marks: vec![Mark::set(key.clone(), number.to_string())],
                    ..one(number)
                },
            )
            .err()
        })
        .unwrap();
    assert!(matches!(&full, AppendError::Full(_)), "{full}");
    assert_eq!(full.kind(), ErrorKind::Unavailable);
    let (events, mark) = (store.stats().events, ready(store.mark(key.clone())).unwrap());
    assert_eq!(
        mark,
        Some(Bytes::from((events - 1).to_string())),
        "its mark was not set"
    );
    assert_eq!(tagged(&store, events).unwrap(), []);
    assert_eq!(tagged(&store, events - 1).unwrap().len(), 1, "reads go on");
    assert!(!store.stats().failed);
    disk.limit(None);
    assert_eq!(
        append(&store, one(events)).unwrap().first,
        Position::new(events),
        "its id is free"
    );
    assert_eq!(store.verify().unwrap().findings, []);
}

/// Opening looks at the header of a segment only where it reads its frames; each frame tells where it belongs.
#[test]
fn a_broken_header_of_an_old_segment_is_told_by_verify_and_hinders_nobody() {
    let disk = SimDisk::new(1);
    let open = || {
        let index = IndexOptions {
            part_events_max: 12,
            ..IndexOptions::default()
        };
        let options = Options {
            segment_bytes_max: 16 << 10,
            index,
            ..options()
        };
        EmbeddedStore::open_on(Arc::new(disk.clone()), dir(), options).unwrap()
    };
    let store = open();
    for number in 0..200 {
        append(&store, one(number)).unwrap();
    }
    drop(store);
    let broken = dir().join("0000000001.seg");
    assert!(disk.content(&dir().join("0000000003.seg")).is_some());
    assert!(disk.rot(&broken, 24, 4));
    let store = open();
    for number in 0..200 {
        assert_eq!(tagged(&store, number).unwrap(), [event(number, 300)]);
    }
    let findings = store.verify().unwrap().findings;
    assert!(
        matches!(&findings[..], [one] if one.to_string().contains("0000000001.seg at byte 0")),
        "{findings:?}"
    );
    drop(store);
    // Without index files everything is read.
    for name in disk.list(&dir().join("index")).unwrap() {
        disk.remove(&dir().join("index").join(name)).unwrap();
    }
    let refused = EmbeddedStore::open_read_only_on(Arc::new(disk.clone()), dir()).unwrap_err();
    assert!(
        refused.to_string().contains("0000000001.seg at byte 0"),
        "{refused}"
    );
}

#[test]
fn damage_met_later_fails_the_reads_that_touch_it_and_no_others() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    for number in 0..5 {
        append(&store, one(number)).unwrap();
    }
    let bytes = disk.content(&first_file()).unwrap();
    let id = event(2, 0).id.as_uuid();
    let at = bytes
        .windows(16)
        .position(|window| window == id.as_bytes())
        .unwrap() as u64
        + 100;
    assert!(disk.rot(&first_file(), at, 4));
    for number in [0, 1, 3, 4] {
        assert_eq!(tagged(&store, number).unwrap(), [event(number, 300)]);
    }
    let error = tagged(&store, 2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("0000000000.seg at byte"), "{error}");
    assert!(ready(store.read(Read::new(Query::all(), Position::ZERO))).is_err());
    let findings = store.verify().unwrap().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    let again = append(&store, one(2)).unwrap_err();
    assert!(
        matches!(&again, AppendError::Unknown(reason) if reason.contains("cannot be read")),
        "{again}"
    );
    drop(store);
    assert_eq!(
        verify_on(Arc::new(disk.clone()), dir()).unwrap().findings,
        findings
    );
    let refused = open(&disk).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(
        refused.to_string().contains("0000000000.seg at byte"),
        "{refused}"
    );
    assert_eq!(
        EmbeddedStore::open_read_only_on(Arc::new(disk.clone()), dir())
            .unwrap_err()
            .kind(),
        ErrorKind::Corrupt
    );
}

#[test]
fn a_read_the_disk_refuses_can_be_repeated() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    append(&store, one(0)).unwrap();
    disk.fail_read_at(disk.reads());
    assert_eq!(tagged(&store, 0).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(tagged(&store, 0).unwrap().len(), 1);
}

#[test]
fn a_disk_that_refuses_to_open_is_told() {
    let disk = SimDisk::new(1);
    disk.fail_at(0, Fault::Refuse);
    let refused = open(&disk).unwrap_err();
    assert!(matches!(refused, OpenError::Disk(_)), "{refused}");
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    drop(open(&disk).unwrap());
    assert!(disk.rot(&first_file(), 8, 5));
    let refused = open(&disk).unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Format(FormatError::Newer {
                found: 4,
                supported: 1,
                ..
            })
        ),
        "{refused}"
    );
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[test]
fn a_long_pause_seals_so_that_rot_in_the_last_group_is_seen() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    append(&store, one(0)).unwrap();
    let (unsealed, at) = (disk.crash(1, Survival::Nothing), 512 + 200);
    store.step_idle();
    let sealed = disk.crash(1, Survival::Nothing);
    assert!(unsealed.rot(&first_file(), at, 1) && sealed.rot(&first_file(), at, 1));
    let looks_torn = open(&unsealed).unwrap();
    assert_eq!(
        (looks_torn.stats().events, looks_torn.recovery().cut_bytes > 0),
        (0, true)
    );
    assert_eq!(open(&sealed).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn recorded_time_does_not_go_back_over_a_reopening() {
    let disk = SimDisk::new(1);
    let at = |micros| {
        let options = Options {
            clock: Arc::new(FixedClock(micros)),
            ..options()
        };
        EmbeddedStore::open_on(Arc::new(disk.clone()), dir(), options).unwrap()
    };
    let store = at(900);
    append(&store, one(0)).unwrap();
    append(
        &store,
        Append {
            marks: vec![Mark::remove(MarkKey::new("a", "b"))],
            ..Append::default()
        },
    )
    .unwrap();
    drop(store);
    let appended = append(&at(100), one(1)).unwrap();
    assert_eq!(
        (appended.first, appended.recorded),
        (Position::new(1), Timestamp::from_micros(900))
    );
}

#[test]
fn what_is_queued_at_closing_is_written() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    let (first, handle) = (queued(&store, one(0)), store.clone());
    store.close();
    store.close();
    assert_eq!(ready(first).unwrap().first, Position::ZERO);
    assert!(matches!(
        ready(handle.revision(Tag::of("order", 0).unwrap(), Position::MAX)),
        Err(ReadError::Closed)
    ));
    assert!(open(&disk).unwrap().recovery().sealed, "and the folder is free");
    assert_eq!(disk.list(dir()).unwrap(), ["0000000000.seg"]);
}

#[test]
fn the_same_append_twice_in_one_group_has_one_outcome() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    let (first, again) = (queued(&store, one(7)), queued(&store, one(7)));
    assert_eq!(store.step(), 2);
    let (first, again) = (ready(first).unwrap(), ready(again).unwrap());
    assert!(!first.duplicate && again.duplicate);
    assert_eq!(
        (first.first, first.count, first.recorded),
        (again.first, again.count, again.recorded)
    );
}

/// Large enough to enter the index while it is flushed.
fn large(numbers: std::ops::Range<u64>) -> Append {
    Append {
        events: numbers.map(|number| event(number, 40)).collect(),
        ..Append::default()
    }
}

#[tokio::test]
async fn a_large_append_that_is_not_written_leaves_no_trace() {
    let disk = SimDisk::new(1);
    let with_threads = Options {
        segment_bytes_first: 1 << 20,
        ..Options::default()
    };
    let store = EmbeddedStore::open_on(Arc::new(disk.clone()), dir(), with_threads).unwrap();
    disk.fail_at(disk.operations(), Fault::CutShort);
    let refused = store.append(large(0..600)).await.unwrap_err();
    assert!(matches!(refused, AppendError::Full(_)), "{refused}");
    assert!(tagged(&store, 599).unwrap().is_empty());
    let behind = Append {
        conditions: vec![Condition::NoMatch {
            query: Query::tag(Tag::of("order", 599).unwrap()),
            from: Position::ZERO,
        }],
        ..one(1_000)
    };
    let (go, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    disk.probe(Some(Box::new(move |_| {
        held.lock().unwrap().recv().unwrap_or_default()
    })));
    let before = queued(&store, one(2_000));
    // While that is flushed these two queue up, and become one group.
    let (written, conflict) = (queued(&store, large(0..600)), queued(&store, behind));
    drop(go);
    assert_eq!(before.await.unwrap().first, Position::ZERO);
    assert_eq!(written.await.unwrap().first, Position::new(1));
    assert_eq!(conflict.await.unwrap_err().kind(), ErrorKind::Conflict);
    for number in [0, 255, 256, 599] {
        assert_eq!(tagged(&store, number).unwrap(), [event(number, 40)]);
    }
}

/// A clock that panics when it is asked.
struct Broken;

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        panic!("as the test wants")
    }
}

#[tokio::test]
async fn a_writer_whose_thread_panicked_leaves_nobody_waiting() {
    let disk = SimDisk::new(1);
    let broken = Options {
        clock: Arc::new(Broken),
        ..Options::default()
    };
    let store = EmbeddedStore::open_on(Arc::new(disk.clone()), dir(), broken).unwrap();
    let lost = store.append(one(0)).await.unwrap_err();
    assert!(matches!(lost, AppendError::Unknown(_)), "{lost}");
    // It is refused because the writer has ended, whether that was known already when it was queued or not.
    let behind = store.append(one(1)).await.unwrap_err();
    assert!(
        matches!(behind, AppendError::Closed(_) | AppendError::Unknown(_)),
        "{behind}"
    );
    store.close();
    assert!(store.stats().failed, "it must be opened anew");
    drop(store);
    let store = open(&disk).unwrap();
    assert_eq!(append(&store, one(0)).unwrap().first, Position::ZERO);
}
