//! Truncation: nothing is lost on the way to the archive, and what is answered afterwards is what was answered before, or
//! that it is gone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use annals_core::condition::Condition;
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, RecordedEvent, Visibility};
use annals_core::id::{CorrelationId, EventId, uuid_v7};
use annals_core::kind::ErrorKind;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, EventStore, Read, ReadError};
use annals_core::position::{Position, Revision};
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::{Clock, Timestamp};
use annals_store::disk::Disk;
use annals_store::disk::sim::{Fault, SimDisk, Survival};
use annals_store::{
    Archive, EmbeddedStore, FolderArchive, IndexOptions, OpenError, Options, Pieces, TruncateError,
    Truncated, WriterThread, backup_on, restore_on, truncate_on, verify_on,
};
use uuid::Uuid;

use crate::format::samples::ready;

/// A millisecond later each time it is asked.
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

fn dir() -> &'static Path {
    Path::new("store")
}

fn open_in(disk: &SimDisk, dir: &Path) -> Result<EmbeddedStore, OpenError> {
    let options = Options {
        clock: Arc::new(Ticking(AtomicI64::new(1_000_000))),
        writer: WriterThread::Stepped,
        segment_bytes_first: 4 << 10,
        segment_bytes_max: 4 << 10,
        index: IndexOptions {
            part_events_max: 24,
            ..IndexOptions::default()
        },
        ..Options::default()
    };
    EmbeddedStore::open_on(Arc::new(disk.clone()), dir, options)
}

fn open(disk: &SimDisk) -> Result<EmbeddedStore, OpenError> {
    open_in(disk, dir())
}

fn archive_on(disk: &SimDisk) -> FolderArchive {
    FolderArchive::on(Arc::new(disk.clone()), "archive")
}

fn truncate(disk: &SimDisk, before: u64) -> Result<Truncated, TruncateError> {
    truncate_on(
        Arc::new(disk.clone()),
        dir(),
        Position::new(before),
        &archive_on(disk),
    )
}

/// Ids of version 7 mostly, and some that tell no time.
fn event(number: u64) -> NewEvent {
    let mut randomness = [0; 10];
    randomness[..8].copy_from_slice(&number.to_be_bytes());
    let timed = uuid_v7(Timestamp::from_micros(number as i64 * 1_000), randomness);
    let id = if number % 5 == 4 {
        Uuid::from_u128(u128::from(number) << 8)
    } else {
        timed
    };
    NewEvent {
        id: EventId::from_uuid(id),
        event_type: EventType::new(["order.placed", "order.paid", "stock.counted"][number as usize % 3]),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        // One tag is in all of history, others only in a stretch of it.
        tags: vec![
            Tag::of("shop", 1).unwrap(),
            Tag::of("order", number / 20).unwrap(),
        ],
        occurred: None,
        metadata: Metadata {
            correlation: Some(CorrelationId::from_uuid(Uuid::from_u128(u128::from(number / 10)))),
            ..Metadata::default()
        },
        data: vec![b'x'; (number * 31 % 200) as usize].into(),
    }
}

fn key(name: &str) -> MarkKey {
    MarkKey::new("note", name)
}

fn numbered(number: u64) -> Append {
    let mut marks = vec![
        Mark::set(key("last"), number.to_string()),
        Mark::set(key(&format!("of/{}", number / 7)), number.to_string()),
    ];
    if number % 9 == 8 {
        marks.push(Mark::remove(key(&format!("of/{}", number / 14))));
    }
    Append {
        events: vec![event(number)],
        marks,
        ..Append::default()
    }
}

fn append(store: &EmbeddedStore, append: Append) -> Result<Appended, AppendError> {
    let mut append = store.append(append);
    let waker = std::task::Waker::noop();
    if let std::task::Poll::Ready(answer) = append.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
        return answer;
    }
    store.step();
    ready(append)
}

fn fill(disk: &SimDisk, numbers: std::ops::Range<u64>) {
    let store = open(disk).unwrap();
    for number in numbers {
        append(&store, numbered(number)).unwrap();
    }
    store.close();
}

fn read(store: &EmbeddedStore, query: &Query, from: u64) -> Result<Vec<RecordedEvent>, ReadError> {
    let (mut events, mut next) = (Vec::new(), Position::new(from));
    loop {
        let page = ready(store.read(Read::new(query.clone(), next).limit(17)))?;
        events.extend(page.events);
        if page.finished {
            return Ok(events);
        }
        next = page.next;
    }
}

