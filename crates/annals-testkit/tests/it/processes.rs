use std::collections::BTreeMap;
use std::time::Duration;

use annals::ground::record::{COMMAND_REFUSED, PROCESS_STEPPED, TIMER_FIRED};
use annals::{Command, Effects, Key, Message, Model, On, Process, Refused};
use annals_core::event::Visibility;
use annals_testkit::chain::{Chain, Faults, Stage};
use annals_testkit::replay;
use serde::{Deserialize, Serialize};

use crate::school::{
    Admission, Desk, DeskGiven, DeskReturned, Enrol, FEE_PATIENCE, FeePaid, FeeRefunded, GiveDesk, Open,
    ROUND, RefundFee, SeatFact, SeatTaken, StudentId, TakeBackDesk, TakeFee, Timetable, Withdraw, course,
    school, student,
};

async fn enrolled(stage: &Stage, who: &str) {
    let courses = stage.running("courses");
    let open = Open {
        course: course("maths"),
        seats: 1_000,
    };
    courses.execute(open).idempotency_key("open").await.unwrap();
    let enrol = Enrol {
        student: student(who),
        course: course("maths"),
    };
    courses.execute(enrol).await.unwrap();
}

async fn admission(stage: &Stage, who: &str) -> Admission {
    stage
        .running("admissions")
        .load::<Admission>(&student(who))
        .await
        .unwrap()
        .state
}

/// The types of what travelled about a student, in the broker's order.
async fn travelled(stage: &Stage, who: &str) -> Vec<String> {
    let tag = student(who).tag().unwrap();
    let messages = stage.messages().await;
    messages
        .iter()
        .filter(|m| m.tags.contains(&tag))
        .map(|m| m.event_type.to_string())
        .collect()
}

async fn pending(stage: &Stage) -> usize {
    stage.running("admissions").status().await.timers
}

#[test]
fn a_late_fee_is_compensated_newest_first() {
    Chain::new(1).run(async |stage| {
        let bank = school(stage).await;
        bank.fails("ann", 1_000);
        enrolled(stage, "ann").await;
        stage.settle().await;
        assert_eq!(pending(stage).await, 2);
        assert_eq!(stage.running("fees").parked().await.unwrap().len(), 1);
        stage.pass(FEE_PATIENCE).await;
        let all = travelled(stage, "ann").await;
        let compensation: Vec<&String> = all.iter().skip_while(|name| *name != "fees.refund").collect();
        let own = [RefundFee::NAME, TakeBackDesk::NAME, Withdraw::NAME];
        assert!(
            compensation
                .iter()
                .map(|name| name.as_str())
                .filter(|name| own.contains(name))
                .eq(own),
            "{all:?}"
        );
        let desk = stage
            .running("desks")
            .load::<Desk>(&student("ann"))
            .await
            .unwrap();
        assert_eq!((desk.given, desk.returned), (1, 1));
        let timetable = stage
            .running("courses")
            .load::<Timetable>(&student("ann"))
            .await
            .unwrap();
        assert!(timetable.courses.is_empty());
        assert_eq!(pending(stage).await, 0);
        assert_eq!(
            replay::process::<Admission>(&stage.running("admissions")).await,
            4
        );
    });
}

#[test]
fn a_fee_in_time_cancels_the_timers_for_good() {
    Chain::new(1).run(async |stage| {
        school(stage).await;
        enrolled(stage, "ann").await;
        stage.settle().await;
        assert_eq!(pending(stage).await, 0);
        stage.pass(FEE_PATIENCE * 2).await;
        let history = stage.history("admissions").await;
        assert!(history.iter().all(|event| event.event_type != TIMER_FIRED));
        assert_eq!(
            travelled(stage, "ann").await,
            [
                SeatTaken::TYPE,
                GiveDesk::TYPE,
                DeskGiven::TYPE,
                TakeFee::TYPE,
                FeePaid::TYPE
            ]
            .map(|name| name.to_string())
        );
    });
}

