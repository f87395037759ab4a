use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::relay::RELAY_REFUSED;
use annals::{Place, Service};
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::port::store::{BoxFuture, EventStore};
use annals_core::port::transport::{
    Capabilities, Consumer, Delivery, Message, Outcomes, Published, ReceiveError, Subscribe, SubscribeError,
    Transport,
};
use annals_store::MemoryStore;
use annals_testkit::chain::{Chain, Stage};

use crate::school::{Enrol, Open, Rename, course, courses, student};

/// A broker that answers as it was told, and notes what it was sent.
#[derive(Clone, Default)]
struct Scripted {
    /// The answers to the next batch; what is missing is stored.
    answers: Arc<Mutex<VecDeque<Vec<Published>>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
    /// What it can do.
    replay: bool,
    /// Outcomes come so much later, while the next batch may leave.
    later: Option<Duration>,
}

/// A batch: types and ids.
type Sent = Vec<(String, EventId)>;

struct Silent;

impl Consumer for Silent {
    fn next(&mut self, _: usize) -> BoxFuture<'_, Result<Vec<Delivery>, ReceiveError>> {
        Box::pin(std::future::pending())
    }
}

impl Transport for Scripted {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            replay: self.replay,
            exact_dedupe: true,
            partition_order: true,
            every_topic: true,
            late_groups: true,
            parks: true,
            broadcast: false,
            window: 4_096,
            stored_means: "noted",
        }
    }

    fn publish(&self, batch: Vec<Message>) -> BoxFuture<'_, Vec<Published>> {
        let names = batch
            .iter()
            .map(|message| (message.event.event_type.to_string(), message.event.id));
        self.sent.lock().unwrap().push(names.collect());
        let mut answers = self.answers.lock().unwrap().pop_front().unwrap_or_default();
        answers.resize(batch.len(), Published::Stored);
        Box::pin(std::future::ready(answers))
    }

    fn hand_over(&self, batch: Vec<Message>) -> BoxFuture<'_, Outcomes> {
        Box::pin(self.leave(batch))
    }

    fn subscribe(&self, _: Subscribe) -> BoxFuture<'_, Result<Box<dyn Consumer>, SubscribeError>> {
        Box::pin(std::future::ready(Ok(Box::new(Silent) as Box<dyn Consumer>)))
    }
}

impl Scripted {
    async fn leave(&self, batch: Vec<Message>) -> Outcomes {
        let outcomes = self.publish(batch).await;
        let later = self.later.unwrap_or_default();
        Box::pin(async move {
            tokio::time::sleep(later).await;
            outcomes
        })
    }

    fn new(answers: impl IntoIterator<Item = Vec<Published>>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            replay: true,
            ..Self::default()
        }
    }

    fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

fn unknown() -> Published {
    Published::Unknown("no answer".into())
}

async fn started(stage: &Stage, store: &MemoryStore, transport: &Scripted) -> Service {
    let place = Place {
        store: Arc::new(store.clone()),
        transport: Arc::new(transport.clone()),
        world: stage.world().clone(),
        journal: None,
    };
    courses(Service::builder("courses")).start(place).await.unwrap()
}

/// A store with three public events and a private one, from a service that could not publish any of them yet.
async fn filled(stage: &Stage) -> MemoryStore {
    let store = MemoryStore::with_clock(Arc::clone(&stage.world().clock));
    let service = started(stage, &store, &Scripted::new((0..9).map(|_| vec![unknown(); 9]))).await;
    let maths = || course("maths");
    service
        .execute(Open {
            course: maths(),
            seats: 9,
        })
        .await
        .unwrap();
    let title = "Sums".to_owned();
    service
        .execute(Rename {
            course: maths(),
            title,
        })
        .await
        .unwrap();
    for who in ["ann", "bob"] {
        service
            .execute(Enrol {
                student: student(who),
                course: maths(),
            })
            .await
            .unwrap();
    }
    service.kill().await;
    store
}

#[test]
fn what_is_unknown_is_sent_again_with_its_id_before_the_relay_goes_on() {
    Chain::new(1).run(async |stage| {
        let store = filled(stage).await;
        let transport = Scripted::new([
            vec![Published::Stored, unknown(), unknown()],
            vec![unknown(), unknown()],
        ]);
        let service = started(stage, &store, &transport).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        let status = service.status().await;
        assert!(
            status.trouble().unwrap().contains("the broker did not confirm"),
            "{status:?}"
        );
        assert!(!status.is_idle());
        tokio::time::sleep(Duration::from_secs(5)).await;
        let sent = transport.sent();
        let names: Vec<Vec<&str>> = sent
            .iter()
            .map(|batch| batch.iter().map(|(name, _)| name.as_str()).collect())
            .collect();
        assert_eq!(
            names,
            [
                vec!["course.opened", "seat.taken", "seat.taken"],
                vec!["seat.taken"; 2],
                vec!["seat.taken"; 2]
            ],
            "what is private stays"
        );
        assert_eq!(
            (&sent[0][1..], &sent[1]),
            (&sent[1][..], &sent[2]),
            "with the same ids"
        );
        assert!(service.status().await.trouble().is_none());
        // What was confirmed is not sent again by the next start.
        service.stop().await;
        let again = Scripted::new([]);
        let service = started(stage, &store, &again).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(again.sent().len(), 0);
        service
            .execute(Enrol {
                student: student("cid"),
                course: course("maths"),
            })
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(again.sent().len(), 1);
    });
}

