//! Backups of a store that is written meanwhile, and stores made of them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::{EventId, uuid_v7};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, EventStore, Read};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::{Clock, SystemClock};
use annals_store::{BackupError, EmbeddedStore, Options, backup, check_backup, restore, verify};

fn event(number: u64) -> NewEvent {
    let mut randomness = [0; 10];
    randomness[..8].copy_from_slice(&number.to_le_bytes());
    NewEvent {
        id: EventId::from_uuid(uuid_v7(SystemClock.now(), randomness)),
        event_type: EventType::from_static("thing.happened"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![Tag::of("thing", number % 5).unwrap()],
        occurred: None,
        metadata: Metadata::default(),
        data: vec![b'x'; (number % 700) as usize].into(),
    }
}

fn small() -> Options {
    let mut options = Options::new();
    options.segment_bytes_first = 64 << 10;
    options.segment_bytes_max = 256 << 10;
    options
}

async fn append(store: &EmbeddedStore, number: u64) {
    let counted = Mark::set(MarkKey::new("count", "last"), number.to_string());
    let append = Append {
        events: vec![event(number), event(number + (1 << 40))],
        marks: vec![counted],
        ..Append::default()
    };
    store.append(append).await.unwrap();
}

async fn everything(store: &EmbeddedStore, to: Position) -> Vec<(Position, NewEvent)> {
    let (mut events, mut from) = (Vec::new(), Position::ZERO);
    while from < to {
        let page = store.read(Read::new(Query::all(), from).to(to)).await.unwrap();
        events.extend(
            page.events
                .into_iter()
                .map(|event| (event.position, event.event.clone())),
        );
        from = page.next;
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_it_is_written_is_a_store_of_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = EmbeddedStore::open(at("store"), small()).unwrap();
    for number in 0..500 {
        append(&store, number).await;
    }
    let stopped = AtomicBool::new(false);
    let mut taken = Vec::new();
    let writing = async {
        for number in 500.. {
            append(&store, number).await;
            if stopped.load(Ordering::Relaxed) {
                break;
            }
        }
    };
    let backing_up = async {
        for round in 0..3 {
            let (from, to) = (at("store"), at(&format!("backup-{round}")));
            let manifest = tokio::task::spawn_blocking(move || backup(from, to))
                .await
                .unwrap();
            taken.push((round, manifest.unwrap()));
        }
        stopped.store(true, Ordering::Relaxed);
    };
    tokio::join!(writing, backing_up);

    let mut before = 0;
    for (round, manifest) in taken {
        assert!(
            manifest.events >= before && manifest.events >= 1_000,
            "{manifest:?}"
        );
        before = manifest.events;
        assert_eq!(check_backup(at(&format!("backup-{round}"))).unwrap(), manifest);
        let to = at(&format!("restored-{round}"));
        assert_eq!(restore(at(&format!("backup-{round}")), &to).unwrap(), manifest);
        assert_eq!(verify(&to).unwrap().findings, []);
        let restored = EmbeddedStore::open(&to, small()).unwrap();
        let end = Position::new(manifest.events);
        assert_eq!(restored.end(), end);
        assert_eq!(everything(&restored, end).await, everything(&store, end).await);
        // Whole commits, with their marks.
        assert_eq!(manifest.events % 2, 0);
        let mark = restored
            .mark(MarkKey::new("count", "last"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(mark, (manifest.events / 2 - 1).to_string());
        append(&restored, 1 << 30).await;
        assert_eq!(restored.end(), Position::new(manifest.events + 2));
    }
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn what_is_no_whole_backup_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = EmbeddedStore::open(at("store"), small()).unwrap();
    for number in 0..50 {
        append(&store, number).await;
    }
    drop(store);
    backup(at("store"), at("good")).unwrap();
    assert!(matches!(
        backup(at("store"), at("good")),
        Err(BackupError::NotEmpty(_))
    ));
    assert!(matches!(
        restore(at("good"), at("store")),
        Err(BackupError::NotEmpty(_))
    ));
    assert!(matches!(
        restore(at("store"), at("new")),
        Err(BackupError::NoManifest(_))
    ));

    let segment = "0000000000.seg";
    copied(&at("good"), &at("flipped"));
    let mut bytes = fs::read(at("flipped").join(segment)).unwrap();
    bytes[40_000] ^= 4;
    fs::write(at("flipped").join(segment), bytes).unwrap();
    copied(&at("good"), &at("short"));
    let file = fs::File::options()
        .write(true)
        .open(at("short").join(segment))
        .unwrap();
    file.set_len(1_000).unwrap();
    copied(&at("good"), &at("missing"));
    fs::remove_file(at("missing").join(segment)).unwrap();
    for bad in ["flipped", "short", "missing"] {
        let error = check_backup(at(bad)).unwrap_err();
        assert!(error.to_string().contains(segment), "{bad}: {error}");
        let error = restore(at(bad), at(&format!("from-{bad}"))).unwrap_err();
        assert!(error.to_string().contains(segment), "{bad}: {error}");
    }
}
