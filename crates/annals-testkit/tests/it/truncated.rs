use std::path::Path;

use annals::decide::fold::FoldError;
use annals::{ExecuteError, Key, LoadError, Service, SnapshotsKept, World};
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::kind::ErrorKind;
use annals_core::port::store::{Append, EventStore, ReadError};
use annals_core::position::{Position, Revision};
use annals_store::{EmbeddedStore, FolderArchive, Options, truncate};
use tempfile::TempDir;

use crate::pantry::{Content, Counting, Empty, Fill, Label, Plain, jar, pantry};

/// A pantry on disk, in segments of a few dozen events.
struct OnDisk {
    folder: TempDir,
    store: EmbeddedStore,
    counting: Counting,
    service: Service,
}

impl OnDisk {
    async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap()).await
    }

    async fn open(folder: TempDir) -> Self {
        let mut options = Options::new();
        (options.segment_bytes_first, options.segment_bytes_max) = (16 << 10, 16 << 10);
        let store = EmbeddedStore::open(store_in(folder.path()), options).unwrap();
        let counting = Counting::new(store.clone());
        let service = counting.start(pantry(u64::MAX)).await;
        Self {
            folder,
            store,
            counting,
            service,
        }
    }

    async fn fill(&self, number: u64, times: u64) {
        for _ in 0..times {
            let jar = jar(number);
            self.service.execute(Fill { jar, grams: 10 }).await.unwrap();
        }
    }

    /// Archives what is before a position and begins again, as another process would. Says where the store begins now.
    async fn truncated(self, before: u64) -> (Self, u64) {
        self.service.stop().await;
        drop((self.service, self.counting));
        self.store.close();
        drop(self.store);
        let archive = FolderArchive::new(self.folder.path().join("archive"));
        let done = truncate(store_in(self.folder.path()), Position::new(before), &archive).unwrap();
        assert!(
            done.boundary.get() > 0 && done.boundary.get() <= before,
            "{done:?}"
        );
        (Self::open(self.folder).await, done.boundary.get())
    }

    async fn content(&self, number: u64) -> Result<Content, String> {
        let loaded = self.service.load::<Content>(&jar(number)).await;
        loaded.map(|content| content.state).map_err(|error| gone(&error))
    }
}

fn store_in(folder: &Path) -> std::path::PathBuf {
    folder.join("pantry/log")
}

/// What is said of a load that needs what was archived.
fn gone(error: &LoadError) -> String {
    let is_gone = matches!(
        error,
        LoadError::Fold(FoldError::NoSnapshot {
            source: ReadError::Gone { .. },
            ..
        })
    );
    assert!(is_gone, "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn with_snapshots_a_service_works_on_when_its_history_was_archived() {
    let pantry = OnDisk::new().await;
    pantry.fill(1, 100).await;
    pantry.fill(2, 100).await;
    let all = pantry.content(1).await.unwrap();
    let end = pantry.store.end();
    let kept = pantry.service.keep_snapshots(end).await.unwrap();
    assert_eq!(
        kept,
        SnapshotsKept {
            written: 2,
            ..SnapshotsKept::default()
        }
    );
    pantry.fill(3, 200).await;
    let (pantry, boundary) = pantry.truncated(390).await;
    assert!(boundary >= 200, "{boundary}: nothing is left of jars 1 and 2");
    assert_eq!(pantry.content(1).await.unwrap(), all);
    assert_eq!(pantry.counting.given(), 0);
    // It decides, is refused, and goes on from there.
    pantry
        .service
        .execute(Empty {
            jar: jar(1),
            grams: 999,
        })
        .await
        .unwrap();
    let refused = pantry
        .service
        .execute(Empty {
            jar: jar(1),
            grams: 2,
        })
        .await;
    assert!(matches!(refused, Err(ExecuteError::Refused(_))), "{refused:?}");
    let now = pantry.service.load::<Content>(&jar(1)).await.unwrap();
    assert_eq!(
        (now.grams, now.events, now.revision),
        (1, 101, Some(Revision::new(100)))
    );
    // A moment behind the boundary can be asked about, one before it is gone.
    let then = pantry
        .service
        .load::<Content>(&jar(1))
        .at(Position::new(boundary))
        .await
        .unwrap();
    assert_eq!(then.state, all);
    let before = pantry
        .service
        .load::<Content>(&jar(1))
        .at(Position::new(150))
        .await;
    gone(&before.unwrap_err());
    // A model that keeps none is told so.
    let plain = pantry.service.load::<Plain>(&jar(1)).await;
    let said = gone(&plain.err().unwrap());
    assert!(said.ends_with("and its model keeps no snapshots"), "{said}");
    pantry.service.stop().await;
}

#[tokio::test]
async fn without_a_snapshot_what_was_archived_is_gone_and_that_is_said() {
    let pantry = OnDisk::new().await;
    pantry.fill(1, 200).await;
    let (pantry, boundary) = pantry.truncated(150).await;
    let said = pantry.content(1).await.unwrap_err();
    let expected = format!("what is before position {boundary} was archived to ");
    assert!(said.contains(&expected), "{said}");
    assert!(
        said.ends_with("and there is no snapshot of it from before that moment"),
        "{said}"
    );
    let error = pantry
        .service
        .execute(Fill {
            jar: jar(1),
            grams: 1,
        })
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Gone, said));
    // What was never archived is as ever.
    pantry.fill(2, 3).await;
    assert_eq!(pantry.content(2).await.unwrap().grams, 30);
    // A snapshot that could be folded no more is not made.
    let kept = pantry.service.keep_snapshots(Position::MAX).await.unwrap();
    assert_eq!((kept.written, kept.current, kept.failed), (1, 0, 1));
    assert!(kept.trouble.unwrap().starts_with("jar:1: "));
    pantry.service.stop().await;
}

