//! The keeper with its thread, on a disk that does as the test wants.
//!
//! Nothing here depends on who is quicker: whoever must be somewhere is held there, and what must come is waited for.

use std::future::Future;
use std::path::PathBuf;
use std::task::{Context, Poll, Waker};

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::{EventId, uuid_v7};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Read};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use annals_log::disk::Disk;
use annals_log::disk::sim::{Fault, SimDisk};

use super::*;
use crate::embedded::EmbeddedStore;
use crate::options::{IndexOptions, Options, WriterThread};

mod moody;

use moody::{Mood, Moody, SOON, Step};

fn dir() -> PathBuf {
    PathBuf::from("store")
}

/// Every event is a part of its own, every append a frame, and every question reads the files.
fn options(writer: WriterThread) -> Options {
    Options {
        writer,
        seal_after: Duration::from_secs(86_400),
        index: IndexOptions {
            part_events_max: 1,
            cache_bytes_max: 0,
            ..IndexOptions::default()
        },
        ..Options::default()
    }
}

fn open(disk: &Arc<Moody>) -> EmbeddedStore {
    let store = EmbeddedStore::open_on(disk.clone(), &dir(), options(WriterThread::Own)).unwrap();
    // The last handle that is let go waits for the writer: where that waits for ever, a test is to fail all the same.
    std::mem::forget(store.clone());
    store
}

fn tag() -> Tag {
    Tag::of("order", 1).unwrap()
}

/// Each is later than the one before, so that whether it is known is asked of no file.
fn id(number: u64) -> EventId {
    let moment = Timestamp::from_micros(1_700_000_000_000_000 + number as i64 * 1_000);
    EventId::from_uuid(uuid_v7(moment, [7; 10]))
}

fn one(number: u64) -> Append {
    Append {
        events: vec![NewEvent {
            id: id(number),
            event_type: EventType::from_static("order.placed"),
            version: 1,
            purpose: Purpose::Event,
            visibility: Visibility::Public,
            tags: vec![tag()],
            occurred: None,
            metadata: Metadata::default(),
            data: format!("event {number}").into(),
        }],
        ..Append::default()
    }
}

type Waiting = BoxFuture<'static, Result<Appended, AppendError>>;

fn answer(append: Waiting) -> Result<Appended, AppendError> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    let answered = runtime.block_on(async { tokio::time::timeout(SOON, append).await });
    answered.expect("an append is answered")
}

fn append(store: &EmbeddedStore, numbers: std::ops::Range<u64>) {
    for number in numbers {
        answer(store.append(one(number))).unwrap();
    }
}

/// Whether it is answered already.
fn is_answered(append: &mut Waiting) -> bool {
    append
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a read waits for nobody"),
    }
}

/// Waits for what must come soon.
fn until(what: &str, reached: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !reached() {
        assert!(Instant::now() < end, "it never came to this: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn work(store: &EmbeddedStore) -> Arc<Work> {
    store.keeper().unwrap().work.clone()
}

fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Ordering::Acquire)
}

fn files(disk: &SimDisk) -> Vec<String> {
    let mut names = disk.list(&dir().join("index")).unwrap();
    names.sort();
    names
}

fn until_files(store: &EmbeddedStore, files: u32) {
    until(&format!("{files} files"), || {
        store.stats().index_files == files && work(store).waiting() == 0
    });
}

/// A store that was closed with so many files, too few to be merged while it is busy: once it is opened with a thread, the
/// thread merges them at leisure.
fn filled(events: u64) -> Arc<Moody> {
    let disk = Moody::new();
    let store = EmbeddedStore::open_on(disk.clone(), &dir(), options(WriterThread::Stepped)).unwrap();
    for number in 0..events {
        step(&store, one(number)).unwrap();
    }
    store.close();
    assert_eq!(files(&disk.disk).len(), events as usize);
    disk
}

/// Appends where no thread does.
fn step(store: &EmbeddedStore, append: Append) -> Result<Appended, AppendError> {
    let mut append = store.append(append);
    assert!(!is_answered(&mut append));
    store.step();
    now(append)
}

/// The index knows all these events, in order, and nothing is wrong.
fn check(store: &EmbeddedStore, events: u64) {
    let read = Read::new(Query::tag(tag()), Position::ZERO);
    let page = now(store.read(read.limit(100_000))).unwrap();
    let found: Vec<u64> = page.events.iter().map(|event| event.position.get()).collect();
    assert_eq!(found, (0..events).collect::<Vec<_>>());
    let ids = page.events.iter().map(|found| found.event.id);
    assert!(ids.eq((0..events).map(id)));
}