#[test]
fn timers_fire_at_their_moment_and_are_replaced_and_survive_a_restart() {
    Chain::new(1).run(async |stage| {
        let bank = school(stage).await;
        bank.fails("ann", 1_000);
        enrolled(stage, "ann").await;
        stage.pass(ROUND - Duration::from_secs(30)).await;
        // Admissions is away while the first round would be due.
        stage.crash("admissions").await;
        stage.pass(Duration::from_secs(60)).await;
        assert_eq!(
            stage
                .history("admissions")
                .await
                .iter()
                .filter(|e| e.event_type == TIMER_FIRED)
                .count(),
            0
        );
        let restarted = stage.now();
        stage.restart("admissions").await;
        assert_eq!(pending(stage).await, 2);
        stage.settle().await;
        let fired = async || {
            let history = stage.history("admissions").await;
            let fired = history
                .into_iter()
                .filter(|event| event.event_type == TIMER_FIRED);
            fired.map(|event| event.recorded).collect::<Vec<_>>()
        };
        let first = fired().await[0];
        assert!(first.since(restarted) < Duration::from_millis(100), "{first}");
        // The second round is set from then on.
        stage.pass(ROUND - Duration::from_secs(1)).await;
        assert_eq!(fired().await.len(), 1);
        stage.pass(Duration::from_secs(2)).await;
        let second = fired().await[1];
        let after = second.since(first);
        assert!(
            after >= ROUND && after < ROUND + Duration::from_millis(100),
            "{after:?}"
        );
        stage.pass(FEE_PATIENCE).await;
        // Two rounds and the fee; there is no third round.
        assert_eq!((fired().await.len(), pending(stage).await), (3, 0));
        let state = admission(stage, "ann").await;
        assert_eq!((state.student, state.done), (Some(student("ann")), false));
        assert_eq!(
            replay::process::<Admission>(&stage.running("admissions")).await,
            4
        );
    });
}

#[test]
fn a_refusal_by_another_service_reaches_the_process() {
    Chain::new(1).run(async |stage| {
        let bank = school(stage).await;
        enrolled(stage, "tall-tom").await;
        stage.settle().await;
        let names = travelled(stage, "tall-tom").await;
        assert!(names.contains(&COMMAND_REFUSED.to_string()), "{names:?}");
        assert_eq!(bank.asked().len(), 0);
        let timetable = stage
            .running("courses")
            .load::<Timetable>(&student("tall-tom"))
            .await
            .unwrap();
        assert!(timetable.courses.is_empty(), "the seat is free again");
        assert_eq!(pending(stage).await, 0);
        // The refusal is recorded where it was decided and where it was told, once each.
        for service in ["desks", "admissions"] {
            let history = stage.history(service).await;
            assert_eq!(
                history
                    .iter()
                    .filter(|event| event.event_type == COMMAND_REFUSED)
                    .count(),
                1,
                "{service}"
            );
        }
    });
}

/// Sends a desk command of its own about the same students, and counts what it is told.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Cleaning {
    refused: Vec<String>,
}

impl Model for Cleaning {
    type Key = StudentId;
    type Event = SeatTaken;

    fn apply(&mut self, _: &SeatTaken) {}
}

impl Process for Cleaning {
    const NAME: &'static str = "cleaning";
    type Timer = ();

    fn react(&self, on: On<'_, SeatTaken, ()>, effects: &mut Effects<()>) {
        if let On::Event(seat) = on {
            effects.send(TakeBackDesk {
                student: seat.student.clone(),
            });
        }
        if let On::Refused(refused) = on {
            panic!("told of a refusal that is none of its business: {refused:?}");
        }
    }
}

#[test]
fn a_refusal_reaches_only_who_sent_the_command() {
    Chain::new(1).run(async |stage| {
        school(stage).await;
        let cleaning = |service: annals::ServiceBuilder| {
            service
                .process::<Cleaning>()
                .listens_to("courses")
                .listens_to("desks")
        };
        stage.service("cleaning", cleaning).await;
        enrolled(stage, "tall-tom").await;
        stage.settle().await;
        let refusals = stage.history("cleaning").await;
        assert_eq!(
            refusals
                .iter()
                .filter(|event| event.event_type == COMMAND_REFUSED)
                .count(),
            1,
            "it was copied"
        );
        let status = stage.running("cleaning").status().await;
        assert!(status.is_idle(), "{status:?}");
        assert_eq!(replay::process::<Cleaning>(&stage.running("cleaning")).await, 1);
        assert_eq!(
            replay::process::<Admission>(&stage.running("admissions")).await,
            2
        );
    });
}

/// A command whose keys do not name the student.
#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("rooms.paint")]
struct Paint {
    #[key]
    room: RoomId,
}

#[derive(Key)]
#[key("room")]
struct RoomId(u32);

#[derive(Debug, thiserror::Error, annals::Refusal)]
#[error("no paint")]
struct NoPaint;

#[derive(Default, Serialize)]
struct Room {}

impl Model for Room {
    type Key = RoomId;
    type Event = DeskGivenInRoom;

    fn apply(&mut self, _: &DeskGivenInRoom) {}
}

#[derive(annals::Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("room.painted")]
struct DeskGivenInRoom {
    #[tag]
    room: RoomId,
}

