//! The files of the index are hints: spoiled, missing, half-made or not to be made at all, the answers are the same.

mod kit;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use annals_core::kind::ErrorKind;
use annals_core::port::store::{Append, AppendError, EventStore, Read};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_store::disk::sim::chance::Chance;
use annals_store::disk::sim::{Fault, SimDisk, Survival};
use annals_store::disk::{Access, Disk, File, Lock, LockError};
use annals_store::{EmbeddedStore, IndexOptions, Options, verify_on};

use kit::*;

#[test]
fn answers_come_from_files_and_files_become_few() {
    let (disk, groups) = filled(1_500);
    let model = Model::of(&groups);
    let store = open(&disk);
    let stats = store.stats();
    assert!((3..25).contains(&stats.index_files), "{stats:?}");
    assert_eq!(files(&disk).len(), stats.index_files as usize);
    assert!(
        store.recovery().known_frames + 20 > store.recovery().frames,
        "{:?}",
        store.recovery()
    );
    check(&store, &model, "from files");
    check_appends(&store, &model, "from files");
    assert_eq!(store.verify().unwrap().findings, []);
    check(&read_only(&disk), &model, "read only");
    assert_eq!(verify_on(Arc::new(disk.clone()), dir()).unwrap().findings, []);
}

#[test]
fn at_leisure_files_become_fewer_and_answers_stay() {
    let (disk, groups) = filled(1_500);
    let model = Model::of(&groups);
    let store = open(&disk);
    let busy = store.stats().index_files;
    assert!(busy > 7, "{:?}", store.stats());
    store.step_idle();
    let leisure = store.stats().index_files;
    assert!(leisure < 5, "{leisure} files of {busy}");
    assert_eq!(files(&disk).len(), leisure as usize);
    check(&store, &model, "at leisure");
    check_appends(&store, &model, "at leisure");
    assert_eq!(store.verify().unwrap().findings, []);
}

#[test]
fn opening_reads_what_is_behind_the_last_file_and_not_the_history() {
    let reads = |events| {
        let (disk, _) = filled(events);
        let before = disk.reads();
        drop(read_only(&disk));
        disk.reads() - before
    };
    let (few, many) = (reads(150), reads(3_000));
    assert!(many < few + 40, "{few} reads for 150 events, {many} for 3,000");
}

#[test]
fn any_spoiled_file_is_noticed_by_verify_alone() {
    let (disk, groups) = filled(260);
    let model = Model::of(&groups);
    let mut chance = Chance::new(5);
    let mut told = 0;
    for file in files(&disk) {
        let bytes = disk.content(&file).unwrap();
        let ways: [(&str, Option<Vec<u8>>); 4] = [
            ("is gone", None),
            ("is empty", Some(Vec::new())),
            ("is cut", Some(bytes[..bytes.len() / 2].to_vec())),
            (
                "is another one",
                Some(
                    disk.content(&files(&disk)[0])
                        .unwrap()
                        .into_iter()
                        .rev()
                        .collect(),
                ),
            ),
        ];
        for (way, content) in ways {
            let image = disk.crash(1, Survival::Everything);
            image.remove(&file).unwrap();
            if let Some(content) = content {
                image.place(&file, &content);
            }
            check(&read_only(&image), &model, way);
            check(&open(&image), &model, way);
        }
        for page in 0..bytes.len() / 4_096 {
            let image = disk.crash(1, Survival::Everything);
            assert!(image.rot(
                &file,
                page as u64 * 4_096 + chance.below(4_096),
                1 << chance.below(8)
            ));
            let findings = verify_on(Arc::new(image.clone()), dir()).unwrap().findings;
            told += u32::from(findings.iter().any(|finding| finding.file == file));
            let what = format!("page {page} of {}", file.display());
            check(&read_only(&image), &model, &what);
            let store = open(&image);
            check(&store, &model, &what);
            check_appends(&store, &model, &what);
        }
    }
    let pages: usize = files(&disk)
        .iter()
        .map(|file| disk.content(file).unwrap().len() / 4_096)
        .sum();
    assert_eq!(told as usize, pages, "verify tells every page");
}

#[test]
fn files_spoiled_while_the_store_is_open_are_made_again() {
    let (disk, groups) = filled(600);
    let model = Model::of(&groups);
    let mut chance = Chance::new(6);
    for round in 0..6 {
        let image = disk.crash(1, Survival::Everything);
        let store = open(&image);
        let beside = read_only(&image);
        for file in files(&image) {
            let bytes = image.content(&file).unwrap();
            for page in 1..bytes.len() as u64 / 4_096 {
                if round == 0 || chance.one_in(3) {
                    image.rot(&file, page * 4_096 + chance.below(4_096), 1 << chance.below(8));
                }
            }
        }
        check(&store, &model, "spoiled while open");
        check_appends(&store, &model, "spoiled while open");
        let findings = store.verify().unwrap().findings;
        assert!(round > 0 || findings.is_empty(), "{findings:?}");
        check(&beside, &model, "spoiled while open to read only");
        drop(store);
        check(&open(&image), &model, "and after that");
    }
}

