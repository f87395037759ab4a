use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::ground::backoff::Backoff;
use annals::{Command, Context, Dep, Event, Key, Message, OnFailure, ServiceBuilder, handler};
use annals_core::event::{NewEvent, Purpose, Visibility};
use annals_core::id::EventId;
use annals_core::port::transport::{Message as Wired, Published};
use annals_core::tag::Tag;
use annals_testkit::chain::{Chain, Faults, Stage};
use serde::{Deserialize, Serialize};

/// A letter to somebody; letters to one person are delivered in order.
#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("post.deliver")]
struct Deliver {
    #[key]
    to: PersonId,
    number: u32,
}

#[derive(Key)]
#[key("person")]
struct PersonId(String);

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("letter.delivered")]
struct Delivered {
    #[tag]
    to: PersonId,
    number: u32,
}

/// Says how often each letter fails, and notes the attempts.
#[derive(Default)]
struct Postman {
    fails: Mutex<BTreeMap<(String, u32), u32>>,
    tried: Mutex<Vec<(String, u32, u32)>>,
}

impl Postman {
    fn fails(&self, to: &str, number: u32, times: u32) {
        self.fails.lock().unwrap().insert((to.to_owned(), number), times);
    }

    /// Attempts at a letter, by their number.
    fn attempts(&self, to: &str, number: u32) -> Vec<u32> {
        let tried = self.tried.lock().unwrap();
        tried
            .iter()
            .filter(|(who, which, _)| who == to && *which == number)
            .map(|(.., attempt)| *attempt)
            .collect()
    }

    fn go(&self, to: String, number: u32, attempt: u32) -> Result<(), Dog> {
        self.tried.lock().unwrap().push((to.clone(), number, attempt));
        let ill = {
            let mut fails = self.fails.lock().unwrap();
            let left = fails.entry((to, number)).or_default();
            let before = *left;
            *left = left.saturating_sub(1);
            before
        };
        match ill {
            0 => Ok(()),
            1..ILL => Err(Dog),
            _ => panic!("the postman fell ill"),
        }
    }
}

/// So often a postman fails who is ill.
const ILL: u32 = 1_000;

#[derive(Debug, thiserror::Error)]
#[error("there is a dog")]
struct Dog;

#[handler(retry = 2)]
async fn deliver(message: Deliver, cx: Context, Dep(postman): Dep<Postman>) -> Result<Delivered, Dog> {
    let Deliver { to, number } = message;
    tokio::time::sleep(Duration::from_millis(5)).await;
    postman.go(to.to_string(), number, cx.attempt())?;
    Ok(Delivered { to, number })
}

async fn post(stage: &Stage, on_failure: OnFailure) -> Arc<Postman> {
    post_as(stage, on_failure, |service| service).await
}

/// As [`post`], with one thing more said of the service.
async fn post_as(
    stage: &Stage,
    on_failure: OnFailure,
    also: impl Fn(ServiceBuilder) -> ServiceBuilder + Send + Sync + 'static,
) -> Arc<Postman> {
    let postman = Arc::new(Postman::default());
    let theirs = Arc::clone(&postman);
    let describe = move |service: ServiceBuilder| {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(8),
        };
        let service = service
            .handler::<Deliver>()
            .provide(Arc::clone(&theirs))
            .on_failure(on_failure)
            .backoff(backoff);
        also(service)
    };
    stage.service("post", describe).await;
    postman
}

fn letter(stage: &Stage, to: &str, number: u32) -> Wired {
    let command = Deliver {
        to: PersonId::from(to),
        number,
    };
    wired(
        stage,
        "post.deliver",
        &[&format!("person:{to}")],
        serde_json::to_vec(&command).unwrap(),
    )
}

fn wired(stage: &Stage, name: &str, tags: &[&str], data: Vec<u8>) -> Wired {
    let event = NewEvent {
        id: stage.world().event_id(),
        event_type: annals_core::event::EventType::new(name),
        version: 1,
        purpose: Purpose::Command,
        visibility: Visibility::Public,
        tags: tags.iter().map(|tag| Tag::new(*tag).unwrap()).collect(),
        occurred: None,
        metadata: annals_core::event::Metadata::default(),
        data: data.into(),
    };
    Wired {
        topic: "post.commands".into(),
        event,
    }
}

