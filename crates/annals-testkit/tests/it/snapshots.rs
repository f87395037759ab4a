use std::sync::atomic::Ordering;
use std::time::Duration;

use annals::boundary::Fold;
use annals::decide::fold::fold_to;
use annals::{ExecuteError, Key, Model, Service, SnapshotsKept, StartError};
use annals_core::port::store::EventStore;
use annals_core::position::{Position, Revision};
use annals_store::MemoryStore;
use annals_testkit::replay;
use bytes::Bytes;

use crate::pantry::{
    Content, Counting, Doubled, Empty, Fill, Inflow, Label, No, Plain, jar, pantry, snapshot_key,
};

/// One fold over everything, without any cache.
async fn folded<M: Model + Clone>(store: &dyn EventStore, number: u64, to: Position) -> M {
    let tag = jar(number).tag().unwrap();
    let folded = fold_to(store, &Fold::of::<M>(), &tag, None, to).await.unwrap();
    folded.state.downcast_ref::<M>().unwrap().clone()
}

/// A thousand things that might happen, as the seed has it.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    async fn act(&mut self, service: &Service, jars: u64) {
        let jar = jar(self.roll(jars));
        let grams = self.roll(90) + 1;
        match self.roll(7) {
            0 => drop(
                service
                    .execute(Label {
                        jar,
                        label: "x".repeat(grams as usize),
                    })
                    .await
                    .unwrap(),
            ),
            1 | 2 => match service.execute(Empty { jar, grams }).await {
                Ok(_) | Err(ExecuteError::Refused(No::TooLittle(_))) => {}
                Err(error) => panic!("{error}"),
            },
            _ => drop(service.execute(Fill { jar, grams }).await.unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_from_a_snapshot_is_the_fold_of_everything_at_every_moment() {
    const JARS: u64 = 3;
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let store = Counting::new(MemoryStore::new());
        let mut service = store.start(pantry(1 + seed % 6)).await;
        for _ in 0..40 + dice.roll(40) {
            dice.act(&service, JARS).await;
            match dice.roll(12) {
                0 => {
                    service.stop().await;
                    service = store.start(pantry(1 + seed % 6)).await;
                }
                1 => {
                    let before = Position::new(dice.roll(store.end().get() + 1));
                    let kept = service.keep_snapshots(before).await.unwrap();
                    assert_eq!((kept.failed, kept.trouble), (0, None), "seed {seed}");
                }
                _ => {}
            }
            let (number, end) = (dice.roll(JARS), store.end());
            let now = service.load::<Content>(&jar(number)).await.unwrap();
            assert_eq!(
                now.state,
                folded::<Content>(&store, number, end).await,
                "seed {seed}, {end}"
            );
        }
        replay::states(&service).await;
        for at in 0..=store.end().get() {
            for number in 0..JARS {
                let at = Position::new(at);
                let then = service.load::<Content>(&jar(number)).at(at).await.unwrap();
                assert_eq!(
                    then.state,
                    folded::<Content>(&store, number, at).await,
                    "seed {seed}, {at}"
                );
            }
        }
        let kept = store.marks("snapshot", "").await.unwrap();
        assert!(
            !kept.is_empty() && kept.len() as u64 <= JARS,
            "seed {seed}: {}",
            kept.len()
        );
        service.stop().await;
    }
}

/// A store with a jar that was filled so often, and a snapshot of it as it is.
async fn filled(times: u64) -> (Counting, Service) {
    let store = Counting::new(MemoryStore::new());
    let service = store.start(pantry(u64::MAX)).await;
    for grams in 1..=times {
        service.execute(Fill { jar: jar(1), grams }).await.unwrap();
    }
    let kept = service.keep_snapshots(Position::MAX).await.unwrap();
    assert_eq!(
        kept,
        SnapshotsKept {
            written: 1,
            ..SnapshotsKept::default()
        }
    );
    (store, service)
}

async fn restarted(store: &Counting, service: Service) -> Service {
    service.stop().await;
    let service = store.start(pantry(u64::MAX)).await;
    store.given();
    service
}

#[tokio::test]
async fn a_load_reads_only_what_is_newer_than_the_snapshot() {
    let (store, service) = filled(50).await;
    for grams in 1..=3 {
        service.execute(Fill { jar: jar(1), grams }).await.unwrap();
    }
    let service = restarted(&store, service).await;
    let now = service.load::<Content>(&jar(1)).await.unwrap();
    assert_eq!(
        (now.events, now.revision, store.given()),
        (53, Some(Revision::new(52)), 3)
    );
    assert_eq!(service.load::<Plain>(&jar(1)).await.unwrap().0, now.state);
    assert_eq!(store.given(), 53);
    // A decision begins there too.
    service
        .execute(Empty {
            jar: jar(1),
            grams: 1,
        })
        .await
        .unwrap();
    assert!(store.given() < 10);
    // The snapshot stands for 50 events: of what was before nothing is in it.
    let then = service
        .load::<Content>(&jar(1))
        .at(Position::new(49))
        .await
        .unwrap();
    assert_eq!((then.events, store.given()), (49, 49));
    let then = service
        .load::<Content>(&jar(1))
        .at(Position::new(51))
        .await
        .unwrap();
    assert_eq!((then.events, store.given()), (51, 1));
    service.stop().await;
}

#[tokio::test]
async fn a_snapshot_is_written_once_enough_was_folded_and_again_after_as_much() {
    let store = Counting::new(MemoryStore::new());
    let service = store.start(pantry(10)).await;
    for grams in 1..10 {
        service.execute(Fill { jar: jar(1), grams }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(store.snapshot(1).await, None);
    service
        .execute(Fill {
            jar: jar(1),
            grams: 10,
        })
        .await
        .unwrap();
    let first = store.until_kept(1).await;
    for grams in 11..20 {
        service.execute(Fill { jar: jar(1), grams }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(store.snapshot(1).await, Some(first.clone()));
    service
        .execute(Fill {
            jar: jar(1),
            grams: 20,
        })
        .await
        .unwrap();
    for _ in 0..1_000 {
        if store.snapshot(1).await.as_ref() != Some(&first) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_ne!(store.snapshot(1).await, Some(first));
    assert_eq!(service.load::<Content>(&jar(1)).await.unwrap().events, 20);
    service.stop().await;
}

/// Loads the jar of [`filled`] with this in place of its snapshot, in a new process, and says how many events that took.
async fn loaded_with(value: impl Into<Bytes>) -> u64 {
    let (store, service) = filled(20).await;
    store.put(snapshot_key(1), value).await;
    // The place of a snapshot of another history is here too.
    for grams in 1..=15 {
        service.execute(Fill { jar: jar(2), grams }).await.unwrap();
    }
    let service = restarted(&store, service).await;
    let now = service.load::<Content>(&jar(1)).await.unwrap();
    let given = store.given();
    assert_eq!(now.state, folded::<Content>(&store, 1, store.end()).await);
    service
        .execute(Empty {
            jar: jar(1),
            grams: 1,
        })
        .await
        .unwrap();
    // What is wrong is written anew.
    let kept = service.keep_snapshots(Position::MAX).await.unwrap();
    assert_eq!((kept.written, kept.failed), (2, 0), "{kept:?}");
    let service = restarted(&store, service).await;
    assert_eq!(service.load::<Content>(&jar(1)).await.unwrap().events, 21);
    assert_eq!(store.given(), 0);
    service.stop().await;
    given
}

#[tokio::test]
async fn what_is_wrong_with_a_snapshot_costs_a_fold_and_nothing_else() {
    let (store, service) = filled(20).await;
    service.stop().await;
    let good = store.snapshot(1).await.unwrap();
    assert_eq!(loaded_with(good.clone()).await, 0);
    let mut damaged = good.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let (other, of_other) = filled(30).await;
    of_other.stop().await;
    let foreign = other.snapshot(1).await.unwrap();
    for bad in [damaged.into(), Bytes::new(), Bytes::from_static(b"{}"), foreign] {
        assert_eq!(loaded_with(bad.clone()).await, 20, "{bad:?}");
    }
}

#[tokio::test]
async fn another_version_and_another_set_of_events_read_no_snapshot_of_before() {
    let (store, service) = filled(20).await;
    let all: u64 = (1..=20).sum();
    store.given();
    let doubled = service.load::<Doubled>(&jar(1)).await.unwrap();
    assert_eq!((doubled.0.grams, store.given()), (2 * all, 20));
    let inflow = service.load::<Inflow>(&jar(1)).await.unwrap();
    assert_eq!((inflow.grams, inflow.events, store.given()), (all, 0, 20));
    service.stop().await;
}

#[tokio::test]
async fn two_models_of_one_service_do_not_share_a_name() {
    let store = Counting::new(MemoryStore::new());
    let started = store.try_start(pantry(9).model::<Doubled>()).await;
    match started.err() {
        Some(StartError::Snapshots(one, other, name)) => {
            assert!(
                one.ends_with("Content") && other.ends_with("Doubled"),
                "{one}, {other}"
            );
            assert_eq!(name, "content");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_that_takes_no_snapshot_is_of_no_concern_to_anybody() {
    let store = Counting::new(MemoryStore::new());
    store.refuses.store(true, Ordering::Relaxed);
    let service = store.start(pantry(1)).await;
    for grams in 1..=30 {
        service.execute(Fill { jar: jar(1), grams }).await.unwrap();
    }
    let kept = service.keep_snapshots(Position::MAX).await.unwrap();
    assert_eq!((kept.written, kept.failed), (0, 1));
    let trouble = kept.trouble.unwrap();
    assert!(trouble.starts_with("jar:1: the disk is full"), "{trouble}");
    assert_eq!(service.load::<Content>(&jar(1)).await.unwrap().events, 30);
    assert_eq!(store.snapshot(1).await, None);
    store.refuses.store(false, Ordering::Relaxed);
    service
        .execute(Fill {
            jar: jar(1),
            grams: 31,
        })
        .await
        .unwrap();
    store.until_kept(1).await;
    service.stop().await;
}

#[tokio::test]
async fn a_crash_before_a_snapshot_was_written_loses_the_snapshot_only() {
    let store = Counting::new(MemoryStore::new());
    // What the crash takes is the append of the snapshot.
    store.refuses.store(true, Ordering::Relaxed);
    let service = store.start(pantry(20)).await;
    for grams in 1..=20 {
        service.execute(Fill { jar: jar(1), grams }).await.unwrap();
    }
    service.kill().await;
    store.refuses.store(false, Ordering::Relaxed);
    assert_eq!(store.snapshot(1).await, None);
    let service = store.start(pantry(20)).await;
    store.given();
    assert_eq!(service.load::<Content>(&jar(1)).await.unwrap().events, 20);
    assert_eq!(store.given(), 20);
    // The load had to fold that many: it is kept now.
    store.until_kept(1).await;
    service.stop().await;
}

#[tokio::test]
async fn a_state_that_is_too_large_for_a_mark_is_folded_as_ever() {
    let store = Counting::new(MemoryStore::new());
    let service = store.start(pantry(1)).await;
    let long = "\u{1f36f}".repeat(20_000);
    service
        .execute(Label {
            jar: jar(1),
            label: long.clone(),
        })
        .await
        .unwrap();
    let kept = service.keep_snapshots(Position::MAX).await.unwrap();
    assert_eq!((kept.written, kept.failed), (0, 1));
    let trouble = kept.trouble.unwrap();
    assert!(trouble.contains("at most 65536 bytes, found 80"), "{trouble}");
    assert_eq!(service.load::<Content>(&jar(1)).await.unwrap().label, Some(long));
    // Another label, and it fits.
    service
        .execute(Label {
            jar: jar(1),
            label: "honey".into(),
        })
        .await
        .unwrap();
    assert_eq!(service.keep_snapshots(Position::MAX).await.unwrap().written, 1);
    service.stop().await;
}