#[test]
fn what_was_on_its_way_behind_an_unknown_goes_again_behind_it() {
    Chain::new(1).run(async |stage| {
        let store = MemoryStore::with_clock(Arc::clone(&stage.world().clock));
        let transport = Scripted {
            later: Some(Duration::from_secs(1)),
            ..Scripted::new([vec![unknown()]])
        };
        let service = started(stage, &store, &transport).await;
        let maths = || course("maths");
        service
            .execute(Open {
                course: maths(),
                seats: 9,
            })
            .await
            .unwrap();
        for who in ["ann", "bob", "cid", "dan", "eve"] {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let (student, course) = (student(who), maths());
            service.execute(Enrol { student, course }).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let sent = transport.sent();
        assert_eq!(sent.len(), 6, "none waits for the outcome of another: {sent:?}");
        assert!(!service.status().await.is_idle());
        // A second for the first of them, and one for all others together.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let sent = transport.sent();
        let first: Vec<_> = sent[..6].concat();
        assert_eq!(sent[6..], [first], "all of them, in order");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(service.status().await.is_idle());
        service.kill().await;
    });
}

/// After so many seconds a service is idle that could not publish three messages at first.
async fn idle_within(stage: &Stage, first: impl IntoIterator<Item = Vec<Published>>, seconds: u64) -> bool {
    let store = filled(stage).await;
    let transport = Scripted::new(first);
    let service = started(stage, &store, &transport).await;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let is_idle = service.status().await.is_idle();
    service.kill().await;
    is_idle
}

#[test]
fn a_broker_that_was_away_for_long_is_noticed_soon() {
    Chain::new(1).run(async |stage| {
        // 0.1, 0.2, 0.4, 0.8 and 1.6 s, and two seconds for each of seven, a fifth more or less.
        let away = || (0..12).map(|_| vec![unknown(); 3]);
        assert!(idle_within(stage, away(), 21).await);
        assert!(!idle_within(stage, away(), 13).await);
    });
}

#[test]
fn where_some_arrive_the_rest_follows_soon() {
    Chain::new(1).run(async |stage| {
        let none = |many: usize| (0..4).map(move |_| vec![unknown(); many]);
        let one = |many: usize| [[vec![Published::Stored], vec![unknown(); many]].concat()];
        let hard = none(3).chain(one(2)).chain(none(2)).chain(one(1)).chain(none(1));
        // 0.1, 0.2, 0.4 and 0.8 s, and twice those and 1.6, a fifth more or less.
        assert!(idle_within(stage, hard, 10).await);
    });
}

#[test]
fn what_is_refused_is_noted_and_left_behind() {
    Chain::new(1).run(async |stage| {
        let store = filled(stage).await;
        let too_large = Published::Refused("too large".into());
        let transport = Scripted::new([vec![Published::Stored, too_large, Published::Stored]]);
        let service = started(stage, &store, &transport).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(transport.sent().len(), 1);
        let notes = store.marks(RELAY_REFUSED, "").await.unwrap();
        let [(key, reason)] = &notes[..] else {
            panic!("{notes:?}")
        };
        assert_eq!(
            (key.name.as_str(), &reason[..]),
            (transport.sent()[0][1].1.to_string().as_str(), &b"too large"[..])
        );
        assert!(
            service
                .status()
                .await
                .runners
                .iter()
                .all(|runner| runner.trouble.is_none())
        );
    });
}

#[test]
fn how_far_it_is_is_noted_now_and_then_and_not_for_every_message() {
    Chain::new(1).run(async |stage| {
        let store = MemoryStore::with_clock(Arc::clone(&stage.world().clock));
        let transport = Scripted::new([]);
        let service = started(stage, &store, &transport).await;
        let maths = || course("maths");
        service
            .execute(Open {
                course: maths(),
                seats: 90,
            })
            .await
            .unwrap();
        let mut notes = Vec::new();
        for number in 0..60 {
            let (student, course) = (student(&format!("s{number}")), maths());
            service.execute(Enrol { student, course }).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            notes.push(store.mark(MarkKey::new("checkpoint", "relay")).await.unwrap());
        }
        notes.dedup();
        assert_eq!(transport.sent().len(), 61, "each left at once");
        assert!((5..=8).contains(&notes.len()), "{notes:?}");
        service.kill().await;
    });
}

#[test]
fn a_crash_before_the_checkpoint_sends_again_and_never_skips() {
    for seed in 0..30 {
        Chain::new(seed).run(async |stage| {
            let store = filled(stage).await;
            let transport = Scripted::new([]);
            for _ in 0..10 {
                let service = started(stage, &store, &transport).await;
                for _ in 0..stage.seed().below(12) {
                    tokio::task::yield_now().await;
                }
                service.kill().await;
            }
            let service = started(stage, &store, &transport).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            service.stop().await;
            let mut ids: Vec<EventId> = Vec::new();
            for (_, id) in transport.sent().into_iter().flatten() {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            let history =
                annals_core::port::store::Read::new(annals_core::query::Query::all(), Default::default());
            let history = store.read(history).await.unwrap().events;
            let public = history
                .iter()
                .filter(|event| event.event_type.as_str() != "course.renamed");
            assert_eq!(
                ids,
                public.map(|event| event.id).collect::<Vec<_>>(),
                "seed {seed}"
            );
        });
    }
}

#[test]
fn a_transport_that_cannot_be_read_again_is_refused_at_the_start() {
    Chain::new(1).run(async |stage| {
        let place = Place {
            store: Arc::new(MemoryStore::new()),
            transport: Arc::new(Scripted::default()),
            world: stage.world().clone(),
            journal: None,
        };
        let error = courses(Service::builder("courses"))
            .start(place)
            .await
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "the service courses needs a transport that can be read again from a position; put a durable inbox before it"
        );
    });
}
