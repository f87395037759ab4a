//! Appends that need no condition.

use annals_core::event::{EventType, Metadata, Origin, Purpose, Visibility};
use annals_core::id::CorrelationId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, limits};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;
use uuid::Uuid;

use super::kit::{Rig, event, id, of, positions, set, some, tag};

pub(super) async fn positions_are_dense_from_zero(rig: Rig) {
    rig.clock.set(77);
    assert_eq!(rig.store.end(), Position::ZERO);
    let mut next = 0;
    for (round, count) in [1_u64, 3, 1, 7].into_iter().enumerate() {
        let appended = rig
            .append(of(some(100 * round as u64, count, &["thing:1"])))
            .await;
        let (first, recorded) = (Position::new(next), Timestamp::from_micros(77));
        assert_eq!(
            appended,
            Appended {
                first,
                count,
                recorded,
                duplicate: false
            }
        );
        next += count;
        assert_eq!(
            (appended.end(), rig.store.end()),
            (Position::new(next), Position::new(next))
        );
    }
    assert_eq!(positions(&rig.all().await), (0..12).collect::<Vec<_>>());
}

pub(super) async fn everything_an_event_carries_comes_back(rig: Rig) {
    let mut rich = event(1, "order.placed", &["order:42", "customer:ä ö/\u{1F680}"]);
    (rich.version, rich.purpose, rich.visibility) = (u16::MAX, Purpose::Command, Visibility::Private);
    rich.occurred = Some(Timestamp::from_micros(-62_000_000_000_000_000));
    rich.data = (0..=u8::MAX).collect();
    rich.metadata = Metadata {
        correlation: Some(CorrelationId::from_uuid(Uuid::from_u128(u128::MAX))),
        causation: Some(id(9)),
        trace_parent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        actor: Some("\u{fc}ber: \\ \"quoted\"".into()),
        service: Some("".into()),
        topic: Some("payments.commands".into()),
        origin: Some(Origin {
            service: "shop".into(),
            position: Position::MAX,
            recorded: Timestamp::from_micros(i64::MIN),
        }),
    };
    let mut bare = event(2, "x", &[]);
    (bare.version, bare.data) = (0, Bytes::new());
    let long = event(
        3,
        &"t".repeat(EventType::BYTES_MAX),
        &[&format!("k:{}", "v".repeat(Tag::BYTES_MAX - 2))],
    );
    let events = vec![rich, bare, long];
    rig.append(of(events.clone())).await;
    let found: Vec<_> = rig
        .all()
        .await
        .into_iter()
        .map(|recorded| recorded.event)
        .collect();
    assert_eq!(found, events);
}

pub(super) async fn an_append_is_side_by_side(rig: Rig) {
    let appends: Vec<_> = (0..40_u64)
        .map(|n| rig.store.append(of(some(n * 10, 1 + n % 5, &["thing:1"]))))
        .collect();
    let tasks: Vec<_> = appends.into_iter().map(tokio::spawn).collect();
    let mut places = Vec::new();
    for task in tasks {
        places.push(task.await.expect("no panic").expect("every append is taken"));
    }
    let all = rig.all().await;
    for (n, appended) in places.iter().enumerate() {
        let first = appended.first.get() as usize;
        let own = all[first..first + appended.count as usize]
            .iter()
            .map(|stored| stored.event.id);
        assert!(
            own.eq((0..appended.count).map(|k| id(n as u64 * 10 + k))),
            "append {n}: {appended:?}"
        );
    }
}

pub(super) async fn nothing_to_append_is_refused(rig: Rig) {
    let refused = rig.store.append(Append::default()).await;
    assert!(matches!(refused, Err(AppendError::Invalid(_))), "{refused:?}");
}

