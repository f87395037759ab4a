//! The same event has one effect.

use annals_core::mark::MarkKey;
use annals_core::port::store::{Append, AppendError, Appended};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::time::Timestamp;
use bytes::Bytes;

use super::kit::{Rig, event, id, no_match, of, set, some, tag};

fn taken(answer: &Result<Appended, AppendError>) -> (u64, u64) {
    match answer {
        Err(AppendError::IdTaken { id: found, position }) => {
            (found.as_uuid().as_u128() as u64 - 1, position.get())
        }
        other => panic!("expected a taken id, found {other:?}"),
    }
}

pub(super) async fn the_same_append_has_one_effect(rig: Rig) {
    rig.clock.set(5);
    rig.append(of(some(100, 3, &["k:1"]))).await;
    let append = of(some(0, 4, &["k:1"]));
    let first = rig.append(append.clone()).await;
    rig.clock.set(9);
    rig.append(of(some(200, 3, &["k:1"]))).await;
    for _ in 0..3 {
        let again = rig.append(append.clone()).await;
        assert_eq!(
            again,
            Appended {
                duplicate: true,
                ..first
            }
        );
        assert_eq!(
            (again.first, again.recorded),
            (Position::new(3), Timestamp::from_micros(5))
        );
    }
    assert_eq!((rig.all().await.len(), rig.store.end().get()), (10, 10));
}

pub(super) async fn a_repeat_needs_no_conditions(rig: Rig) {
    let conditions = vec![no_match(Query::tag(tag("k:1")), 0)];
    let append = Append {
        conditions,
        ..of(some(0, 2, &["k:1"]))
    };
    let first = rig.append(append.clone()).await;
    assert_eq!(
        rig.append(append).await,
        Appended {
            duplicate: true,
            ..first
        }
    );
}

pub(super) async fn a_repeat_sets_no_marks(rig: Rig) {
    let key = MarkKey::new("checkpoint", "a");
    let append = Append {
        marks: vec![set(&key, "1")],
        ..of(some(0, 1, &[]))
    };
    rig.append(append.clone()).await;
    rig.append(Append {
        marks: vec![set(&key, "2")],
        ..Append::default()
    })
    .await;
    assert!(rig.append(append).await.duplicate);
    assert_eq!(rig.mark(&key).await, Some(Bytes::from_static(b"2")));
}

pub(super) async fn part_of_an_append_is_a_repeat(rig: Rig) {
    let events = some(0, 5, &["k:1"]);
    rig.append(of(events.clone())).await;
    let part = rig.append(of(events[1..4].to_vec())).await;
    assert_eq!((part.first.get(), part.count, part.duplicate), (1, 3, true));
}

pub(super) async fn other_content_under_a_known_id_is_refused(rig: Rig) {
    rig.append(of(some(50, 2, &[]))).await;
    let original = event(1, "a", &["k:1", "k:2"]);
    rig.append(of(vec![original.clone()])).await;
    let mut others = vec![original.clone(); 6];
    others[0].data = Bytes::from_static(b"other");
    others[1].event_type = annals_core::event::EventType::new("b");
    others[2].tags.reverse();
    others[3].version = 2;
    others[4].occurred = Some(Timestamp::EPOCH);
    others[5].metadata.actor = Some("somebody".into());
    for other in others {
        assert_eq!(taken(&rig.store.append(of(vec![other])).await), (1, 2));
    }
    assert!(rig.append(of(vec![original])).await.duplicate);
    assert_eq!(rig.all().await.len(), 3);
}

pub(super) async fn known_ids_in_other_company_are_refused(rig: Rig) {
    let events = some(0, 4, &["k:1"]);
    rig.append(of(events.clone())).await;
    let new = event(9, "thing.happened", &["k:1"]);
    let companies = [
        (vec![events[3].clone(), new.clone()], (3, 3)),
        (vec![new.clone(), events[1].clone()], (1, 1)),
        (vec![events[1].clone(), events[0].clone()], (1, 1)),
        (vec![events[0].clone(), events[2].clone()], (0, 0)),
        (vec![events[2].clone(), events[3].clone(), new.clone()], (2, 2)),
    ];
    for (company, expected) in companies {
        assert_eq!(taken(&rig.store.append(of(company)).await), expected);
    }
    assert_eq!(
        rig.append(of(vec![new])).await.first,
        Position::new(4),
        "a new id of a refused append is free"
    );
    assert_eq!(rig.all().await.last().map(|stored| stored.event.id), Some(id(9)));
}

pub(super) async fn racing_repeats_have_one_effect(rig: Rig) {
    for round in 0..10 {
        let append = of(some(round * 10, 3, &["k:1"]));
        let racers: Vec<_> = (0..8)
            .map(|_| tokio::spawn(rig.store.append(append.clone())))
            .collect();
        let mut first_time = 0;
        for racer in racers {
            let appended = racer.await.expect("no panic").expect("a repeat is no error");
            assert_eq!((appended.first.get(), appended.count), (round * 3, 3));
            first_time += u32::from(!appended.duplicate);
        }
        assert_eq!(first_time, 1);
    }
    assert_eq!(rig.store.end().get(), 30);
}
