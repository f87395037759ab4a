//! Publishing: outcomes, one append per batch, ids that are taken, and how a message lies in the store.

use std::sync::Arc;

use annals_core::condition::Conflict;
use annals_core::event::EventType;
use annals_core::port::store::{AppendError, EventStore, Read, limits};
use annals_core::port::transport::{Message, Published, Start, Subscribe, Transport};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::tag::Tag;
use tokio::task::JoinSet;

use crate::bench::{Bench, all_done, message, next, numbers, quiet};
use crate::faulty::{Fault, FaultyStore};

async fn stored(store: &dyn EventStore) -> Vec<(u64, String)> {
    let page = store.read(Read::new(Query::all(), Position::ZERO)).await.unwrap();
    let line = |event: &annals_core::event::RecordedEvent| {
        let text = String::from_utf8_lossy(&event.data).into_owned();
        (event.position.get(), text)
    };
    page.events.iter().map(line).collect()
}

#[tokio::test]
async fn a_message_is_an_event_with_the_topic_as_its_last_tag() {
    let bench = Bench::new();
    let mut sent = message("payments.commands", 1, 7);
    sent.event.tags.push(Tag::new("topic:elsewhere").unwrap());
    assert_eq!(
        bench.broker.publish(vec![sent.clone()]).await,
        [Published::Stored]
    );
    let page = bench
        .store
        .read(Read::new(Query::all(), Position::ZERO))
        .await
        .unwrap();
    let event = &page.events[0].event;
    let tags: Vec<_> = event.tags.iter().map(Tag::as_str).collect();
    assert_eq!(tags, ["key:7", "topic:elsewhere", "topic:payments.commands"]);
    assert_eq!(
        (event.id, &event.data, &event.metadata),
        (sent.event.id, &sent.event.data, &sent.event.metadata)
    );

    let mut elsewhere = bench.join("reader", &["elsewhere", "payments.commands"]).await;
    assert_eq!(next(&mut elsewhere, 9).await[0].message, sent);
    let mut none = bench.join("none", &["elsewhere"]).await;
    quiet(&mut none).await;
    let replay = Subscribe {
        group: "none".into(),
        topics: vec!["elsewhere".into()],
        start: Start::At(Position::ZERO),
    };
    let mut none = bench.broker.subscribe(replay).await.unwrap();
    quiet(&mut none).await;
}

#[tokio::test]
async fn a_batch_is_one_append() {
    let store = FaultyStore::default();
    store.plan([Fault::Fails(AppendError::Full("no space".into()))]);
    let bench = Bench::on(Arc::new(store.clone()));
    let batch: Vec<_> = (0..50).map(|n| message("orders", n, n)).collect();
    let outcomes = bench.broker.publish(batch.clone()).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Published::Unknown(why) if why.contains("no space")))
    );
    assert_eq!(
        stored(&store).await,
        [],
        "the one append failed, so nothing is there"
    );
    assert_eq!(bench.broker.publish(batch).await, vec![Published::Stored; 50]);
}

#[tokio::test]
async fn a_message_of_the_topics_own_tag_is_refused() {
    let bench = Bench::new();
    let mut own = message("orders", 0, 0);
    own.event.tags.push(Tag::new("topic:orders").unwrap());
    let outcomes = bench.broker.publish(vec![own, message("orders", 1, 1)]).await;
    assert!(
        matches!(&outcomes[0], Published::Refused(why) if why.contains("topic:orders")),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[1], Published::Stored);
}

#[tokio::test]
async fn what_only_the_store_can_refuse_is_refused_alone() {
    let bench = Bench::new();
    let mut batch: Vec<_> = (0..9).map(|n| message("orders", n, n)).collect();
    let repeated = batch[4].event.tags[0].clone();
    batch[4].event.tags.push(repeated);
    let outcomes = bench.broker.publish(batch).await;
    for (place, outcome) in outcomes.iter().enumerate() {
        let refused = matches!(outcome, Published::Refused(why) if why.contains("key:4"));
        assert_eq!(
            (refused, *outcome == Published::Stored),
            (place == 4, place != 4),
            "{place}: {outcome:?}"
        );
    }
    let order: Vec<_> = stored(&*bench.store)
        .await
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert_eq!(
        order,
        ["0", "1", "2", "3", "5", "6", "7", "8"],
        "halving kept the order"
    );
}

#[tokio::test]
async fn another_message_of_a_taken_id_is_refused_not_swallowed() {
    let bench = Bench::new();
    bench.publish("orders", 0, 3, 3).await;
    let changed = |change: fn(&mut Message)| {
        let mut message = message("orders", 1, 1);
        change(&mut message);
        message
    };
    let others = [
        changed(|message| message.event.data = "other".into()),
        changed(|message| message.event.event_type = EventType::from_static("test.other")),
        changed(|message| message.topic = "stock".into()),
    ];
    for other in others {
        let outcomes = bench.broker.publish(vec![other]).await;
        assert!(
            matches!(&outcomes[0], Published::Refused(why) if why.contains("position 1")),
            "{outcomes:?}"
        );
    }
    // What differs only in how it came here is the same message.
    let resent = changed(|message| message.event.metadata.service = Some("orders".into()));
    assert_eq!(bench.broker.publish(vec![resent]).await, [Published::Stored]);
    assert_eq!(stored(&*bench.store).await.len(), 3);
}