pub(super) async fn what_breaks_a_limit_is_refused_and_leaves_nothing(rig: Rig) {
    let ok = event(1, "a", &["k:1"]);
    let mut events = vec![ok.clone(); 6];
    events[0].event_type = EventType::new("");
    events[1].event_type = EventType::new("t".repeat(EventType::BYTES_MAX + 1));
    events[2].data = vec![0; limits::EVENT_DATA_BYTES_MAX + 1].into();
    events[3].tags = (0..=limits::EVENT_TAGS_MAX)
        .map(|n| tag(&format!("k:{n}")))
        .collect();
    events[4].tags = (0..200).map(|n| tag(&format!("k:{n:0500}"))).collect();
    events[5].tags = vec![tag("k:1"), tag("k:2"), tag("k:1")];
    let key = MarkKey::new("space", "name");
    let mark = set(&key, "value");
    let mut appends: Vec<_> = events
        .into_iter()
        .map(|bad| of(vec![event(2, "a", &[]), bad]))
        .collect();
    appends.push(of(vec![ok.clone(), event(2, "a", &[]), ok]));
    appends.push(of(some(0, limits::APPEND_EVENTS_MAX as u64 + 1, &[])));
    let oversized = Mark::set(key.clone(), vec![0; limits::MARK_VALUE_BYTES_MAX + 1]);
    appends.push(Append {
        marks: vec![mark.clone(), oversized],
        ..of(some(0, 1, &[]))
    });
    let long_key = MarkKey::new("space", "n".repeat(MarkKey::BYTES_MAX));
    appends.push(Append {
        marks: vec![mark.clone(), set(&long_key, "")],
        ..Append::default()
    });
    for mut append in appends {
        append.marks.insert(0, mark.clone());
        let shape = format!("{} events, {} marks", append.events.len(), append.marks.len());
        let refused = rig.store.append(append).await;
        assert!(
            matches!(&refused, Err(AppendError::Invalid(why)) if !why.is_empty()),
            "{shape}: {refused:?}"
        );
    }
    assert_eq!((rig.all().await, rig.mark(&key).await), (vec![], None));
    assert_eq!(
        rig.append(of(some(1, 2, &[]))).await.first,
        Position::ZERO,
        "their ids are free"
    );
}

pub(super) async fn the_largest_that_is_allowed_is_taken(rig: Rig) {
    let mut heavy = event(1, "heavy", &["k:1"]);
    heavy.data = vec![7; limits::EVENT_DATA_BYTES_MAX].into();
    let mut tagged = event(2, "tagged", &[]);
    tagged.tags = (0..limits::EVENT_TAGS_MAX)
        .map(|n| tag(&format!("k:{n}")))
        .collect();
    rig.append(of(vec![heavy.clone(), tagged.clone()])).await;
    let key = MarkKey::new("space", "n".repeat(MarkKey::BYTES_MAX - 5));
    let mark = Mark::set(key.clone(), vec![1; limits::MARK_VALUE_BYTES_MAX]);
    rig.append(Append {
        marks: vec![mark.clone()],
        ..Append::default()
    })
    .await;
    rig.append(of(some(10, 20_000, &["k:1"]))).await;
    let all = rig.all().await;
    assert_eq!(
        (&all[0].event, &all[1].event, all.len()),
        (&heavy, &tagged, 20_002)
    );
    assert_eq!(rig.mark(&key).await, mark.value);
    assert_eq!(rig.revision("k:1", Position::MAX).await, Some(20_001));
}

pub(super) async fn many_callers_get_different_positions(rig: Rig) {
    let tasks: Vec<_> = (0..300)
        .map(|n| tokio::spawn(rig.store.append(of(some(n, 1, &["thing:1"])))))
        .collect();
    let mut firsts = Vec::new();
    for task in tasks {
        firsts.push(
            task.await
                .expect("no panic")
                .expect("every append is taken")
                .first
                .get(),
        );
    }
    firsts.sort_unstable();
    assert_eq!(firsts, (0..300).collect::<Vec<_>>());
}

pub(super) async fn a_dropped_future_harms_nobody(rig: Rig) {
    for number in 0..50 {
        let mut append = rig.store.append(of(some(number, 1, &["thing:1"])));
        if number % 2 == 0 {
            // Polled once, then dropped: it may or may not happen.
            let polled =
                std::future::poll_fn(|cx| std::task::Poll::Ready(append.as_mut().poll(cx).is_ready())).await;
            assert!(polled || rig.store.end().get() <= number);
        }
        drop(append);
    }
    let last = rig.append(of(some(1_000, 1, &["thing:1"]))).await;
    let all = rig.all().await;
    assert_eq!(positions(&all), (0..=last.first.get()).collect::<Vec<_>>());
    assert!(
        all.iter()
            .all(|stored| stored.event.id == id(1_000) || stored.event.id <= id(50))
    );
}

pub(super) async fn recorded_time_never_decreases(rig: Rig) {
    let mut recorded = Vec::new();
    for (number, micros) in [50, 20, 50, 60, -5].into_iter().enumerate() {
        rig.clock.set(micros);
        let appended = rig.append(of(some(number as u64, 1, &[]))).await;
        recorded.push(appended.recorded.as_micros());
    }
    assert_eq!(recorded, [50, 50, 50, 60, 60]);
    let stored: Vec<_> = rig
        .all()
        .await
        .iter()
        .map(|event| event.recorded.as_micros())
        .collect();
    assert_eq!(stored, recorded);
    // A commit of marks alone has a time, too.
    rig.clock.set(90);
    let alone = Append {
        marks: vec![set(&MarkKey::new("a", "b"), "c")],
        ..Append::default()
    };
    assert_eq!(rig.append(alone).await.recorded.as_micros(), 90);
    rig.clock.set(80);
    let behind = rig.append(of(some(9, 1, &[]))).await;
    assert_eq!(behind.recorded.as_micros(), 90);
}