fn marks(store: &EmbeddedStore) -> Vec<(MarkKey, bytes::Bytes)> {
    ready(store.marks("note", "")).unwrap()
}

fn order(number: u64) -> Query {
    Query::tag(Tag::of("order", number).unwrap())
}

fn boundary_of(error: &ReadError) -> u64 {
    match error {
        ReadError::Gone { boundary, archive } => {
            assert!(archive.starts_with("archive/0000000"), "{archive}");
            boundary.get()
        }
        other => panic!("expected that it is gone, found {other}"),
    }
}

/// Compares every answer of a truncated store with those of the same store that was left whole.
fn compare(store: &EmbeddedStore, whole: &EmbeddedStore, boundary: u64) {
    assert_eq!(store.end(), whole.end());
    assert_eq!(marks(store), marks(whole));
    assert_eq!(store.stats().marks, whole.stats().marks);
    assert_eq!(ready(store.types()).unwrap(), ready(whole.types()).unwrap());
    assert_eq!(
        ready(store.mark(key("last"))).unwrap(),
        ready(whole.mark(key("last"))).unwrap()
    );
    let all = Query::all();
    assert_eq!(
        read(store, &all, boundary).unwrap(),
        read(whole, &all, boundary).unwrap()
    );
    assert_eq!(boundary_of(&read(store, &all, 0).unwrap_err()), boundary);
    assert_eq!(
        boundary_of(&read(store, &all, boundary - 1).unwrap_err()),
        boundary
    );
    assert_eq!(read(store, &all, 0).unwrap_err().kind(), ErrorKind::Gone);
    for number in 0..=whole.end().get() / 20 {
        let (tag, query) = (Tag::of("order", number).unwrap(), order(number));
        let expected = read(whole, &query, 0).unwrap();
        let archived = expected.iter().any(|event| event.position.get() < boundary);
        match read(store, &query, 0) {
            Ok(found) => assert!(!archived && found == expected, "order {number}"),
            Err(gone) => assert!(archived && boundary_of(&gone) == boundary, "order {number}"),
        }
        let at = |store: &EmbeddedStore, to: u64| ready(store.revision(tag.clone(), Position::new(to)));
        for to in [boundary, boundary + 3, whole.end().get()] {
            assert_eq!(
                at(store, to).unwrap(),
                at(whole, to).unwrap(),
                "order {number} before {to}"
            );
        }
        let first = expected.first().map(|event| event.position.get() + 1);
        if let Some(first) = first.filter(|first| *first < boundary) {
            assert_eq!(boundary_of(&at(store, first).unwrap_err()), boundary);
        }
    }
    let backward = |store: &EmbeddedStore, limit| {
        ready(store.read(Read::new(all.clone(), Position::ZERO).backward().limit(limit)))
    };
    assert_eq!(
        backward(store, 5).unwrap().events,
        backward(whole, 5).unwrap().events
    );
    let rest = backward(store, 10_000).unwrap();
    assert_eq!(
        (rest.events.len() as u64, rest.finished),
        (whole.end().get() - boundary, false)
    );
    assert_eq!(rest.next.get(), boundary);
    let before = Read::new(all, Position::ZERO).to(rest.next).backward();
    assert_eq!(boundary_of(&ready(store.read(before)).unwrap_err()), boundary);
    let mut lent = store.lend(Query::all(), Position::ZERO);
    assert_eq!(boundary_of(&lent.next_event().unwrap_err()), boundary);
    let mut lent = store.lend(Query::all(), Position::ZERO).backward();
    for _ in boundary..whole.end().get() {
        assert!(lent.next_event().unwrap().is_some());
    }
    assert_eq!(boundary_of(&lent.next_event().unwrap_err()), boundary);
    for event in read(whole, &Query::all(), 0).unwrap() {
        match ready(store.end_at(event.recorded)) {
            Ok(end) => assert_eq!(end, ready(whole.end_at(event.recorded)).unwrap()),
            Err(gone) => assert!(boundary_of(&gone) > event.position.get(), "{}", event.position),
        }
    }
}

/// The same store, one whole and one truncated here and there.
fn twins(truncations: &[u64]) -> (SimDisk, SimDisk, u64) {
    let (disk, whole) = (SimDisk::new(1), SimDisk::new(1));
    let (mut number, mut boundary) = (0, 0);
    for before in truncations {
        fill(&disk, number..before + 40);
        fill(&whole, number..before + 40);
        number = before + 40;
        let done = truncate(&disk, *before).unwrap();
        let now = done.boundary.get();
        assert!(now <= *before && now > boundary, "{now} of {before}");
        assert_eq!(done.events, now - boundary);
        boundary = now;
    }
    (disk, whole, boundary)
}

