use std::any::TypeId;
use std::sync::Arc;

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::mark::Mark;
use annals_core::port::store::Append;
use annals_store::MemoryStore;
use uuid::Uuid;

use super::*;
use crate::define::boundary::AnyState;

const TYPES: &[EventType] = &[
    EventType::from_static("lamp.lit"),
    EventType::from_static("lamp.put_out"),
];

/// A model whose state is how many events it saw.
fn fold() -> Fold {
    let snapshot = AnySnapshot {
        name: "lamp",
        version: 1,
        write: |state| serde_json::to_vec(state.downcast_ref::<u64>().unwrap()),
        read: |json| serde_json::from_slice::<u64>(json).map(|state| Arc::new(state) as AnyState),
    };
    Fold {
        model: TypeId::of::<u64>(),
        name: "Lamp",
        kind: "lamp",
        types: TYPES,
        versions: &[1, 2],
        deciding: TYPES,
        ignored: &[],
        empty: || Arc::new(0_u64),
        apply: |_, _, _, _| Ok(true),
        show: |_| serde_json::Value::Null,
        snapshot: Some(snapshot),
    }
}

fn tag() -> Tag {
    Tag::of("lamp", 1).unwrap()
}

fn value(fold: &Fold) -> Vec<u8> {
    let snapshot = fold.snapshot.unwrap();
    encode(fold, &snapshot, &tag(), (b"23", Position::new(5)), 3)
}

fn read(fold: &Fold, tag: &Tag, value: &[u8]) -> Result<(u64, u64, u64), Wrong> {
    let found = decode(fold, &fold.snapshot.unwrap(), tag, value)?;
    let state = *found.folded.state.downcast_ref::<u64>().unwrap();
    Ok((state, found.folded.end.get(), found.events))
}

#[test]
fn what_is_written_is_read() {
    assert_eq!(read(&fold(), &tag(), &value(&fold())), Ok((23, 5, 3)));
}

#[test]
fn any_changed_byte_and_any_missing_one_is_noticed() {
    let good = value(&fold());
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert_eq!(read(&fold(), &tag(), &bad), Err(Wrong::Damaged), "byte {at}");
        }
        assert_eq!(
            read(&fold(), &tag(), &good[..at]),
            Err(Wrong::Damaged),
            "{at} bytes"
        );
    }
}

#[test]
fn a_snapshot_is_of_one_tag_and_one_model() {
    let other = Tag::of("lamp", 2).unwrap();
    assert_eq!(read(&fold(), &other, &value(&fold())), Err(Wrong::Damaged));
    let mut renamed = fold();
    renamed.snapshot.as_mut().unwrap().name = "light";
    assert_eq!(read(&renamed, &tag(), &value(&fold())), Err(Wrong::Damaged));
}

#[test]
fn a_changed_model_reads_none_of_before() {
    let good = value(&fold());
    let changed = |change: fn(&mut Fold)| {
        let mut fold = fold();
        change(&mut fold);
        read(&fold, &tag(), &good)
    };
    assert_eq!(changed(|_| {}), Ok((23, 5, 3)));
    assert_eq!(
        changed(|fold| fold.snapshot.as_mut().unwrap().version = 2),
        Err(Wrong::Changed)
    );
    assert_eq!(changed(|fold| fold.kind = "light"), Err(Wrong::Changed));
    assert_eq!(changed(|fold| fold.versions = &[1, 3]), Err(Wrong::Changed));
    assert_eq!(changed(|fold| fold.versions = &[2, 1]), Err(Wrong::Changed));
    assert_eq!(
        changed(|fold| (fold.types, fold.versions) = (&TYPES[..1], &[1])),
        Err(Wrong::Changed)
    );
    let unreadable: fn(&[u8]) -> Result<AnyState, serde_json::Error> =
        |json| serde_json::from_slice::<String>(json).map(|state| Arc::new(state) as AnyState);
    let mut fold = fold();
    fold.snapshot.as_mut().unwrap().read = unreadable;
    assert_eq!(read(&fold, &tag(), &good), Err(Wrong::Changed));
}

#[test]
fn the_order_of_a_set_does_not_matter() {
    const BACKWARD: &[EventType] = &[
        EventType::from_static("lamp.put_out"),
        EventType::from_static("lamp.lit"),
    ];
    let mut fold = fold();
    (fold.types, fold.versions) = (BACKWARD, &[2, 1]);
    assert_eq!(read(&fold, &tag(), &value(&self::fold())), Ok((23, 5, 3)));
}

fn lit(number: u128) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Uuid::from_u128(number)),
        event_type: TYPES[0].clone(),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Private,
        tags: vec![tag()],
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::from_static(b"{}"),
    }
}

/// A store of so many events, with a snapshot that says it stands for three of them, before position 5.
async fn store_of(events: u128) -> MemoryStore {
    let store = MemoryStore::new();
    let append = Append {
        events: (1..=events).map(lit).collect(),
        marks: vec![Mark::set(key(&fold().snapshot.unwrap(), &tag()), value(&fold()))],
        ..Append::default()
    };
    store.append(append).await.unwrap();
    store
}

async fn found(store: &MemoryStore, to: u64) -> Result<Option<u64>, Wrong> {
    let found = find(store, &fold(), &tag(), Position::new(to)).await?;
    Ok(found.map(|found| found.folded.end.get()))
}

#[tokio::test]
async fn a_snapshot_of_another_history_is_not_used() {
    assert_eq!(found(&store_of(3).await, 5).await, Ok(Some(5)));
    assert_eq!(found(&store_of(4).await, 5).await, Err(Wrong::Foreign));
    assert_eq!(found(&store_of(2).await, 5).await, Err(Wrong::Foreign));
}

#[tokio::test]
async fn a_snapshot_from_after_a_moment_is_not_used_for_it() {
    let store = store_of(3).await;
    assert_eq!(found(&store, 4).await, Ok(None));
    assert_eq!(found(&store, 9).await, Ok(Some(5)));
}