#[annals::command]
fn paint(_: Paint, _: &Room) -> Result<DeskGivenInRoom, NoPaint> {
    Err(NoPaint)
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Decorating {
    refused: Vec<Refused>,
}

impl Model for Decorating {
    type Key = StudentId;
    type Event = SeatTaken;

    fn apply(&mut self, _: &SeatTaken) {}
}

impl Process for Decorating {
    const NAME: &'static str = "decorating";
    type Timer = ();

    fn react(&self, on: On<'_, SeatTaken, ()>, effects: &mut Effects<()>) {
        match on {
            On::Event(_) => {
                effects.send(Paint {
                    room: RoomId::from(7),
                });
            }
            On::Refused(refused) => {
                assert_eq!(
                    (refused.command.as_str(), refused.code.as_str()),
                    ("rooms.paint", "no_paint")
                );
                effects.send(TakeBackDesk {
                    student: student("ann"),
                });
            }
            On::Timer(()) => {}
        }
    }

    fn on_refused(&mut self, refused: &Refused) {
        self.refused.push(refused.clone());
    }
}

#[test]
fn a_refusal_finds_its_way_back_also_where_the_command_has_other_keys() {
    Chain::new(1).run(async |stage| {
        school(stage).await;
        stage.service("rooms", |service| service.command::<Paint>()).await;
        let decorating = |service: annals::ServiceBuilder| {
            service
                .process::<Decorating>()
                .listens_to("courses")
                .listens_to("rooms")
        };
        stage.service("decorating", decorating).await;
        enrolled(stage, "ann").await;
        stage.settle().await;
        assert_eq!(
            replay::process::<Decorating>(&stage.running("decorating")).await,
            2
        );
        let painted = stage
            .messages()
            .await
            .into_iter()
            .find(|message| message.event_type == Paint::TYPE)
            .unwrap();
        let tags: Vec<&str> = painted.tags.iter().map(|tag| tag.as_str()).collect();
        assert_eq!(tags, ["room:7", "student:ann", "topic:rooms.commands"]);
    });
}

#[test]
fn effects_are_recorded_once_whatever_a_second_instance_does() {
    for seed in 0..10 {
        Chain::new(seed).run(async |stage| {
            school(stage).await;
            let _twin = stage.twin("admissions", crate::school::admissions).await;
            for number in 0..5 {
                enrolled(stage, &format!("s{number}")).await;
            }
            stage.settle().await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            stage.settle().await;
            let history = stage.history("admissions").await;
            let steps = history
                .iter()
                .filter(|event| event.event_type == PROCESS_STEPPED)
                .count();
            assert_eq!(steps, 15, "seed {seed}");
            for number in 0..5 {
                let desk = stage
                    .running("desks")
                    .load::<Desk>(&student(&format!("s{number}")))
                    .await
                    .unwrap();
                assert_eq!(desk.given, 1, "seed {seed}");
            }
        });
    }
}

#[test]
fn an_effect_follows_from_what_caused_it_and_carries_who_asked() {
    Chain::new(1).run(async |stage| {
        school(stage).await;
        let courses = stage.running("courses");
        let open = Open {
            course: course("maths"),
            seats: 1,
        };
        courses.execute(open).await.unwrap();
        let enrol = Enrol {
            student: student("ann"),
            course: course("maths"),
        };
        let request = annals::Request {
            actor: Some("clerk".into()),
            trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            ..annals::Request::default()
        };
        let done = courses.execute(enrol).request(request.clone()).await.unwrap();
        stage.settle().await;
        let recorded = stage.history("recorder").await;
        let mut cause = done.events[0];
        for expected in [GiveDesk::TYPE, DeskGiven::TYPE, TakeFee::TYPE, FeePaid::TYPE] {
            let next = recorded
                .iter()
                .find(|event| event.metadata.causation == Some(cause))
                .unwrap();
            assert_eq!(next.event_type, expected);
            assert_eq!(next.metadata.correlation, done.correlation);
            assert_eq!(
                (&next.metadata.actor, &next.metadata.trace_parent),
                (&request.actor, &request.trace_parent)
            );
            cause = next.id;
        }
        let unused = [DeskReturned::TYPE, FeeRefunded::TYPE];
        assert!(recorded.iter().all(|event| !unused.contains(&event.event_type)));
    });
}

#[test]
fn the_recorder_has_every_public_message_once_and_nothing_private() {
    for seed in 0..5 {
        Chain::with_faults(seed, crate::chain::EVERYTHING).run(async |stage| {
            school(stage).await;
            for number in 0..8 {
                let who = if number % 3 == 0 {
                    format!("tall{number}")
                } else {
                    format!("s{number}")
                };
                crate::crash::enrolled_somehow(stage, &who).await;
            }
            stage.pass(FEE_PATIENCE).await;
            let recorded = stage.history("recorder").await;
            let mut expected = Vec::new();
            for name in ["courses", "desks", "fees", "admissions"] {
                let own = stage.history(name).await.into_iter();
                let public =
                    own.filter(|e| e.visibility == Visibility::Public && e.metadata.origin.is_none());
                expected.extend(public.map(|event| (name.to_owned(), event.position, event.id)));
            }
            let origin = |event: &annals_core::event::RecordedEvent| {
                let origin = event.metadata.origin.clone().unwrap();
                (origin.service.to_string(), origin.position, event.id)
            };
            let mut found: Vec<_> = recorded.iter().map(origin).collect();
            for name in ["courses", "desks", "fees", "admissions"] {
                let positions: Vec<_> = found
                    .iter()
                    .filter(|(n, ..)| n == name)
                    .map(|(_, at, _)| *at)
                    .collect();
                assert!(positions.is_sorted(), "seed {seed}: {name} out of order");
            }
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "seed {seed}");
            assert!(recorded.iter().all(|event| event.metadata.topic.is_some()));
        });
    }
}