/// Publishes; a lost answer is asked for again, as a relay does.
async fn send(stage: &Stage, messages: Vec<Wired>) -> Vec<EventId> {
    let ids = messages.iter().map(|message| message.event.id).collect();
    let mut left = messages;
    while !left.is_empty() {
        let outcomes = stage.transport().publish(left.clone()).await;
        let unknown = outcomes
            .iter()
            .position(|outcome| *outcome != Published::Stored)
            .unwrap_or(left.len());
        left.drain(..unknown);
    }
    ids
}

/// What was delivered, in order of the record.
async fn delivered(stage: &Stage, to: &str) -> Vec<u32> {
    let history = stage.history("post").await;
    let delivered = history.iter().filter(|event| event.event_type == Delivered::TYPE);
    let delivered =
        delivered.map(|event| <Delivered as Message>::decode(event.version, &event.data).unwrap());
    delivered
        .filter(|letter| letter.to.to_string() == to)
        .map(|letter| letter.number)
        .collect()
}

async fn parked(stage: &Stage) -> Vec<(EventId, String, u32)> {
    let parked = stage.running("post").parked().await.unwrap();
    parked
        .into_iter()
        .map(|parked| (parked.id, parked.reason, parked.attempts))
        .collect()
}

#[test]
fn what_fails_is_tried_again_with_back_off() {
    Chain::new(1).run(async |stage| {
        let postman = post(stage, OnFailure::Park).await;
        postman.fails("ann", 1, 2);
        let began = stage.now();
        send(stage, vec![letter(stage, "ann", 1), letter(stage, "bob", 1)]).await;
        stage.settle().await;
        assert_eq!(postman.attempts("ann", 1), [1, 2, 3]);
        let waited = stage.now().since(began);
        // One second and two, each a fifth more or less.
        assert!(
            waited >= Duration::from_millis(2_400) && waited < Duration::from_millis(3_800),
            "{waited:?}"
        );
        assert_eq!(
            (delivered(stage, "ann").await, delivered(stage, "bob").await),
            (vec![1], vec![1])
        );
        assert_eq!(parked(stage).await, []);
        let marks = stage.store("post").marks("attempts", "").await.unwrap();
        assert_eq!(
            marks.len(),
            0,
            "a handled message leaves no count behind: {marks:?}"
        );
    });
}

#[test]
fn what_fails_for_good_is_parked_and_its_key_goes_on() {
    Chain::new(1).run(async |stage| {
        let postman = post(stage, OnFailure::Park).await;
        postman.fails("ann", 1, 3);
        let letters = [1, 2, 3].map(|number| letter(stage, "ann", number)).into();
        let ids = send(stage, letters).await;
        stage.settle().await;
        assert_eq!(parked(stage).await, [(ids[0], "there is a dog".to_owned(), 3)]);
        assert_eq!(delivered(stage, "ann").await, [2, 3]);
        assert_eq!(stage.running("post").status().await.parked, 1);

        let service = stage.running("post");
        service.requeue(ids[0]).await;
        service.requeue(ids[0]).await;
        stage.settle().await;
        assert_eq!(delivered(stage, "ann").await, [2, 3, 1]);
        assert_eq!(parked(stage).await, []);
        service.requeue(ids[0]).await;
        service.requeue(ids[1]).await;
        stage.settle().await;
        assert_eq!(
            delivered(stage, "ann").await,
            [2, 3, 1],
            "what is not parked is not taken up"
        );
        assert_eq!(postman.attempts("ann", 1), [1, 2, 3, 1]);
    });
}

#[test]
fn what_is_taken_up_and_fails_again_is_parked_again() {
    Chain::new(1).run(async |stage| {
        let postman = post(stage, OnFailure::Park).await;
        postman.fails("ann", 1, 6);
        let ids = send(stage, vec![letter(stage, "ann", 1)]).await;
        stage.settle().await;
        stage.running("post").requeue(ids[0]).await;
        stage.settle().await;
        assert_eq!(parked(stage).await, [(ids[0], "there is a dog".to_owned(), 3)]);
        stage.crash("post").await;
        stage.restart("post").await;
        stage.running("post").requeue(ids[0]).await;
        stage.settle().await;
        assert_eq!(
            (delivered(stage, "ann").await, parked(stage).await.len()),
            (vec![1], 0)
        );
    });
}