#[tokio::test]
async fn nothing_follows_an_unknown_outcome() {
    let store = FaultyStore::default();
    let bench = Bench::on(Arc::new(store.clone()));
    bench.publish("orders", 2, 1, 1).await;
    // The whole batch is refused because 2 is there; the first half is stored; then the store does not know.
    store.plan([Fault::None, Fault::None, Fault::WrittenButUnknown]);
    let batch: Vec<_> = [0, 1, 2, 3, 4, 5].map(|n| message("orders", n, 0)).into();
    let outcomes = bench.broker.publish(batch.clone()).await;
    let known: Vec<_> = outcomes
        .iter()
        .map(|outcome| *outcome == Published::Stored)
        .collect();
    assert!(
        !known[5] && known.iter().is_sorted_by(|a, b| a >= b),
        "{outcomes:?}"
    );
    assert_eq!(bench.broker.publish(batch).await, vec![Published::Stored; 6]);
    let mut texts: Vec<_> = stored(&store).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts.remove(0), "2");
    assert_eq!(texts, ["0", "1", "3", "4", "5"]);
}

#[tokio::test]
async fn a_closed_store_makes_every_outcome_unknown() {
    let store = FaultyStore::default();
    let bench = Bench::on(Arc::new(store.clone()));
    let conflict = AppendError::Conflict(Conflict::Tag {
        condition: 0,
        tag: Tag::new("a:b").unwrap(),
        expected: None,
        found: None,
    });
    for error in [
        AppendError::Closed("closed".into()),
        AppendError::Unknown("slow".into()),
        conflict,
    ] {
        store.plan([Fault::Fails(error)]);
        let outcomes = bench
            .broker
            .publish(vec![message("orders", 0, 0), message("orders", 1, 0)])
            .await;
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Published::Unknown(_))),
            "{outcomes:?}"
        );
    }
}

#[tokio::test]
async fn a_batch_beyond_one_append_is_parted_and_stays_in_order() {
    let bench = Bench::new();
    let mut batch: Vec<_> = (0..6).map(|n| message("orders", n, 0)).collect();
    for message in &mut batch {
        message.event.data = vec![b'x'; limits::EVENT_DATA_BYTES_MAX].into();
    }
    assert_eq!(
        bench.broker.publish(batch.clone()).await,
        vec![Published::Stored; 6]
    );
    let mut consumer = bench.join("reader", &["orders"]).await;
    for expected in batch {
        let deliveries = next(&mut consumer, 9).await;
        assert_eq!(deliveries[0].message.event.id, expected.event.id);
        all_done(deliveries).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_work_side_by_side() {
    let bench = Arc::new(Bench::new());
    let mut publishers = JoinSet::new();
    for publisher in 0..8_u64 {
        let bench = Arc::clone(&bench);
        publishers.spawn(async move {
            for round in 0..10 {
                bench
                    .publish("orders", publisher * 1_000 + round * 10, 10, 1)
                    .await;
            }
        });
    }
    while let Some(ended) = publishers.join_next().await {
        ended.unwrap();
    }
    let mut consumer = bench.join("reader", &["orders"]).await;
    let mut seen = Vec::new();
    while seen.len() < 800 {
        let deliveries = next(&mut consumer, 64).await;
        seen.extend(numbers(&deliveries));
        all_done(deliveries).await;
    }
    for publisher in 0..8 {
        let own: Vec<_> = seen.iter().filter(|n| *n / 1_000 == publisher).collect();
        assert!(
            own.len() == 100 && own.is_sorted(),
            "publisher {publisher}: {own:?}"
        );
    }
}

#[tokio::test]
async fn a_batch_that_is_given_away_is_appended_whole_or_comes_back_as_it_was() {
    let (given, lent) = (Bench::new(), Bench::new());
    let batch: Vec<_> = (0..50)
        .map(|n| message(["orders", "stock"][n as usize % 2], n, n % 7))
        .collect();
    assert_eq!(given.broker.publish_whole(Vec::new()).await, Ok(()));
    assert_eq!(given.broker.publish_whole(batch.clone()).await, Ok(()));
    assert!(
        lent.broker
            .publish_lent(&batch)
            .await
            .iter()
            .all(|one| *one == Published::Stored)
    );
    let all = |bench: &Bench| {
        let store = Arc::clone(&bench.store);
        async move {
            store
                .read(Read::new(Query::all(), Position::ZERO))
                .await
                .unwrap()
                .events
        }
    };
    let (of_given, of_lent) = (all(&given).await, all(&lent).await);
    assert_eq!(of_given.len(), 50);
    let event = |recorded: &annals_core::event::RecordedEvent| recorded.event.clone();
    assert!(of_given.iter().map(event).eq(of_lent.iter().map(event)));
    let topics = |bench: &Bench| {
        let broker = bench.broker.clone();
        async move {
            let topics = broker.topics().await.unwrap();
            topics.into_iter().map(|topic| topic.topic).collect::<Vec<_>>()
        }
    };
    assert_eq!(topics(&given).await, topics(&lent).await);

    // One of them is there already; one carries the tag of its own topic; the store is full.
    let fresh: Vec<_> = (50..60).map(|n| message("orders", n, n)).collect();
    let taken: Vec<_> = fresh.iter().cloned().chain([batch[3].clone()]).collect();
    assert_eq!(given.broker.publish_whole(taken.clone()).await, Err(taken));
    let mut marked = fresh.clone();
    marked[4].event.tags.push(Tag::new("topic:orders").unwrap());
    assert_eq!(given.broker.publish_whole(marked.clone()).await, Err(marked));
    let mut large = fresh.clone();
    large[9].event.data = vec![b'x'; limits::EVENT_DATA_BYTES_MAX + 1].into();
    assert_eq!(given.broker.publish_whole(large.clone()).await, Err(large));
    assert_eq!(all(&given).await.len(), 50);
    let store = FaultyStore::default();
    store.plan([Fault::Fails(AppendError::Full("no space".into()))]);
    let full = Bench::on(Arc::new(store));
    assert_eq!(full.broker.publish_whole(fresh.clone()).await, Err(fresh));
}