/// Lets bits of every page behind the first one turn over.
fn spoil(disk: &SimDisk, name: &str) {
    let file = dir().join("index").join(name);
    let pages = disk.content(&file).unwrap().len() as u64 / 4_096;
    assert!(pages > 1);
    assert!((1..pages).all(|page| disk.rot(&file, page * 4_096 + 20, 1)));
}

#[test]
fn the_writer_waits_while_two_parts_wait_and_goes_on_when_one_has_its_file() {
    let disk = Moody::new();
    let store = open(&disk);
    disk.set(Step::Seal, Mood::Holds);
    append(&store, 0..1);
    disk.until_held(Step::Seal);
    append(&store, 1..2);
    until("the writer waits", || is_set(&work(&store).waited_for));
    let mut third = store.append(one(2));
    assert!(!is_answered(&mut third));
    assert_eq!(work(&store).waiting(), 2);
    disk.set(Step::Seal, Mood::Well);
    answer(third).unwrap();
    until_files(&store, 3);
    until("it waits no more", || !is_set(&work(&store).waited_for));
    check(&store, 3);
}

#[test]
fn files_that_cannot_be_written_cost_memory_alone_and_are_written_later() {
    let disk = Moody::new();
    let store = open(&disk);
    disk.set(Step::Seal, Mood::Refuses);
    append(&store, 0..1);
    disk.until_refused(Step::Seal, 1);
    append(&store, 1..12);
    until("the writer closed all parts", || work(&store).waiting() == 12);
    assert_eq!(store.stats().index_files, 0);
    check(&store, 12);
    disk.set(Step::Seal, Mood::Well);
    append(&store, 12..13);
    until("all have their files", || work(&store).waiting() == 0);
    until("nothing fails", || !is_set(&work(&store).failing));
    check(&store, 13);
    store.close();
    check(&open(&disk), 13);
}

#[test]
fn appends_are_refused_while_too_many_parts_wait_and_taken_again_once_the_disk_is_mended() {
    let disk = Moody::new();
    let store = open(&disk);
    disk.set(Step::Seal, Mood::Refuses);
    let (taken, refused) = (0..1_000)
        .find_map(|number| Some((number, answer(store.append(one(number))).err()?)))
        .expect("it is refused before memory is full");
    assert_eq!(
        taken as usize,
        REFUSED_AT + 1,
        "the one that is one too many is taken"
    );
    assert!(
        matches!(&refused, AppendError::Full(reason) if reason.contains("65 parts of the index wait in memory")),
        "{refused}"
    );
    check(&store, taken);
    disk.set(Step::Seal, Mood::Well);
    // Nobody wakes it: it tries again by itself.
    until("they have their files", || work(&store).waiting() == 0);
    append(&store, taken..taken + 3);
    check(&store, taken + 3);
}

#[test]
fn a_close_in_the_middle_of_a_merge_ends_it_and_leaves_nothing_half_made() {
    let disk = filled(7);
    let before = files(&disk.disk);
    disk.set(Step::Merge, Mood::Holds);
    let store = open(&disk);
    disk.until_held(Step::Merge);
    let work = work(&store);
    let closing = thread::spawn({
        let store = store.clone();
        move || store.close()
    });
    until("it is being closed", || is_set(&work.closing));
    disk.set(Step::Merge, Mood::Well);
    closing.join().unwrap();
    assert_eq!(files(&disk.disk), before);
    let store = open(&disk);
    assert_eq!(store.recovery().known_frames, 7);
    until_files(&store, 1);
    check(&store, 7);
}

#[test]
fn parts_that_are_closed_while_files_are_merged_do_not_wait_for_the_end_of_it() {
    let disk = filled(7);
    disk.set(Step::Merge, Mood::Holds);
    disk.set(Step::EndMerge, Mood::Holds);
    let store = open(&disk);
    disk.until_held(Step::Merge);
    append(&store, 7..9);
    until("the writer waits", || is_set(&work(&store).waited_for));
    let last = store.append(one(9));
    // It has worked long enough to rest, which it does not while parts wait.
    thread::sleep(REST_AFTER * 2);
    disk.set(Step::Merge, Mood::Well);
    disk.until_held(Step::EndMerge);
    answer(last).unwrap();
    assert!(store.stats().index_files >= 9, "nothing is merged yet");
    check(&store, 10);
    disk.set(Step::EndMerge, Mood::Well);
    until_files(&store, 4);
    check(&store, 10);
}