#[tokio::test]
async fn a_snapshot_that_is_older_than_the_boundary_stands_as_long_as_nothing_came_after_it() {
    let pantry = OnDisk::new().await;
    pantry.fill(1, 60).await;
    pantry.fill(2, 60).await;
    let kept = pantry.service.keep_snapshots(Position::MAX).await.unwrap();
    assert_eq!(kept.written, 2);
    // Jar 1 rests, jar 2 goes on, and of that no snapshot is kept.
    pantry.fill(2, 100).await;
    pantry.fill(3, 60).await;
    let (pantry, boundary) = pantry.truncated(200).await;
    assert!(boundary > 130, "{boundary}");
    assert_eq!(pantry.content(1).await.unwrap().grams, 600);
    let said = pantry.content(2).await.unwrap_err();
    assert!(
        said.ends_with("and its snapshot is older than what was archived"),
        "{said}"
    );
    // And once more, without anything having been done for jar 1.
    pantry.fill(3, 100).await;
    let (pantry, later) = pantry.truncated(300).await;
    assert!(later > boundary, "{later}");
    assert_eq!(pantry.content(1).await.unwrap().grams, 600);
    pantry
        .service
        .execute(Label {
            jar: jar(1),
            label: "flour".into(),
        })
        .await
        .unwrap();
    assert_eq!(pantry.content(1).await.unwrap().events, 61);
    pantry.service.stop().await;
}

#[tokio::test]
async fn a_damaged_snapshot_of_what_was_archived_is_gone_and_said_to_be_damaged() {
    let pantry = OnDisk::new().await;
    pantry.fill(1, 200).await;
    pantry.service.keep_snapshots(Position::MAX).await.unwrap();
    let good = pantry.counting.snapshot(1).await.unwrap();
    let mut bad = good.to_vec();
    bad[30] ^= 4;
    let (pantry, _) = pantry.truncated(150).await;
    pantry.counting.put(crate::pantry::snapshot_key(1), bad).await;
    let said = pantry.content(1).await.unwrap_err();
    assert!(said.ends_with("and its snapshot is damaged"), "{said}");
    pantry.counting.put(crate::pantry::snapshot_key(1), good).await;
    assert_eq!(pantry.content(1).await.unwrap().grams, 2_000);
    pantry.service.stop().await;
}

/// A record of a type that the pantry does not know: a command that an older build recorded before it sent it.
fn order(number: u64) -> NewEvent {
    NewEvent {
        id: World::default().event_id(),
        event_type: EventType::new("baker.order"),
        version: 1,
        purpose: Purpose::Command,
        visibility: Visibility::Private,
        tags: vec![jar(number).tag().unwrap()],
        occurred: None,
        metadata: Metadata::default(),
        data: "{}".into(),
    }
}

#[tokio::test]
async fn a_type_of_which_all_was_archived_is_in_the_way_only_of_what_has_no_snapshot() {
    let pantry = OnDisk::new().await;
    let append = Append {
        events: vec![order(7)],
        ..Append::default()
    };
    pantry.counting.append(append).await.unwrap();
    pantry.fill(1, 100).await;
    let kept = pantry.service.keep_snapshots(Position::MAX).await.unwrap();
    assert_eq!((kept.written, kept.failed), (1, 0), "{kept:?}");
    pantry.fill(2, 100).await;
    pantry.fill(3, 50).await;
    let (pantry, _) = pantry.truncated(220).await;
    pantry.fill(1, 2).await;
    assert_eq!(pantry.content(1).await.unwrap().grams, 1_020);
    // Of jar 2 and jar 7 it cannot be told what they heard.
    for number in [2, 7] {
        let jar = jar(number);
        let error = pantry.service.execute(Fill { jar, grams: 1 }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone, "{error}");
    }
    // Jar 4 is new.
    pantry.fill(4, 1).await;
    pantry.service.stop().await;
}