/// Wakes a while after a seat was taken, unless it is freed before.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Nap {}

impl Model for Nap {
    type Key = StudentId;
    type Event = SeatFact;

    fn apply(&mut self, _: &SeatFact) {}
}

#[derive(Serialize, Deserialize)]
struct Wake;

const NAP: Duration = Duration::from_millis(100);

impl Process for Nap {
    const NAME: &'static str = "nap";
    type Timer = Wake;

    fn react(&self, on: On<'_, SeatFact, Wake>, effects: &mut Effects<Wake>) {
        match on {
            On::Event(SeatFact::Taken(_)) => effects.after(NAP, Wake),
            On::Event(SeatFact::Freed(_)) => effects.cancel(&Wake),
            On::Timer(_) | On::Refused(_) => {}
        }
    }
}

/// What happened to the timer of each student, in order: `set`, `cancelled`, `fired`.
async fn naps(stage: &Stage) -> BTreeMap<String, Vec<&'static str>> {
    let mut naps: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for event in stage.history("courses").await {
        let who = event
            .tags
            .iter()
            .find(|tag| tag.kind() == "student")
            .map(ToString::to_string);
        let what = match &event.event_type {
            name if *name == TIMER_FIRED => "fired",
            name if *name == PROCESS_STEPPED => {
                let stepped: serde_json::Value = serde_json::from_slice(&event.data).unwrap();
                if stepped["effects"][0]["after"].is_object() {
                    "set"
                } else {
                    "cancelled"
                }
            }
            _ => continue,
        };
        naps.entry(who.unwrap()).or_default().push(what);
    }
    naps
}

#[test]
fn a_timer_that_is_cancelled_as_it_fires_does_one_or_the_other() {
    let slow = Faults {
        slow_appends: 20,
        ..Faults::default()
    };
    let (mut fired, mut cancelled) = (0, 0);
    for seed in crate::crash::seeds(20) {
        Chain::with_faults(seed, slow).run(async |stage| {
            let service = stage
                .service("courses", |service| {
                    crate::school::courses(service).process::<Nap>()
                })
                .await;
            let open = Open {
                course: course("maths"),
                seats: 1_000,
            };
            service.execute(open).await.unwrap();
            for number in 0..20 {
                let who = || student(&format!("s{number}"));
                let maths = || course("maths");
                service
                    .execute(Enrol {
                        student: who(),
                        course: maths(),
                    })
                    .await
                    .unwrap();
                let around = NAP - Duration::from_millis(2) + Duration::from_millis(stage.seed().below(4));
                tokio::time::sleep(around).await;
                service
                    .execute(Withdraw {
                        student: who(),
                        course: maths(),
                    })
                    .await
                    .unwrap();
            }
            stage.pass(NAP).await;
            for (who, what) in naps(stage).await {
                match what[..] {
                    ["set", "fired", "cancelled"] => fired += 1,
                    ["set", "cancelled"] => cancelled += 1,
                    _ => panic!("seed {seed}: {who}: {what:?}"),
                }
            }
            assert_eq!(service.status().await.timers, 0);
            replay::process::<Nap>(&service).await;
        });
    }
    assert!(
        fired > 20 && cancelled > 20,
        "{fired} fired, {cancelled} cancelled: one of the two was not tried"
    );
}
