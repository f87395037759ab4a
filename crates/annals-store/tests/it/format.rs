//! Format 1: the bytes of docs/format.md, a store of it that stays in the repository, and what is not of it.

pub(crate) mod samples;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_core::event::RecordedEvent;
use annals_core::port::store::{Append, EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_log::Checksum;
use annals_store::disk::Disk;
use annals_store::disk::sim::SimDisk;
use annals_store::{EmbeddedStore, FormatError, IndexOptions, OpenError, Options, verify};

use samples::{append, folder, options, ready};

/// What no byte of a sample changes with, unless the format changes.
const SEED: u64 = 1;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn fixture_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

/// The files of a store that are no hints, by name.
fn files(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list(folder()).unwrap();
    let names = names.into_iter().filter(|name| name != "LOCK");
    names
        .map(|name| {
            let content = disk.content(&folder().join(&name)).unwrap();
            (name, content)
        })
        .collect()
}

/// As `hexdump -C` prints it: 16 bytes a line, `*` for lines like the one before, the size at last.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut before, mut starred): (Option<&[u8]>, bool) = (None, false);
    for (number, line) in bytes.chunks(16).enumerate() {
        if before == Some(line) {
            if !starred {
                text.push_str("*\n");
            }
            starred = true;
            continue;
        }
        (before, starred) = (Some(line), false);
        write!(text, "{:08x} ", number * 16).unwrap();
        for (at, byte) in line.iter().enumerate() {
            let gap = if at == 8 { "  " } else { " " };
            write!(text, "{gap}{byte:02x}").unwrap();
        }
        let shown = |byte: &u8| {
            if (0x20..0x7F).contains(byte) {
                char::from(*byte)
            } else {
                '.'
            }
        };
        let shown: String = line.iter().map(shown).collect();
        writeln!(text, "  |{shown}|").unwrap();
    }
    writeln!(text, "{:08x}", bytes.len()).unwrap();
    text
}

/// The other way: only offsets and bytes are read.
fn undump(text: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for line in text.lines().filter(|line| *line != "*") {
        let (at, rest) = line.split_at(8);
        let at = usize::from_str_radix(at, 16).unwrap();
        let repeated = bytes[bytes.len().saturating_sub(16)..].to_vec();
        while bytes.len() < at {
            bytes.extend_from_slice(&repeated);
        }
        let hex = rest.split_once('|').map_or("", |(hex, _)| hex);
        bytes.extend(
            hex.split_whitespace()
                .map(|byte| u8::from_str_radix(byte, 16).unwrap()),
        );
    }
    bytes
}

/// The example as docs/format.md shows it.
fn documented() -> String {
    let text = fs::read_to_string(repository().join("docs/format.md")).unwrap();
    let (_, rest) = text
        .split_once("```hexdump\n")
        .expect("docs/format.md shows the example");
    let (example, _) = rest.split_once("```").unwrap();
    example.to_owned()
}

#[test]
fn the_example_in_the_docs_is_what_is_written() {
    let disk = SimDisk::new(SEED);
    samples::example(&disk);
    let written = files(&disk);
    let names: Vec<_> = written.keys().collect();
    assert_eq!(names, ["0000000000.seg"]);
    let (written, shown) = (dump(&written["0000000000.seg"]), documented());
    assert_eq!(shown, written, "docs/format.md should show:\n{written}");
}

#[test]
fn the_example_in_the_docs_can_be_opened() {
    let (disk, other) = (SimDisk::new(SEED), SimDisk::new(SEED));
    samples::example(&other);
    disk.create_dir(folder()).unwrap();
    disk.place(&folder().join("0000000000.seg"), &undump(&documented()));
    let expected = EmbeddedStore::open_read_only_on(Arc::new(other), folder()).unwrap();
    let store = EmbeddedStore::open_read_only_on(Arc::new(disk), folder()).unwrap();
    assert_eq!(store.end(), Position::new(2));
    assert_eq!(told(&store), told(&expected));
}

#[test]
fn the_checksum_of_a_documented_frame_is_what_the_docs_say() {
    let bytes = undump(&documented());
    let length = u32::from_le_bytes(bytes[512 + 12..512 + 16].try_into().unwrap()) as usize;
    let end = (512 + 80 + length).next_multiple_of(8);
    let sum = Checksum::new()
        .with(&bytes[24..32])
        .with(&bytes[512..520])
        .with(&bytes[524..end])
        .finish();
    assert_eq!(sum.to_le_bytes(), bytes[520..524]);
    assert_eq!(
        bytes[end + 72..end + 76],
        bytes[520..524],
        "the next frame knows it"
    );
}