#[test]
fn a_parked_key_keeps_its_order() {
    Chain::new(1).run(async |stage| {
        let postman = post(stage, OnFailure::ParkKey).await;
        postman.fails("ann", 2, 6);
        let letters = [1, 2, 3].map(|number| letter(stage, "ann", number)).into();
        let mut ids = send(stage, letters).await;
        send(stage, vec![letter(stage, "bob", 1)]).await;
        stage.settle().await;
        stage.crash("post").await;
        stage.restart("post").await;
        ids.extend(send(stage, vec![letter(stage, "ann", 4)]).await);
        stage.settle().await;
        assert_eq!(
            (delivered(stage, "ann").await, delivered(stage, "bob").await),
            (vec![1], vec![1])
        );
        let reasons: BTreeMap<EventId, String> = parked(stage)
            .await
            .into_iter()
            .map(|(id, why, _)| (id, why))
            .collect();
        assert_eq!(reasons.len(), 3);
        assert_eq!(reasons[&ids[1]], "there is a dog");
        assert_eq!(reasons[&ids[3]], "an earlier message of its key is parked");

        // The second letter fails again: everything behind it stays parked.
        stage.running("post").requeue(ids[3]).await;
        stage.settle().await;
        assert_eq!(
            (delivered(stage, "ann").await, parked(stage).await.len()),
            (vec![1], 3)
        );
        let services = stage.running("post");
        services.requeue(ids[1]).await;
        ids.extend(send(stage, vec![letter(stage, "ann", 5)]).await);
        stage.settle().await;
        assert_eq!(delivered(stage, "ann").await, [1, 2, 3, 4, 5]);
        assert_eq!(parked(stage).await, []);
    });
}

#[test]
pub(crate) fn a_blocked_key_waits_and_others_go_on() {
    Chain::new(1).run(async |stage| {
        let postman = post(stage, OnFailure::Block).await;
        postman.fails("ann", 1, 8);
        let letters = vec![
            letter(stage, "ann", 1),
            letter(stage, "ann", 2),
            letter(stage, "bob", 1),
        ];
        send(stage, letters).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(
            (delivered(stage, "ann").await, delivered(stage, "bob").await),
            (vec![], vec![1])
        );
        let status = stage.running("post").status().await;
        assert!(
            !status.is_idle() && status.trouble().unwrap().contains("there is a dog"),
            "{status:?}"
        );
        stage.crash("post").await;
        stage.restart("post").await;
        stage.settle().await;
        assert_eq!(delivered(stage, "ann").await, [1, 2]);
        assert_eq!(parked(stage).await, []);
        // Attempts are counted over restarts.
        assert_eq!(*postman.attempts("ann", 1).last().unwrap(), 9);
        assert!(stage.running("post").status().await.trouble().is_none());
    });
}

#[test]
fn a_handler_that_panics_harms_its_own_message_only() {
    Chain::new(1).run(async |stage| {
        let postman = post(stage, OnFailure::Park).await;
        postman.fails("ann", 1, 2 * ILL);
        let ids = send(
            stage,
            vec![
                letter(stage, "ann", 1),
                letter(stage, "bob", 1),
                letter(stage, "ann", 2),
            ],
        )
        .await;
        stage.settle().await;
        assert_eq!(
            parked(stage).await,
            [(ids[0], "it panicked: the postman fell ill".to_owned(), 3)]
        );
        assert_eq!(
            (delivered(stage, "ann").await, delivered(stage, "bob").await),
            (vec![2], vec![1])
        );
    });
}

