//! What only the embedded store has: folders, locks, reopening.

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_store::{EmbeddedStore, IndexOptions, OpenError, Options};
use bytes::Bytes;
use uuid::Uuid;

fn event(number: u64) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(u128::from(number) + 1)),
        event_type: EventType::from_static("order.placed"),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![Tag::of("order", number % 10).unwrap()],
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::from(format!("{{\"number\":{number}}}")),
    }
}

fn one(number: u64) -> Append {
    Append {
        events: vec![event(number)],
        ..Append::default()
    }
}

async fn all(store: &EmbeddedStore) -> Vec<NewEvent> {
    let page = store
        .read(Read::new(Query::all(), Position::ZERO).limit(100_000))
        .await
        .unwrap();
    assert!(page.finished);
    page.events.into_iter().map(|recorded| recorded.event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_many_callers_append_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    let tasks: Vec<_> = (0..200_u64)
        .map(|number| tokio::spawn(store.append(one(number))))
        .collect();
    let mut positions = Vec::new();
    for task in tasks {
        positions.push(task.await.unwrap().unwrap().first.get());
    }
    positions.sort_unstable();
    assert_eq!(positions, (0..200).collect::<Vec<_>>());
    let mark = Mark::set(MarkKey::new("checkpoint", "relay"), "7");
    store
        .append(Append {
            marks: vec![mark.clone()],
            ..Append::default()
        })
        .await
        .unwrap();
    let before = all(&store).await;
    store.close();
    let closed = store.append(one(999)).await;
    assert!(matches!(closed, Err(AppendError::Closed(_))), "{closed:?}");
    let closed = store.read(Read::new(Query::all(), Position::ZERO)).await;
    assert!(matches!(closed, Err(ReadError::Closed)), "{closed:?}");

    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    assert!(store.recovery().sealed);
    assert_eq!(all(&store).await, before);
    assert_eq!(store.mark(mark.key).await.unwrap(), mark.value);
    assert_eq!(store.append(one(1_000)).await.unwrap().first, Position::new(200));
    assert!(store.append(one(1_000)).await.unwrap().duplicate);
    assert_eq!((store.stats().events, store.stats().marks), (201, 1));
}

#[tokio::test]
async fn a_second_store_is_refused_with_the_process_and_a_reader_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    store.append(one(1)).await.unwrap();
    store.append(one(2)).await.unwrap();
    let refused = EmbeddedStore::open(dir.path(), Options::default()).unwrap_err();
    assert!(
        matches!(refused, OpenError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{refused}"
    );
    assert!(refused.to_string().contains("one writer"), "{refused}");

    let reader = EmbeddedStore::open_read_only(dir.path()).unwrap();
    assert!(!all(&reader).await.is_empty());
    let refused = reader.append(one(3)).await;
    assert!(matches!(refused, Err(AppendError::Closed(_))), "{refused:?}");
    drop(store);
    assert_eq!(
        all(&EmbeddedStore::open_read_only(dir.path()).unwrap()).await,
        [event(1), event(2)]
    );
    assert!(matches!(
        EmbeddedStore::open_read_only(dir.path().join("nowhere")),
        Err(OpenError::Disk(_))
    ));
}

#[tokio::test]
async fn a_pause_seals_and_then_a_reader_beside_sees_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::default()).unwrap();
    store.append(one(1)).await.unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while all(&EmbeddedStore::open_read_only(dir.path()).unwrap())
        .await
        .is_empty()
    {
        assert!(
            std::time::Instant::now() < deadline,
            "the log is sealed after a pause"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(annals_store::verify(dir.path()).unwrap().findings, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_beside_a_busy_writer_find_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes_first: 32 << 10,
        segment_bytes_max: 64 << 10,
        index: IndexOptions {
            part_events_max: 20,
            ..IndexOptions::default()
        },
        ..Options::default()
    };
    let store = EmbeddedStore::open(dir.path(), options).unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0..1_500 {
                store.append(one(number)).await.unwrap();
            }
        }
    });
    let mut newest = 0;
    while !writer.is_finished() {
        let beside = EmbeddedStore::open_read_only(dir.path()).unwrap();
        let events = all(&beside).await;
        assert!(events.len() >= newest, "{} after {newest}", events.len());
        assert!(
            events
                .iter()
                .enumerate()
                .all(|(number, found)| *found == event(number as u64))
        );
        newest = events.len();
        assert_eq!(annals_store::verify(dir.path()).unwrap().findings, []);
        assert_eq!(store.verify().unwrap().findings, []);
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert!(store.stats().segments > 2);
}

#[tokio::test]
async fn a_store_with_a_thread_is_not_stepped() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(dir.path(), Options::new()).unwrap();
    assert_eq!(store.step(), 0);
    store.step_idle();
    store.append(one(1)).await.unwrap();
    assert_eq!(store.step(), 0);
    assert_eq!(all(&store).await.len(), 1);
}

#[test]
fn a_finding_names_its_file_or_the_index() {
    let mut finding = annals_store::Finding {
        file: "index/part".into(),
        at: 12,
        expected: "one thing".into(),
        found: "another".into(),
    };
    assert_eq!(
        finding.to_string(),
        "index/part at byte 12: expected one thing, found another"
    );
    finding.file = std::path::PathBuf::new();
    assert_eq!(finding.to_string(), "index: expected one thing, found another");
}