#[test]
fn every_answer_afterwards_is_the_one_before_or_gone() {
    for truncations in [&[60][..], &[40, 90, 200], &[300]] {
        let (disk, whole, boundary) = twins(truncations);
        let first = open(&disk).unwrap();
        compare(&first, &open(&whole).unwrap(), boundary);
        assert_eq!(first.verify().unwrap().findings, []);
        first.close();
        // Once more with the index that was made, and without it.
        let again = open(&disk).unwrap();
        assert!(again.stats().index_files > 0);
        compare(&again, &open(&whole).unwrap(), boundary);
        again.close();
        assert_eq!(verify_on(Arc::new(disk.clone()), dir()).unwrap().findings, []);
        for name in disk.list(&dir().join("index")).unwrap() {
            disk.remove(&dir().join("index").join(name)).unwrap();
        }
        let read_only = EmbeddedStore::open_read_only_on(Arc::new(disk.clone()), dir()).unwrap();
        compare(&read_only, &open(&whole).unwrap(), boundary);
    }
}

#[test]
fn appends_go_on_as_if_nothing_had_been_taken_away() {
    let (disk, whole, boundary) = twins(&[50, 120]);
    let (store, whole_store) = (open(&disk).unwrap(), open(&whole).unwrap());
    let end = store.end().get();
    // A repeated append has its first outcome, whatever was archived; other content under its id is refused.
    for number in [0, 4, 7, boundary - 1, boundary, end - 1] {
        let repeated = append(&store, numbered(number)).unwrap();
        let expected = append(&whole_store, numbered(number)).unwrap();
        assert!(repeated.duplicate);
        assert_eq!(repeated, expected, "{number}");
        let mut other = numbered(number);
        other.events[0].data = "other".into();
        let refused = append(&store, other).unwrap_err();
        assert!(matches!(refused, AppendError::IdTaken { position, .. } if position.get() == number));
    }
    let at = |tag: &str, revision: Option<u64>| Condition::TagAt {
        tag: Tag::new(tag).unwrap(),
        expected: revision.map(Revision::new),
    };
    let no_match = |query: Query, from: u64| Condition::NoMatch {
        query,
        from: Position::new(from),
    };
    let under = |condition: Condition, number: u64| {
        let append = Append {
            conditions: vec![condition],
            ..numbered(number)
        };
        self::append(&store, append)
    };
    assert_eq!(under(at("order:0", Some(19)), end).unwrap().first.get(), end);
    assert!(matches!(
        under(at("order:0", Some(18)), end + 1),
        Err(AppendError::Conflict(_))
    ));
    assert!(matches!(
        under(at("order:0", None), end + 1),
        Err(AppendError::Conflict(_))
    ));
    under(at("order:9999", None), end + 1).unwrap();
    match under(no_match(order(0), 0), end + 2) {
        Err(AppendError::Gone {
            condition: 0,
            boundary: found,
            archive,
        }) => {
            assert_eq!(found.get(), boundary);
            assert!(archive.starts_with("archive/"));
        }
        other => panic!("{other:?}"),
    }
    under(no_match(order(0), boundary), end + 2).unwrap();
    under(no_match(order(8_888), 0), end + 3).unwrap();
    let shop = Query::tag(Tag::of("shop", 1).unwrap());
    assert!(
        matches!(under(no_match(shop, 0), end + 4), Err(AppendError::Conflict(_))),
        "one is still here"
    );
    let never = QueryItem::of(vec![EventType::new("order.lost")], Tag::of("order", 0).unwrap());
    under(no_match(Query::any(vec![never]), 0), end + 4).unwrap();
    let mark = Condition::MarkIs {
        key: key("of/0"),
        expected: ready(whole_store.mark(key("of/0"))).unwrap(),
    };
    under(mark, end + 5).unwrap();
    let correlated = |number: u128| Query::correlation(CorrelationId::from_uuid(Uuid::from_u128(number)));
    assert_eq!(
        boundary_of(&read(&store, &correlated(1), 0).unwrap_err()),
        boundary
    );
    assert_eq!(read(&store, &correlated(7_777), 0).unwrap(), []);
    store.close();
    assert_eq!(verify_on(Arc::new(disk), dir()).unwrap().findings, []);
}