#[test]
fn what_cannot_be_read_is_parked_with_its_bytes() {
    Chain::new(1).run(async |stage| {
        post(stage, OnFailure::Park).await;
        let bytes = vec![0xff, 0x00, b'{', 0xfe];
        let broken = wired(stage, "post.deliver", &["person:ann"], bytes.clone());
        let unknown = wired(stage, "post.burn", &["person:ann"], b"{}".to_vec());
        let ids = send(stage, vec![broken, unknown]).await;
        stage.settle().await;
        let parked = parked(stage).await;
        let why = |id| {
            parked
                .iter()
                .find(|(parked, ..)| *parked == id)
                .map(|(_, why, attempts)| (why.as_str(), *attempts))
        };
        let (reason, attempts) = why(ids[0]).unwrap();
        assert!(
            reason.starts_with("post.deliver version 1 does not have its expected shape"),
            "{reason}"
        );
        assert_eq!(attempts, 1);
        assert_eq!(
            why(ids[1]),
            Some(("no command or handler of this service takes it", 0))
        );
        let history = stage.history("post").await;
        let kept = history
            .iter()
            .find(|event| event.event_type == annals::ground::record::MESSAGE_PARKED)
            .unwrap();
        let kept: serde_json::Value = serde_json::from_slice(&kept.data).unwrap();
        assert_eq!(kept["data"]["bytes"], serde_json::json!(bytes));
        // Taken up again they are read again, from the same bytes, and parked again.
        stage.running("post").requeue(ids[0]).await;
        stage.settle().await;
        let history = stage.history("post").await;
        let copies = history
            .iter()
            .filter(|event| event.event_type == annals::ground::record::MESSAGE_PARKED);
        let copies: Vec<serde_json::Value> = copies
            .map(|event| serde_json::from_slice(&event.data).unwrap())
            .collect();
        assert_eq!(copies.len(), 3);
        assert_eq!(copies[2]["data"], copies[0]["data"]);
    });
}

#[test]
fn what_is_delivered_twice_has_one_effect() {
    let faults = Faults {
        repeated_deliveries: 500,
        lost_subscriptions: 300,
        unknown_publishes: 300,
        ..Faults::default()
    };
    for seed in 0..30 {
        Chain::with_faults(seed, faults).run(async |stage| {
            let postman = post(stage, OnFailure::Park).await;
            for number in 1..=10 {
                let letters = ["ann", "bob", "cid"].map(|to| letter(stage, to, number)).into();
                send(stage, letters).await;
                if number % 4 == 0 {
                    stage.settle().await;
                }
            }
            stage.settle().await;
            for to in ["ann", "bob", "cid"] {
                assert_eq!(
                    delivered(stage, to).await,
                    Vec::from_iter(1..=10),
                    "seed {seed}: {to}"
                );
                let attempts: usize = (1..=10).map(|number| postman.attempts(to, number).len()).sum();
                assert!(attempts >= 10);
            }
        });
    }
}

/// Long enough for everything that comes again.
const REMEMBERED: Duration = Duration::from_secs(3_600);

#[test]
fn what_is_settled_after_handling_has_one_effect_through_crashes_and_losses() {
    (0..30).for_each(settled_after_handling);
}

/// Letters of which some fail, while the post crashes and the broker hands out twice.
pub(crate) fn settled_after_handling(seed: u64) {
    let faults = Faults {
        repeated_deliveries: 300,
        lost_subscriptions: 200,
        unknown_publishes: 200,
        unknown_appends: 50,
        ..Faults::default()
    };
    Chain::with_faults(seed, faults).run(async |stage| {
        let postman = post_as(stage, OnFailure::Park, |service| {
            service.settle_after_handling(REMEMBERED)
        })
        .await;
        postman.fails("bob", 3, 1);
        // A crash may forget an attempt: more than is tried at all.
        postman.fails("cid", 2, 100);
        for number in 1..=10 {
            let letters = ["ann", "bob", "cid"].map(|to| letter(stage, to, number)).into();
            send(stage, letters).await;
            match number {
                3 | 7 => {
                    tokio::time::sleep(Duration::from_millis(stage.seed().below(30))).await;
                    stage.crash("post").await;
                    stage.restart("post").await;
                }
                5 => stage.settle().await,
                _ => {}
            }
        }
        stage.settle().await;
        for to in ["ann", "bob"] {
            assert_eq!(
                delivered(stage, to).await,
                Vec::from_iter(1..=10),
                "seed {seed}: {to}"
            );
        }
        let of_cid: Vec<u32> = delivered(stage, "cid").await;
        assert_eq!(of_cid, [1, 3, 4, 5, 6, 7, 8, 9, 10], "seed {seed}");
        let parked = parked(stage).await;
        assert_eq!(parked.len(), 1, "seed {seed}: {parked:?}");
        postman.fails("cid", 2, 0);
        stage.running("post").requeue(parked[0].0).await;
        stage.settle().await;
        assert_eq!(delivered(stage, "cid").await.last(), Some(&2), "seed {seed}");
    });
}