#[test]
fn files_cut_while_the_store_is_open_are_made_again() {
    let (disk, groups) = filled(600);
    let model = Model::of(&groups);
    for part in [0, 3, 9] {
        let image = disk.crash(1, Survival::Everything);
        let store = open(&image);
        for file in files(&image) {
            let file = image.open(&file, Access::Write).unwrap();
            let pages = file.size().unwrap() / 4_096;
            // Inside a page, too.
            file.truncate(pages * part / 10 * 4_096 + part * 100).unwrap();
        }
        check(&store, &model, "cut while open");
        check_appends(&store, &model, "cut while open");
        drop(store);
        check(&open(&image), &model, "and after that");
    }
}

/// A disk on which so many looks at the index also see a file that is gone by the time it is opened, as where another process
/// makes files and takes others away.
#[derive(Debug)]
struct Restless {
    disk: SimDisk,
    ghost: String,
    looks: AtomicU32,
    seen: AtomicU32,
}

impl Disk for Restless {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = self.disk.list(dir)?;
        if dir == folder() {
            let haunted = self
                .looks
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            names.extend(haunted.is_ok().then(|| self.ghost.clone()));
            self.seen.fetch_add(1, Ordering::Relaxed);
        }
        Ok(names)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, LockError> {
        self.disk.lock(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.disk.create(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        self.disk.open(path, access)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn flush_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.flush_dir(dir)
    }

    fn entropy(&self) -> u64 {
        self.disk.entropy()
    }
}

#[test]
fn files_that_are_gone_are_looked_for_again_and_in_the_end_done_without() {
    let (disk, groups) = filled(400);
    let model = Model::of(&groups);
    let mut names = disk.list(&folder()).unwrap();
    names.sort();
    let first = &names[0];
    // Frames of a file that would be the largest of those that begin where the log does.
    let last = first.split(['-', '.']).nth(1).unwrap();
    let ghost = first.replace(last, &"9".repeat(last.len()));
    for (looks, expected) in [(0, 1), (3, 4), (u32::MAX, 10)] {
        let restless = Arc::new(Restless {
            disk: disk.crash(1, Survival::Everything),
            ghost: ghost.clone(),
            looks: AtomicU32::new(looks),
            seen: AtomicU32::default(),
        });
        let store = EmbeddedStore::open_read_only_on(restless.clone(), dir()).unwrap();
        assert_eq!(
            restless.seen.load(Ordering::Relaxed),
            expected,
            "{ghost} among {names:?}"
        );
        assert_eq!(store.stats().index_files == 0, looks == u32::MAX);
        check(&store, &model, "whatever was seen");
    }
}

#[test]
fn a_read_that_fails_at_opening_costs_a_file_and_no_answer() {
    let (disk, groups) = filled(300);
    let model = Model::of(&groups);
    let (mut refused, mut opened, mut fewer) = (0, 0, 0);
    let whole = read_only(&disk).stats().index_files;
    for read in 0..60 {
        let image = disk.crash(1, Survival::Everything);
        image.fail_read_at(image.reads() + read);
        match EmbeddedStore::open_read_only_on(Arc::new(image.clone()), dir()) {
            // It was a read of the log.
            Err(_) => refused += 1,
            Ok(store) => {
                opened += 1;
                fewer += u32::from(store.stats().index_files < whole);
                image.heal();
                check(&store, &model, &format!("read {read} failed"));
            }
        }
    }
    assert!(
        refused > 0 && opened > 0 && fewer > 0,
        "{refused} {opened} {fewer}"
    );
}

#[test]
fn many_terms_make_a_file_though_there_are_few_events() {
    let files_with = |part_entries_max: usize| {
        let disk = SimDisk::new(1);
        let options = Options {
            index: IndexOptions {
                part_events_max: 1_000,
                part_entries_max,
                ..IndexOptions::default()
            },
            ..options()
        };
        let store = EmbeddedStore::open_on(Arc::new(disk.clone()), dir(), options).unwrap();
        for group in groups(100) {
            append(&store, group).unwrap();
        }
        check(&store, &Model::of(&groups(100)), "by terms");
        store.stats().index_files
    };
    assert_eq!(files_with(10_000), 0);
    assert!(files_with(20) > 2);
}

#[test]
fn a_part_becomes_a_file_with_the_frame_that_fills_its_bytes_of_the_log() {
    const BYTES: u64 = 8 << 10;
    let disk = SimDisk::new(1);
    let options = Options {
        segment_bytes_first: 1 << 20,
        segment_bytes_max: 1 << 20,
        index: IndexOptions {
            part_events_max: 1_000,
            part_bytes_max: BYTES,
            ..IndexOptions::default()
        },
        ..options()
    };
    let store = EmbeddedStore::open_on(Arc::new(disk), dir(), options).unwrap();
    let begun = store.stats().bytes_written;
    let mut before = 0;
    for group in groups(1_000) {
        append(&store, group).unwrap();
        let written = store.stats().bytes_written - begun;
        if store.stats().index_files > 0 {
            assert!(
                before < BYTES && written >= BYTES,
                "{before} bytes, then {written}"
            );
            return;
        }
        before = written;
    }
    panic!("{before} bytes of the log and no file");
}

#[test]
fn what_is_none_of_the_index_stays_in_its_folder() {
    let (disk, groups) = filled(200);
    let foreign = folder().join("notes.txt");
    disk.place(&foreign, b"mine");
    disk.place(&folder().join("000000000000-000000000009.idx.tmp"), b"half made");
    check(&open(&disk), &Model::of(&groups), "beside a foreign file");
    assert!(
        !files(&disk)
            .iter()
            .any(|file| file.ends_with("000000000000-000000000009.idx.tmp"))
    );
    assert_eq!(disk.content(&foreign).as_deref(), Some(&b"mine"[..]));
}

#[test]
fn an_index_of_another_time_or_another_log_is_passed_over() {
    let (disk, groups) = filled(400);
    let newest = disk.crash(1, Survival::Everything);
    // The same log, earlier: its newest frames are missing, as in a copy made before.
    let (earlier, earlier_groups) = filled(200);
    let model = Model::of(&earlier_groups);
    let other = SimDisk::new(2);
    let store = open(&other);
    for group in &groups {
        append(&store, group.clone()).unwrap();
    }
    drop(store);
    for (what, from) in [("newer", &newest), ("of another log", &other)] {
        let image = earlier.crash(1, Survival::Everything);
        for file in files(&image) {
            image.remove(&file).unwrap();
        }
        for file in files(from) {
            image.place(&file, &from.content(&file).unwrap());
        }
        check(&read_only(&image), &model, what);
        let store = open(&image);
        check(&store, &model, what);
        drop(store);
        assert_eq!(verify_on(Arc::new(image), dir()).unwrap().findings, [], "{what}");
    }
}

#[test]
fn whatever_fails_while_files_are_made_costs_no_answer() {
    let rehearsal = filled(160).0.operations();
    let groups = groups(160);
    for fault in [Fault::Refuse, Fault::CutShort, Fault::FailFlush, Fault::NoSpace] {
        for operation in (0..rehearsal).step_by(3) {
            let disk = SimDisk::new(1);
            let mut store = open(&disk);
            let mut model = Model::default();
            disk.fail_at(operation, fault);
            for group in &groups {
                match append(&store, group.clone()) {
                    Ok(_) => model.take(group),
                    // It is the log that failed, which has tests of its own.
                    Err(AppendError::Unknown(_) | AppendError::Closed(_)) => {
                        drop(store);
                        store = open(&disk);
                        if append(&store, group.clone()).is_ok() {
                            model.take(group);
                        }
                    }
                    Err(AppendError::Full(_)) => {
                        append(&store, group.clone()).unwrap();
                        model.take(group);
                    }
                    Err(error) => panic!("{fault:?} at {operation}: {error}"),
                }
            }
            let what = format!("{fault:?} at {operation} of {rehearsal}");
            check(&store, &model, &what);
            drop(store);
            check(&open(&disk.crash(operation, Survival::Random)), &model, &what);
        }
    }
}

#[test]
fn a_folder_that_takes_no_files_stops_appends_before_memory_is_full() {
    let disk = SimDisk::new(1);
    let options = Options {
        segment_bytes_first: 1 << 20,
        segment_bytes_max: 1 << 20,
        index: IndexOptions {
            part_events_max: 1,
            ..IndexOptions::default()
        },
        ..options()
    };
    let store = EmbeddedStore::open_on(Arc::new(disk.clone()), dir(), options).unwrap();
    let mut taken = 0;
    let refused = loop {
        // The operation behind the commit is the first of the file.
        disk.fail_at(disk.operations() + 1, Fault::Refuse);
        let one = Append {
            events: vec![event(taken)],
            ..Append::default()
        };
        match append(&store, one) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1_000);
    };
    assert!(
        matches!(&refused, AppendError::Full(reason) if reason.contains("index")),
        "{refused}"
    );
    assert!((32..200).contains(&taken), "{taken} parts in memory");
    let model = Model {
        events: (0..taken).map(event).collect(),
        ..Model::default()
    };
    check(&store, &model, "with all parts in memory");
    drop(store);
    // The last planned fault was not met yet.
    let disk = disk.crash(1, Survival::Everything);
    let store = open(&disk);
    check(&store, &model, "opened again");
    let next = Append {
        events: vec![event(taken)],
        ..Append::default()
    };
    assert_eq!(
        append(&store, next).unwrap().first,
        Position::new(taken),
        "it takes appends again"
    );
    assert_eq!(store.verify().unwrap().findings, []);
}

#[test]
fn damage_of_log_and_index_together_is_told_and_nothing_else_is_lost() {
    let (disk, groups) = filled(300);
    let model = Model::of(&groups);
    let segment = dir().join("0000000000.seg");
    let bytes = disk.content(&segment).unwrap();
    let at = bytes.windows(7).position(|window| window == b"event 5").unwrap() as u64;
    assert!(disk.rot(&segment, at, 1));
    let read = |store: &EmbeddedStore, position: u64| {
        let read = Read::new(Query::all(), Position::new(position)).to(Position::new(position + 1));
        now(store.read(read)).map(|page| page.events[0].event.clone())
    };
    let store = open(&disk);
    assert_eq!(read(&store, 5).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(read(&store, 4).unwrap(), model.events[4]);
    drop(store);
    let first = files(&disk).into_iter().min().unwrap();
    let pages = disk.content(&first).unwrap().len() as u64 / 4_096;
    assert!((1..pages).all(|page| disk.rot(&first, page * 4_096 + 99, 4)));
    // The first part cannot be made again: its log is damaged. The others are as they were.
    let store = read_only(&disk);
    assert_eq!(read(&store, 299).unwrap(), model.events[299]);
    let error = read(&store, 4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("0000000000.seg at byte"), "{error}");
}

#[test]
fn without_any_index_everything_is_read_once_and_then_known() {
    let (disk, groups) = filled(900);
    let model = Model::of(&groups);
    for file in files(&disk) {
        disk.remove(&file).unwrap();
    }
    let image = disk.crash(1, Survival::Everything);
    let operations = image.operations();
    check(&read_only(&image), &model, "read only without index");
    assert_eq!(image.operations(), operations, "and nothing was changed");
    let store = open(&image);
    assert_eq!(store.recovery().known_frames, 0);
    check(&store, &model, "without index");
    assert!(store.stats().index_files > 3, "{:?}", store.stats());
    drop(store);
    assert!(open(&image).recovery().known_frames > 300);
}

/// Readers on several threads while parts are closed, become files, and files become one.
#[test]
fn readers_see_every_event_once_while_files_are_made_and_merged() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes_first: 64 << 10,
        segment_bytes_max: 64 << 10,
        index: IndexOptions {
            part_events_max: 40,
            cache_bytes_max: 64 << 10,
            ..IndexOptions::default()
        },
        ..Options::default()
    };
    let store = EmbeddedStore::open(folder.path(), options).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|seed| {
            let (store, done) = (store.clone(), done.clone());
            std::thread::spawn(move || {
                let mut chance = Chance::new(seed);
                let mut rounds = 0;
                while !done.load(Ordering::Acquire) || rounds < 50 {
                    read_some(&store, &mut chance);
                    rounds += 1;
                }
            })
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let groups = groups(6_000);
    for group in &groups {
        runtime.block_on(store.append(group.clone())).unwrap();
    }
    done.store(true, Ordering::Release);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    check(&store, &Model::of(&groups), "at the end");
    assert_eq!(store.verify().unwrap().findings, []);
    drop(store);
    let store = EmbeddedStore::open(folder.path(), Options::default()).unwrap();
    check(&store, &Model::of(&groups), "opened again");
    assert!(store.stats().index_files < 40, "{:?}", store.stats());
}

/// What is durable when a read begins is in its answer, whatever happens to the index meanwhile.
fn read_some(store: &EmbeddedStore, chance: &mut Chance) {
    let end = store.end().get();
    let value = chance.below(37);
    let query = Query::tag(tag("order", value));
    let of_value = |number: &u64| number.wrapping_mul(7_919) % 37 == value;
    let expected: Vec<u64> = (0..end).filter(of_value).collect();
    let mut read = Read::new(query, Position::ZERO).to(Position::new(end));
    if chance.one_in(2) {
        read = read.backward();
    }
    let page = now(store.read(read.limit(100_000))).unwrap();
    let mut found: Vec<u64> = page.events.iter().map(|event| event.position.get()).collect();
    found.sort_unstable();
    assert_eq!((found, page.finished), (expected.clone(), true));
    assert!(
        page.events
            .iter()
            .all(|found| found.event == event(found.position.get()))
    );
    let revision = now(store.revision(tag("order", value), Position::new(end))).unwrap();
    assert_eq!(
        revision,
        (expected.len() as u64).checked_sub(1).map(Revision::new)
    );
}