/// What a store holds from its beginning on, and its marks.
fn content(disk: &SimDisk, dir: &Path, from: u64) -> (Vec<RecordedEvent>, Vec<(MarkKey, bytes::Bytes)>) {
    let store = EmbeddedStore::open_read_only_on(Arc::new(disk.clone()), dir).unwrap();
    (read(&store, &Query::all(), from).unwrap(), marks(&store))
}

fn sets(disk: &SimDisk) -> Vec<PathBuf> {
    let mut sets: Vec<PathBuf> = Vec::new();
    let store = EmbeddedStore::open_read_only_on(Arc::new(disk.clone()), dir()).unwrap();
    let gone = read(&store, &Query::all(), 0).unwrap_err();
    assert!(matches!(gone, ReadError::Gone { .. }));
    let text = disk.content(&dir().join("BEGINNING")).unwrap();
    for line in String::from_utf8(text).unwrap().lines() {
        if let Some(set) = line.strip_prefix("archive ") {
            sets.push(set.into());
        }
    }
    sets
}

#[test]
fn a_set_of_the_archive_is_a_store_and_all_sets_and_the_store_are_the_whole_history() {
    let (disk, whole, boundary) = twins(&[40, 90, 200]);
    let expected = content(&whole, dir(), 0);
    let (port, mut from) = (Arc::new(disk.clone()), 0);
    let joined = Path::new("joined");
    disk.create_dir(joined).unwrap();
    let archived = sets(&disk);
    assert_eq!(archived.len(), 3);
    for (number, set) in archived.iter().enumerate() {
        let restored = PathBuf::from(format!("restored-{number}"));
        let manifest = restore_on(port.clone(), set, &restored).unwrap();
        let (events, _) = content(&disk, &restored, from);
        assert_eq!(events, expected.0[from as usize..manifest.events as usize]);
        assert_eq!(verify_on(port.clone(), &restored).unwrap().findings, []);
        from = manifest.events;
    }
    assert_eq!(from, boundary);
    // As docs/store.md says: the segments of all sets and of the store in one folder, and nothing else.
    for folder in archived.iter().map(PathBuf::as_path).chain([dir()]) {
        for name in disk.list(folder).unwrap() {
            if name.ends_with(".seg") {
                disk.place(&joined.join(&name), &disk.content(&folder.join(&name)).unwrap());
            }
        }
    }
    assert_eq!(content(&disk, joined, 0), expected);
    assert_eq!(verify_on(port, joined).unwrap().findings, []);
}

#[test]
fn a_backup_of_a_truncated_store_is_one() {
    let (disk, whole, boundary) = twins(&[90]);
    let port = Arc::new(disk.clone());
    backup_on(port.clone(), dir(), Path::new("backup")).unwrap();
    restore_on(port, Path::new("backup"), Path::new("restored")).unwrap();
    compare(
        &open_in(&disk, Path::new("restored")).unwrap(),
        &open(&whole).unwrap(),
        boundary,
    );
}