#[test]
fn a_subscription_that_is_lost_again_and_again_is_opened_again_soon() {
    let faults = Faults {
        lost_subscriptions: 600,
        ..Faults::default()
    };
    Chain::with_faults(1, faults).run(async |stage| {
        post_as(stage, OnFailure::Park, |service| {
            service.settle_after_handling(REMEMBERED)
        })
        .await;
        let began = tokio::time::Instant::now();
        for number in 1..=120 {
            send(stage, vec![letter(stage, "ann", number)]).await;
            stage.settle().await;
        }
        let took = began.elapsed();
        assert_eq!(delivered(stage, "ann").await, Vec::from_iter(1..=120));
        assert!(took < Duration::from_secs(500), "{took:?}");
    });
}

#[test]
fn what_waits_for_its_next_try_keeps_no_subscription_waiting() {
    let faults = Faults {
        lost_subscriptions: 300,
        ..Faults::default()
    };
    Chain::with_faults(1, faults).run(async |stage| {
        let postman = post_as(stage, OnFailure::Block, |service| {
            service.settle_after_handling(REMEMBERED)
        })
        .await;
        postman.fails("bob", 1, 1_000);
        send(stage, vec![letter(stage, "bob", 1)]).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        for number in 1..=30 {
            send(stage, vec![letter(stage, "ann", number)]).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(delivered(stage, "ann").await, Vec::from_iter(1..=30));
        postman.fails("bob", 1, 0);
        stage.settle().await;
        assert_eq!(delivered(stage, "bob").await, [1]);
    });
}

#[test]
fn what_was_handled_is_remembered_for_a_time_and_no_longer() {
    Chain::new(1).run(async |stage| {
        post_as(stage, OnFailure::Park, |service| {
            service.settle_after_handling(REMEMBERED)
        })
        .await;
        let notes = async || stage.store("post").marks("handled", "").await.unwrap().len();
        send(stage, vec![letter(stage, "ann", 1)]).await;
        stage.settle().await;
        assert_eq!(notes().await, 1);
        tokio::time::sleep(REMEMBERED / 2).await;
        send(stage, vec![letter(stage, "ann", 2)]).await;
        stage.settle().await;
        assert_eq!(notes().await, 2);
        tokio::time::sleep(REMEMBERED / 2 + Duration::from_secs(60)).await;
        send(stage, vec![letter(stage, "ann", 3)]).await;
        stage.settle().await;
        assert_eq!(notes().await, 2, "the note of the first is gone");
    });
}

#[test]
fn stopping_lets_what_is_under_way_finish_and_loses_nothing() {
    for seed in 0..20 {
        Chain::new(seed).run(async |stage| {
            let postman = post(stage, OnFailure::Park).await;
            postman.fails("bob", 1, 1);
            let mut letters: Vec<Wired> = (1..=5).map(|number| letter(stage, "ann", number)).collect();
            letters.push(letter(stage, "bob", 1));
            send(stage, letters).await;
            tokio::time::sleep(Duration::from_millis(stage.seed().below(30))).await;
            stage.stop("post").await;
            let before = delivered(stage, "ann").await;
            let tried: usize = (1..=5).map(|number| postman.attempts("ann", number).len()).sum();
            assert_eq!(before.len(), tried, "seed {seed}: an attempt was cut off");
            stage.restart("post").await;
            stage.settle().await;
            assert_eq!(delivered(stage, "ann").await, [1, 2, 3, 4, 5]);
            assert_eq!(delivered(stage, "bob").await, [1]);
            let tried: usize = (1..=5).map(|number| postman.attempts("ann", number).len()).sum();
            assert_eq!(tried, 5, "seed {seed}: a letter was delivered before and after");
        });
    }
}

#[test]
fn a_missing_dependency_is_said_at_the_start() {
    Chain::new(1).run(async |stage| {
        let place = annals::Place {
            store: Arc::new(annals_store::MemoryStore::new()),
            transport: stage.transport(),
            world: stage.world().clone(),
            journal: None,
        };
        let started = annals::Service::builder("post")
            .handler::<Deliver>()
            .start(place.clone())
            .await;
        let error = started.err().unwrap().to_string();
        assert!(
            error.contains("Postman") && error.contains(".provide("),
            "{error}"
        );
        let started = annals::Service::builder("the post").start(place).await;
        assert!(matches!(started.err().unwrap(), annals::StartError::Name(name) if name == "the post"));
    });
}

#[test]
fn a_parked_key_keeps_its_order_through_crashes_and_lost_answers() {
    for seed in crate::crash::seeds(30) {
        Chain::on_disk(seed, crate::chain::EVERYTHING).run(async |stage| {
            let postman = post(stage, OnFailure::ParkKey).await;
            for to in ["ann", "bob"] {
                let number = 1 + u32::try_from(stage.seed().below(6)).unwrap();
                postman.fails(to, number, 3 + u32::try_from(stage.seed().below(4)).unwrap());
            }
            for number in 1..=6 {
                send(stage, ["ann", "bob"].map(|to| letter(stage, to, number)).into()).await;
                match stage.seed().below(4) {
                    0 => drop(stage.crash_somewhere("post").await),
                    1 => tokio::time::sleep(Duration::from_secs(stage.seed().below(5))).await,
                    2 => stage.power_cut().await,
                    _ => {}
                }
            }
            stage.settle().await;
            for round in 0.. {
                assert!(round < 20, "seed {seed}: it never ends");
                let Some((id, ..)) = first_parked(stage).await else {
                    break;
                };
                stage.running("post").requeue(id).await;
                if stage.seed().per_mille(300) {
                    stage.crash_somewhere("post").await;
                }
                stage.settle().await;
            }
            for to in ["ann", "bob"] {
                assert_eq!(
                    delivered(stage, to).await,
                    [1, 2, 3, 4, 5, 6],
                    "seed {seed}: {to}"
                );
            }
        });
    }
}

/// A parked message; a store that does not answer is asked again.
async fn first_parked(stage: &Stage) -> Option<(EventId, String, u32)> {
    loop {
        if let Ok(parked) = stage.running("post").parked().await {
            let chosen = stage.seed().below(parked.len() as u64);
            let one = parked.into_iter().nth(chosen as usize);
            return one.map(|parked| (parked.id, parked.reason, parked.attempts));
        }
    }
}

#[test]
fn what_waits_is_bounded_and_nothing_is_lost_for_it() {
    const LETTERS: u32 = 3_000;
    Chain::new(1).run(async |stage| {
        let postman = post(stage, OnFailure::Block).await;
        postman.fails("ann", 1, 12);
        let letters = (1..=LETTERS).map(|number| letter(stage, "ann", number)).collect();
        send(stage, letters).await;
        send(stage, vec![letter(stage, "bob", 1)]).await;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(3)).await;
            let status = stage.running("post").status().await;
            let inbox = status
                .runners
                .iter()
                .find(|runner| runner.name == "inbox")
                .unwrap();
            assert!(
                inbox.in_flight <= 1_024 && inbox.lag() >= u64::from(LETTERS),
                "{inbox:?}"
            );
        }
        assert_eq!(
            delivered(stage, "bob").await,
            [0; 0],
            "it waits behind a full window"
        );
        stage.settle().await;
        assert_eq!(delivered(stage, "ann").await, Vec::from_iter(1..=LETTERS));
        assert_eq!(delivered(stage, "bob").await, [1]);
    });
}