#[test]
fn a_merge_is_thrown_away_if_one_of_its_files_was_made_again_meanwhile() {
    let disk = filled(7);
    let before = files(&disk.disk);
    disk.set(Step::EndMerge, Mood::Holds);
    let store = open(&disk);
    disk.until_held(Step::EndMerge);
    assert_eq!(files(&disk.disk).len(), 8, "the new one is beside the old ones");
    let parts = work(&store).parts();
    let Part::Sealed(third) = &parts.all()[2] else {
        panic!("all have files");
    };
    store.core().mend(third.opened()).unwrap();
    // The next merge is refused, and so changes nothing of what this one leaves.
    disk.set(Step::Merge, Mood::Refuses);
    disk.set(Step::EndMerge, Mood::Well);
    disk.until_refused(Step::Merge, 1);
    assert_eq!((store.stats().index_files, files(&disk.disk)), (7, before));
    check(&store, 7);
    disk.set(Step::Merge, Mood::Well);
    append(&store, 7..8);
    until("they are few", || store.stats().index_files < 3);
    check(&store, 8);
}

#[test]
fn a_damaged_file_that_a_merge_meets_is_made_again_and_merging_goes_on() {
    let disk = Moody::new();
    let store = open(&disk);
    append(&store, 0..4);
    until_files(&store, 4);
    spoil(&disk.disk, &files(&disk.disk)[2]);
    disk.set(Step::EndMerge, Mood::Refuses);
    append(&store, 4..8);
    until("the merge has failed", || is_set(&work(&store).failing));
    until_files(&store, 8);
    disk.set(Step::EndMerge, Mood::Well);
    append(&store, 8..9);
    until_files(&store, 2);
    check(&store, 9);
    store.close();
    let store = open(&disk);
    assert_eq!(store.recovery().known_frames, 9);
    check(&store, 9);
}

#[test]
fn a_damaged_file_that_cannot_be_made_again_ends_merging_and_nothing_else() {
    let disk = Moody::new();
    let store = open(&disk);
    append(&store, 0..4);
    until_files(&store, 4);
    spoil(&disk.disk, &files(&disk.disk)[2]);
    let segment = dir().join("0000000000.seg");
    let bytes = disk.disk.content(&segment).unwrap();
    let at = bytes.windows(7).position(|window| window == b"event 2").unwrap();
    assert!(disk.disk.rot(&segment, at as u64, 1));
    append(&store, 4..8);
    until("the merge has failed", || is_set(&work(&store).failing));
    append(&store, 8..30);
    until_files(&store, 30);
    let read = Read::new(Query::all(), Position::new(3));
    assert_eq!(now(store.read(read.limit(100))).unwrap().events.len(), 27);
}

#[test]
fn what_cannot_be_merged_is_merged_once_the_disk_is_mended() {
    let disk = Moody::new();
    let store = open(&disk);
    for step in [Step::Merge, Step::EndMerge] {
        disk.set(step, Mood::Refuses);
        let already = store.core().state.read().end();
        append(&store, already..already + 70);
        disk.until_refused(step, 2);
        until("all have their files", || work(&store).waiting() == 0);
        let many = store.stats().index_files;
        assert!(many >= 70, "{many}");
        assert_eq!(store.keeper().unwrap().overwhelmed(), None, "files are no burden");
        check(&store, already + 70);
        disk.set(step, Mood::Well);
        append(&store, already + 70..already + 71);
        until("they are few", || store.stats().index_files < 8);
        check(&store, already + 71);
    }
}

#[test]
fn nobody_waits_for_a_thread_that_panicked_and_appends_end_before_memory_is_full() {
    let disk = Moody::new();
    let store = open(&disk);
    disk.set(Step::Seal, Mood::Holds);
    append(&store, 0..2);
    until("the writer waits", || is_set(&work(&store).waited_for));
    let third = store.append(one(2));
    disk.set(Step::Seal, Mood::Panics);
    answer(third).unwrap();
    let refused = (3..1_000).find_map(|number| answer(store.append(one(number))).err());
    assert!(matches!(&refused, Some(AppendError::Full(_))), "{refused:?}");
    check(&store, REFUSED_AT as u64 + 1);
    store.close();
    disk.set(Step::Seal, Mood::Well);
    let store = open(&disk);
    check(&store, REFUSED_AT as u64 + 1);
    until("they have their files", || work(&store).waiting() == 0);
}