/// Everything that was acknowledged is in the store, or in a set of the archive that is whole.
fn nothing_is_lost(disk: &SimDisk, expected: &[RecordedEvent], what: &str) {
    let store = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(store.end().get(), expected.len() as u64, "{what}");
    let from = match read(&store, &Query::all(), 0) {
        Ok(events) => return assert_eq!(events, expected, "{what}"),
        Err(gone) => boundary_of(&gone),
    };
    assert_eq!(
        read(&store, &Query::all(), from).unwrap(),
        expected[from as usize..],
        "{what}"
    );
    drop(store);
    let port: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut archived = 0;
    for (number, set) in sets(disk).iter().enumerate() {
        let restored = PathBuf::from(format!("restored-{number}-{}", disk.operations()));
        let manifest =
            restore_on(port.clone(), set, &restored).unwrap_or_else(|error| panic!("{what}: {error}"));
        let (events, _) = content(disk, &restored, archived);
        assert_eq!(
            events,
            expected[archived as usize..manifest.events as usize],
            "{what}"
        );
        archived = manifest.events;
    }
    assert_eq!(archived, from, "{what}");
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_and_it_can_be_done_again() {
    let (disk, whole, _) = twins(&[60]);
    fill(&disk, 100..180);
    fill(&whole, 100..180);
    let (expected, _) = content(&whole, dir(), 0);
    let before = disk.operations();
    disk.cut_at(before..before + 2_000);
    let done = truncate(&disk, 150).unwrap();
    let operations = disk.operations() - before;
    let cuts = disk.take_cuts();
    assert_eq!(cuts.len() as u64, operations);
    let mut truncated = 0;
    for (operation, cut) in cuts {
        let mode = Survival::ALL[operation as usize % Survival::ALL.len()];
        let what = format!("operation {operation}, {mode:?}");
        let image = cut.crash(operation, mode);
        nothing_is_lost(&image, &expected, &what);
        match truncate(&image, 150) {
            Ok(again) => assert_eq!(again.boundary, done.boundary, "{what}"),
            Err(TruncateError::Nothing { begins, .. }) => {
                assert_eq!(begins, done.boundary, "{what}");
                truncated += 1;
            }
            Err(other) => panic!("{what}: {other}"),
        }
        let names = image.list(dir()).unwrap();
        let left: Vec<_> = names.iter().filter(|name| name.ends_with(".tmp")).collect();
        assert!(left.is_empty(), "{what}: {left:?}");
    }
    assert!(truncated > 0);
}

#[test]
fn a_failure_at_any_operation_loses_nothing_and_it_can_be_done_again() {
    let (disk, whole, _) = twins(&[60]);
    fill(&disk, 100..180);
    fill(&whole, 100..180);
    let (expected, _) = content(&whole, dir(), 0);
    let probe = disk.crash(1, Survival::Nothing);
    let before = probe.operations();
    let done = truncate(&probe, 150).unwrap();
    let operations = probe.operations() - before;
    let mut failed = 0;
    for number in 0..operations {
        let fault = [Fault::Refuse, Fault::CutShort, Fault::FailFlush, Fault::NoSpace][number as usize % 4];
        let what = format!("{fault:?} at operation {number}");
        let image = disk.crash(1, Survival::Nothing);
        image.fail_at(image.operations() + number, fault);
        failed += u64::from(truncate(&image, 150).is_err());
        // What a failed flush dropped is lost at a cut.
        let image = image.crash(number, Survival::Nothing);
        nothing_is_lost(&image, &expected, &what);
        match truncate(&image, 150) {
            Ok(again) => assert_eq!(again.boundary, done.boundary, "{what}"),
            Err(TruncateError::Nothing { begins, .. }) => assert_eq!(begins, done.boundary, "{what}"),
            Err(other) => panic!("{what}: {other}"),
        }
    }
    assert!(failed > operations / 2, "{failed} of {operations}");
}

/// Gives back another byte than it was given.
#[derive(Debug)]
struct Liar(FolderArchive);

impl Archive for Liar {
    fn address(&self) -> String {
        self.0.address()
    }

    fn write(&self, name: &str, pieces: Pieces<'_>) -> io::Result<()> {
        self.0.write(name, pieces)
    }

    fn read(&self, name: &str, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.0.read(name, &mut |piece| {
            let mut piece = piece.to_vec();
            piece[700] ^= 1;
            each(&piece)
        })
    }
}

#[test]
fn what_the_archive_does_not_give_back_is_not_taken_away() {
    let disk = SimDisk::new(1);
    fill(&disk, 0..100);
    let before = content(&disk, dir(), 0);
    let liar = Liar(archive_on(&disk));
    let refused = truncate_on(Arc::new(disk.clone()), dir(), Position::new(60), &liar).unwrap_err();
    assert!(
        matches!(&refused, TruncateError::Differs { name, .. } if name.ends_with(".seg")),
        "{refused}"
    );
    assert_eq!(content(&disk, dir(), 0), before);
}

#[test]
fn it_is_refused_while_the_store_is_open_where_nothing_ends_and_where_it_is_damaged() {
    let disk = SimDisk::new(1);
    fill(&disk, 0..100);
    let store = open(&disk).unwrap();
    let busy = truncate(&disk, 60).unwrap_err();
    assert!(
        matches!(busy, TruncateError::Open(OpenError::InUse { .. })),
        "{busy}"
    );
    store.close();
    drop(store);
    match truncate(&disk, 1).unwrap_err() {
        TruncateError::Nothing {
            asked,
            begins,
            possible,
        } => {
            assert_eq!((asked.get(), begins.get()), (1, 0));
            assert!(possible.unwrap().get() > 1);
        }
        other => panic!("{other}"),
    }
    let damaged = disk.crash(1, Survival::Nothing);
    assert!(damaged.rot(&dir().join("0000000000.seg"), 700, 1));
    let refused = truncate(&damaged, 60).unwrap_err();
    assert!(
        matches!(refused, TruncateError::Corrupt(_) | TruncateError::Open(_)),
        "{refused}"
    );
    assert!(damaged.content(&dir().join("0000000000.seg")).is_some());
    assert!(damaged.content(&dir().join("BEGINNING")).is_none());
}

#[test]
fn every_flipped_byte_of_what_is_carried_is_seen() {
    let (disk, _, _) = twins(&[60]);
    drop(open(&disk).unwrap());
    let names = disk.list(dir()).unwrap();
    let carried = names.iter().find(|name| name.ends_with(".carried")).unwrap();
    for name in [carried, &"BEGINNING".to_owned()] {
        let path = dir().join(name);
        let bytes = disk.content(&path).unwrap().len() as u64;
        for at in (0..bytes).step_by(if bytes > 1_000 { 61 } else { 1 }) {
            let spoiled = disk.crash(1, Survival::Nothing);
            assert!(spoiled.rot(&path, at, 1));
            let seen = match verify_on(Arc::new(spoiled.clone()), dir()) {
                Ok(report) => !report.findings.is_empty(),
                Err(OpenError::Format(_)) => true,
                Err(other) => panic!("{name} byte {at}: {other}"),
            };
            assert!(seen, "{name} byte {at}");
        }
    }
    disk.remove(&dir().join(carried)).unwrap();
    let refused = open(&disk).unwrap_err();
    assert!(matches!(refused, OpenError::Corrupt(_)), "{refused}");
}

#[test]
fn what_may_lie_before_the_boundary_is_asked_for_each_item_of_a_query() {
    let (disk, _, boundary) = twins(&[200]);
    let store = open(&disk).unwrap();
    let (old, new) = (order(1), order(boundary / 20 + 1));
    let item = |query: &Query| query.items()[0].clone();
    let of_type = |names: &[&'static str]| {
        Query::types(
            names
                .iter()
                .map(|name| EventType::from_static(name))
                .collect::<Vec<_>>(),
        )
    };
    let either = Query::any(vec![item(&old), item(&new)]);
    assert_eq!(boundary_of(&read(&store, &either, 0).unwrap_err()), boundary);
    let either = Query::any(vec![item(&new), item(&old)]);
    assert_eq!(boundary_of(&read(&store, &either, 0).unwrap_err()), boundary);
    assert!(!read(&store, &new, 0).unwrap().is_empty());
    // One type that was archived is enough, wherever it stands.
    for names in [["order.placed", "none.such"], ["none.such", "order.placed"]] {
        let gone = read(&store, &of_type(&names), 0).unwrap_err();
        assert_eq!(boundary_of(&gone), boundary);
    }
    assert_eq!(read(&store, &of_type(&["none.such", "nor.this"]), 0).unwrap(), []);
}

#[test]
fn a_tag_that_was_not_archived_is_known_before_the_boundary_too() {
    let (disk, _, boundary) = twins(&[200]);
    let store = open(&disk).unwrap();
    let revision = |number: u64| {
        let tag = Tag::of("order", number).unwrap();
        ready(store.revision(tag, Position::new(boundary - 5)))
    };
    assert_eq!(revision(boundary / 20 + 1).unwrap(), None);
    assert_eq!(boundary_of(&revision(1).unwrap_err()), boundary);
}

#[test]
fn a_segment_left_behind_by_an_interrupted_truncation_is_no_finding() {
    let (disk, whole, boundary) = twins(&[200]);
    let first = "0000000000.seg";
    assert!(disk.content(&dir().join(first)).is_none());
    disk.place(&dir().join(first), &whole.content(&dir().join(first)).unwrap());
    let report = verify_on(Arc::new(disk.clone()), dir()).unwrap();
    assert_eq!(report.findings, []);
    let store = open(&disk).unwrap();
    assert_eq!(
        boundary_of(&read(&store, &Query::all(), 0).unwrap_err()),
        boundary
    );
    assert!(disk.content(&dir().join(first)).is_none(), "it is taken away");
}

#[test]
fn a_truncated_store_without_its_segments_is_damaged_and_not_empty() {
    let (disk, _, _) = twins(&[60]);
    for name in disk.list(dir()).unwrap() {
        if name.ends_with(".seg") {
            disk.remove(&dir().join(name)).unwrap();
        }
    }
    let refused = open(&disk).unwrap_err();
    assert!(matches!(refused, OpenError::Corrupt(_)), "{refused}");
    assert!(refused.to_string().contains("where the log begins"), "{refused}");
}