#[test]
fn of_two_instances_only_one_at_a_time_has_effects() {
    let slow = Faults {
        slow_appends: 150,
        ..Faults::default()
    };
    for seed in crate::crash::seeds(20) {
        Chain::with_faults(seed, slow).run(async |stage| {
            stage.service("desks", crate::school::desks).await;
            let twin = stage.twin("desks", crate::school::desks).await;
            let give = |who: &str| {
                let command = crate::school::GiveDesk {
                    student: crate::school::student(who),
                };
                let data = serde_json::to_vec(&command).unwrap();
                let message = wired(stage, "desks.give", &[&format!("student:{who}")], data);
                Wired {
                    topic: "desks.commands".into(),
                    ..message
                }
            };
            for number in 0..12 {
                let who = if number % 4 == 0 {
                    format!("tall{number}")
                } else {
                    format!("s{number}")
                };
                send(stage, vec![give(&who)]).await;
                tokio::time::sleep(Duration::from_millis(stage.seed().below(300))).await;
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
            twin.kill().await;
            stage.settle().await;
            let history = stage.history("desks").await;
            let mut about: Vec<&str> = history.iter().map(|event| event.tags[0].as_str()).collect();
            about.sort_unstable();
            let all = about.len();
            about.dedup();
            assert_eq!((about.len(), all), (12, 12), "seed {seed}: {history:#?}");
        });
    }
}