/// A store in words: each event in a line, each mark in a line.
fn told(store: &EmbeddedStore) -> String {
    let mut text = String::new();
    let mut from = store.beginning();
    while from < store.end() {
        let page = ready(store.read(Read::new(Query::all(), from))).unwrap();
        page.events.iter().for_each(|event| tell(event, &mut text));
        from = page.next;
    }
    for space in ["checkpoint", "idempotency", "timer"] {
        for (key, value) in ready(store.marks(space, "")).unwrap() {
            writeln!(
                text,
                "mark {}/{} {}",
                key.space,
                key.name,
                String::from_utf8_lossy(&value)
            )
            .unwrap();
        }
    }
    text
}

fn tell(recorded: &RecordedEvent, text: &mut String) {
    let (event, meta) = (&recorded.event, &recorded.event.metadata);
    let tags: Vec<&str> = event.tags.iter().map(|tag| tag.as_str()).collect();
    let micros = recorded.recorded.as_micros();
    write!(text, "event {} {micros} {} ", recorded.position, event.id).unwrap();
    write!(text, "{} v{} ", event.event_type.as_str(), event.version).unwrap();
    write!(text, "{:?} {:?} {tags:?} ", event.purpose, event.visibility).unwrap();
    write!(text, "{:?} ", event.occurred.map(|at| at.as_micros())).unwrap();
    write!(text, "{:?} ", meta.correlation.map(|id| id.to_string())).unwrap();
    write!(text, "{:?} ", meta.causation.map(|id| id.to_string())).unwrap();
    write!(
        text,
        "{:?} {:?} {:?} {:?} ",
        meta.trace_parent, meta.actor, meta.service, meta.topic
    )
    .unwrap();
    let origin = meta.origin.as_ref();
    let origin = origin.map(|from| {
        (
            from.service.as_str(),
            from.position.get(),
            from.recorded.as_micros(),
        )
    });
    let (bytes, sum) = (event.data.len(), Checksum::new().with(&event.data).finish());
    writeln!(text, "{origin:?} {bytes} bytes of content, checksum {sum:08x}").unwrap();
}

fn copied(to: &Path) {
    copied_from("store", to);
}

fn copied_from(store: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(fixture_folder().join(store)).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
    }
}

/// Every file below a folder with its bytes.
fn everything_in(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(everything_in(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

fn expected() -> String {
    fs::read_to_string(fixture_folder().join("expected.txt")).unwrap()
}

#[test]
fn the_store_of_format_1_is_opened_verified_read_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path());
    let before = everything_in(folder.path());
    assert_eq!(
        told(&EmbeddedStore::open_read_only(folder.path()).unwrap()),
        expected()
    );
    assert_eq!(verify(folder.path()).unwrap().findings, []);
    assert_eq!(everything_in(folder.path()), before, "reading changes nothing");
    let store = EmbeddedStore::open(folder.path(), options()).unwrap();
    assert_eq!(told(&store), expected());
    assert_eq!(store.recovery().cut_bytes, 0);
    let end = store.end();
    let again = Append {
        events: vec![samples::varied(5)],
        ..Append::default()
    };
    append(&store, vec![again]);
    assert_eq!(store.end(), end, "an event that is there has no second effect");
    let new = Append {
        events: vec![samples::varied(2_000)],
        ..Append::default()
    };
    append(&store, vec![new]);
    store.close();
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.findings, report.events), (vec![], end.get() + 1));
    let store = EmbeddedStore::open(folder.path(), options()).unwrap();
    let now = told(&store);
    let events = |text: &str| text.lines().filter(|line| line.starts_with("event ")).count();
    assert_eq!(events(&now), events(&expected()) + 1);
    assert!(now.starts_with(expected().split_once("mark ").unwrap().0));
}

#[test]
fn the_store_of_format_1_is_what_is_written_today() {
    let disk = SimDisk::new(SEED);
    samples::fixture(&disk);
    compare_with_kept(&disk, "store", "expected.txt");
}

#[test]
fn the_truncated_store_of_format_1_is_what_is_written_today() {
    let disk = SimDisk::new(SEED);
    samples::truncated(&disk);
    compare_with_kept(&disk, "truncated", "expected-truncated.txt");
}