#[test]
fn nothing_is_merged_at_leisure_once_the_writer_has_failed() {
    for fails in [false, true] {
        let disk = filled(7);
        let store = EmbeddedStore::open_on(disk.clone(), &dir(), options(WriterThread::Stepped)).unwrap();
        if fails {
            disk.disk.fail_from(disk.disk.operations(), Fault::FailFlush);
            assert!(matches!(step(&store, one(7)), Err(AppendError::Unknown(_))));
            assert!(store.stats().failed);
            disk.disk.heal();
        }
        store.step_idle();
        let expected = if fails { 7 } else { 1 };
        assert_eq!(store.stats().index_files as usize, expected);
        assert_eq!(files(&disk.disk).len(), expected);
        check(&store, 7);
    }
}

#[test]
fn a_file_of_marks_alone_is_not_merged_with_itself() {
    let disk = Moody::new();
    let mut options = options(WriterThread::Stepped);
    options.index.part_entries_max = 1;
    let store = EmbeddedStore::open_on(disk.clone(), &dir(), options).unwrap();
    let mut end = 0;
    for events in [32, 16, 8, 4, 2] {
        let events = (end..end + events).flat_map(|number| one(number).events);
        let append = Append {
            events: events.collect(),
            ..Append::default()
        };
        end += append.events.len() as u64;
        step(&store, append).unwrap();
    }
    let key = MarkKey::new("timer", "next");
    let marks = vec![Mark::set(key.clone(), "soon")];
    let append = Append {
        marks,
        ..Append::default()
    };
    step(&store, append).unwrap();
    let before = files(&disk.disk);
    assert_eq!(before.len(), 6);
    disk.set(Step::EndMerge, Mood::Refuses);
    store.step_idle();
    assert!(!is_set(&work(&store).failing), "no merge was tried");
    assert_eq!(files(&disk.disk), before);
    assert_eq!(now(store.mark(key)).unwrap().as_deref(), Some(&b"soon"[..]));
    check(&store, end);
}

#[test]
fn files_of_many_small_parts_become_few_soon_after_the_last_append() {
    let disk = Moody::new();
    let store = open(&disk);
    append(&store, 0..1_500);
    until("they are few", || {
        store.stats().index_files < 8 && files(&disk.disk).len() < 8
    });
    let work = work(&store);
    until("it rests", || {
        work.waiting() == 0 && work.for_leisure(&work.parts()).is_none()
    });
    until("what they were made of is gone", || {
        files(&disk.disk).len() == store.stats().index_files as usize
    });
    check(&store, 1_500);
    assert_eq!(store.verify().unwrap().findings, []);
    store.close();
    let store = open(&disk);
    assert_eq!(store.recovery().known_frames, 1_500);
    check(&store, 1_500);
}

#[test]
fn whoever_is_not_its_thread_merges_nothing() {
    let disk = filled(7);
    disk.set(Step::Merge, Mood::Holds);
    let store = open(&disk);
    disk.until_held(Step::Merge);
    // It would be held, too.
    store.keeper().unwrap().idle();
    disk.set(Step::Merge, Mood::Well);
    until_files(&store, 1);
}

#[test]
fn once_it_is_closed_nobody_waits_for_it_and_nothing_is_written() {
    let disk = Moody::new();
    let mut options = options(WriterThread::Own);
    options.index.part_events_max = 2;
    let store = EmbeddedStore::open_on(disk.clone(), &dir(), options).unwrap();
    append(&store, 0..3);
    let keeper = store.keeper().unwrap().clone();
    store.close();
    assert_eq!(work(&store).waiting(), 0, "what waited was written first");
    let before = disk.disk.operations();
    for _ in 0..=WAITING_MAX {
        store.core().state.write().close_part();
        keeper.part_closed();
    }
    keeper.close();
    assert_eq!(disk.disk.operations(), before);
}

#[test]
fn a_keeper_that_is_let_go_has_ended() {
    let disk = Moody::new();
    let store = EmbeddedStore::open_on(disk, &dir(), options(WriterThread::Stepped)).unwrap();
    let keeper = Keeper::start(work(&store).core.clone(), true);
    let kept = keeper.work.clone();
    drop(keeper);
    assert!(is_set(&kept.closing));
    assert_eq!(Arc::strong_count(&kept), 1, "its thread is gone");
}