fn compare_with_kept(disk: &SimDisk, store_name: &str, expected_name: &str) {
    let written = files(disk);
    let store = EmbeddedStore::open_read_only_on(Arc::new(disk.clone()), folder()).unwrap();
    let kept: BTreeMap<String, Vec<u8>> = match fs::read_dir(fixture_folder().join(store_name)) {
        Ok(entries) => entries
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, fs::read(&path).unwrap())
            })
            .collect(),
        Err(_) => BTreeMap::new(),
    };
    let expected = fs::read_to_string(fixture_folder().join(expected_name));
    if kept != written || expected.unwrap_or_default() != told(&store) {
        let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join("format-1");
        fs::create_dir_all(actual.join(store_name)).unwrap();
        for (name, bytes) in &written {
            fs::write(actual.join(store_name).join(name), bytes).unwrap();
        }
        fs::write(actual.join(expected_name), told(&store)).unwrap();
        panic!(
            "other bytes are written than the fixture has; they are in {}",
            actual.display()
        );
    }
    let bytes: usize = kept.values().map(Vec::len).sum();
    assert!(
        kept.len() > 2 && bytes < 64 << 10,
        "{} files of {bytes} bytes",
        kept.len()
    );
}

#[test]
fn the_truncated_store_of_format_1_is_opened_verified_read_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    copied_from("truncated", folder.path());
    let expected = fs::read_to_string(fixture_folder().join("expected-truncated.txt")).unwrap();
    assert_eq!(
        told(&EmbeddedStore::open_read_only(folder.path()).unwrap()),
        expected
    );
    assert_eq!(verify(folder.path()).unwrap().findings, []);
    let store = EmbeddedStore::open(folder.path(), options()).unwrap();
    assert_eq!(told(&store), expected);
    let (begins, end) = (store.beginning(), store.end());
    assert!(begins > Position::ZERO && begins < end);
    let gone = ready(store.read(Read::new(Query::all(), Position::ZERO))).unwrap_err();
    assert!(
        matches!(&gone, ReadError::Gone { boundary, archive } if *boundary == begins && archive.starts_with("archive/")),
        "{gone}"
    );
    let one = |number| Append {
        events: vec![samples::varied(number)],
        ..Append::default()
    };
    append(&store, vec![one(5)]);
    assert_eq!(store.end(), end, "an archived event has no second effect");
    append(&store, vec![one(2_000)]);
    assert_eq!(store.end(), end.next());
    store.close();
    assert_eq!(verify(folder.path()).unwrap().findings, []);
}

fn small_index() -> Options {
    Options {
        index: IndexOptions {
            part_events_max: 16,
            ..IndexOptions::default()
        },
        ..options()
    }
}

/// Changes the number of the format in the first page of an index file.
fn renumber(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    assert_eq!(bytes[8..16], *b"annalidx");
    bytes[16] += 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_newer_format_of_log_and_index_is_refused_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path());
    drop(EmbeddedStore::open(folder.path(), small_index()).unwrap());
    let index: Vec<PathBuf> = fs::read_dir(folder.path().join("index"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!index.is_empty());
    let last = folder.path().join("0000000001.seg");
    let mut bytes = fs::read(&last).unwrap();
    bytes[8] = 2;
    fs::write(&last, &bytes).unwrap();
    index.iter().for_each(|path| renumber(path));
    let before = everything_in(folder.path());
    let refused = |refused: OpenError| {
        assert!(
            matches!(
                refused,
                OpenError::Format(FormatError::Newer {
                    found: 2,
                    supported: 1,
                    ..
                })
            ),
            "{refused:?}"
        );
    };
    refused(EmbeddedStore::open(folder.path(), options()).unwrap_err());
    refused(EmbeddedStore::open_read_only(folder.path()).unwrap_err());
    refused(verify(folder.path()).unwrap_err());
    assert_eq!(everything_in(folder.path()), before);
}

#[test]
fn an_index_of_a_newer_format_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    copied(folder.path());
    drop(EmbeddedStore::open(folder.path(), small_index()).unwrap());
    for entry in fs::read_dir(folder.path().join("index")).unwrap() {
        renumber(&entry.unwrap().path());
    }
    let before = everything_in(folder.path());
    let store = EmbeddedStore::open_read_only(folder.path()).unwrap();
    assert_eq!(store.stats().index_files, 0);
    assert_eq!(told(&store), expected());
    assert_eq!(everything_in(folder.path()), before);
    let store = EmbeddedStore::open(folder.path(), small_index()).unwrap();
    assert!(store.stats().index_files > 0, "made again");
    assert_eq!(told(&store), expected());
}
