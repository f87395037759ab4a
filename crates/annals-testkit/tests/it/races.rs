use std::future::IntoFuture;
use std::sync::Arc;

use annals::decide::journal::LOST_RACE;
use annals::{Command, ExecuteError, Place, Service, command};
use annals_core::event::NewEvent;
use annals_core::kind::ErrorKind;
use annals_core::port::store::EventStore;
use annals_core::position::Position;
use annals_store::MemoryStore;
use annals_testkit::chain::{Chain, Stage};
use annals_testkit::replay;
use serde::{Deserialize, Serialize};

use crate::decide::{enrol, journal, open, record_of, rename, seats};
use crate::rival::Rival;
use crate::school::{
    Choice, Course, CourseError, CourseId, CourseRenamed, EnrolInAll, SeatTaken, course, courses, student,
};

/// Everybody wants a seat at once. Answers with conflicts and re-decisions.
async fn crowd(stage: &Stage, services: &[Service], people: u32) -> (u64, u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..people {
        let service = services[number as usize % services.len()].clone();
        tasks.spawn(async move { service.execute(enrol(&format!("s{number}"), "maths")).await });
    }
    let (mut seated, mut full) = (0, 0);
    while let Some(outcome) = tasks.join_next().await {
        match outcome.unwrap() {
            Ok(_) => seated += 1,
            Err(ExecuteError::Refused(CourseError::Full(_))) => full += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((seated, full), (people - 10, 10));
    let expected: Vec<u32> = (1..=people - 10).collect();
    assert_eq!(seats(stage, "maths").await, expected);
    let mut counts = (0, 0);
    for service in services {
        let status = service.status().await;
        counts = (counts.0 + status.conflicts, counts.1 + status.redecisions);
        replay::states(service).await;
    }
    counts
}

#[test]
fn many_commands_of_one_key_wait_for_each_other_and_lose_nothing() {
    for seed in 0..5 {
        Chain::new(seed).run(async |stage| {
            let service = stage.service("courses", courses).await;
            service.execute(open("maths", 50)).await.unwrap();
            assert_eq!(crowd(stage, &[service], 60).await, (0, 0));
        });
    }
}

#[test]
fn two_instances_on_one_store_race_and_lose_nothing() {
    let mut lost = 0;
    for seed in 0..10 {
        Chain::new(seed).run(async |stage| {
            let service = stage.service("courses", courses).await;
            let twin = stage.twin("courses", courses).await;
            service.execute(open("maths", 50)).await.unwrap();
            let (conflicts, redecisions) = crowd(stage, &[service, twin], 60).await;
            assert_eq!(conflicts, redecisions);
            let races = journal(stage)
                .await
                .into_iter()
                .filter(|(event, _)| event.event_type == LOST_RACE);
            assert_eq!(races.count() as u64, conflicts);
            lost += conflicts;
        });
    }
    assert!(
        lost > 10,
        "no race was lost in any of ten runs: nothing was tried"
    );
}

#[test]
fn one_key_at_the_same_time_has_one_effect_on_two_instances_too() {
    for seed in 0..10 {
        Chain::new(seed).run(async |stage| {
            let service = stage.service("courses", courses).await;
            let twin = stage.twin("courses", courses).await;
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..8 {
                let service = if number % 2 == 0 {
                    service.clone()
                } else {
                    twin.clone()
                };
                tasks.spawn(async move {
                    service
                        .execute(rename("maths", "Sums"))
                        .idempotency_key("once")
                        .await
                });
            }
            let mut ids = Vec::new();
            while let Some(outcome) = tasks.join_next().await {
                ids.push(outcome.unwrap().unwrap().events);
            }
            ids.dedup();
            assert_eq!(ids.len(), 1, "{ids:?}");
            assert_eq!(stage.history("courses").await.len(), 1);
        });
    }
}

/// A service alone on a store with a rival.
async fn against(
    stage: &Stage,
    next: impl FnMut() -> Option<NewEvent> + Send + 'static,
) -> (Service, MemoryStore) {
    let inner = MemoryStore::with_clock(Arc::clone(&stage.world().clock));
    let place = Place {
        store: Arc::new(Rival::new(inner.clone(), next)),
        transport: stage.transport(),
        world: stage.world().clone(),
        journal: None,
    };
    (
        courses(Service::builder("courses")).start(place).await.unwrap(),
        inner,
    )
}

#[test]
fn who_loses_every_race_is_told_so() {
    Chain::new(1).run(async |stage| {
        let world = stage.world().clone();
        let (service, store) = against(stage, move || {
            let seat = SeatTaken {
                course: course("maths"),
                student: student("somebody"),
                seat: 0,
            };
            Some(record_of(&world, &seat))
        })
        .await;
        let contended = service.execute(open("maths", 100)).await.unwrap_err();
        assert!(
            matches!(&contended, ExecuteError::Contended { attempts: 32, .. }),
            "{contended}"
        );
        assert_eq!(contended.kind(), ErrorKind::Conflict);
        assert_eq!(store.end(), Position::new(32));
        let status = service.status().await;
        // The last loss is not followed by another decision.
        assert_eq!((status.conflicts, status.redecisions), (32, 31));
    });
}

#[test]
fn what_commutes_is_no_conflict_and_is_seen_afterwards() {
    Chain::new(1).run(async |stage| {
        let world = stage.world().clone();
        let mut titles = 0;
        let (service, _) = against(stage, move || {
            titles += 1;
            let renamed = CourseRenamed {
                course: course("maths"),
                title: format!("title {titles}"),
            };
            Some(record_of(&world, &renamed))
        })
        .await;
        let opened = service.execute(open("maths", 100)).await.unwrap();
        let seated = service.execute(enrol("ann", "maths")).await.unwrap();
        assert_eq!((opened.attempts, seated.attempts), (1, 1));
        // The state that was held must have taken in both titles, between the decisions and beneath the second.
        let unchanged = service.execute(rename("maths", "title 2")).await.unwrap();
        assert!(unchanged.events.is_empty());
        replay::states(&service).await;
    });
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("courses.stumble")]
struct Stumble {
    #[key]
    course: CourseId,
    falls: bool,
}

#[command]
fn stumble(command: Stumble, course: &Course) -> Result<CourseRenamed, std::convert::Infallible> {
    assert!(!command.falls, "over {} seats", course.seats);
    Ok(CourseRenamed {
        course: command.course,
        title: format!("{} and on", course.title),
    })
}

#[test]
fn a_decision_that_panics_fails_alone() {
    Chain::new(1).run(async |stage| {
        let service = stage
            .service("courses", |service| service.command::<Stumble>())
            .await;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..6 {
            let service = service.clone();
            let command = Stumble {
                course: course("maths"),
                falls: number == 3,
            };
            tasks.spawn(async move {
                service
                    .execute(command)
                    .await
                    .map_err(|error| (error.kind(), error.to_string()))
            });
        }
        let outcomes = tasks.join_all().await;
        let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        let [(_, words)] = &failed[..] else {
            panic!("{failed:?}")
        };
        assert!(words.contains("courses.stumble"), "{words}");
        let state = service.load::<Course>(&course("maths")).await.unwrap();
        assert_eq!(
            state.title,
            " and on".repeat(5),
            "each saw what the one before it had decided"
        );
        replay::states(&service).await;
        assert_eq!(journal(stage).await.len(), 1);
    });
}

#[test]
fn commands_of_several_types_on_one_key_wait_for_each_other_too() {
    for seed in 0..10 {
        Chain::new(seed).run(async |stage| {
            let service = stage.service("courses", courses).await;
            service.execute(open("maths", 1_000)).await.unwrap();
            service.execute(open("art", 1_000)).await.unwrap();
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..40 {
                let service = service.clone();
                let wait = stage.seed().below(8);
                tasks.spawn(async move {
                    for _ in 0..wait {
                        tokio::task::yield_now().await;
                    }
                    let who = format!("s{number}");
                    if number % 2 == 0 {
                        return service
                            .execute(enrol(&who, "maths"))
                            .await
                            .map(|done| done.attempts);
                    }
                    let both = EnrolInAll {
                        student: student(&who),
                        choices: ["art", "maths"]
                            .map(|name| Choice { course: course(name) })
                            .into(),
                    };
                    service.execute(both).await.map(|done| done.attempts)
                });
            }
            while let Some(outcome) = tasks.join_next().await {
                assert_eq!(
                    outcome.unwrap().unwrap(),
                    1,
                    "seed {seed}: a race was lost within one service"
                );
            }
            assert_eq!(seats(stage, "maths").await, Vec::from_iter(1..=40));
            assert_eq!(seats(stage, "art").await, Vec::from_iter(1..=20));
            assert_eq!(service.status().await.conflicts, 0);
            replay::states(&service).await;
        });
    }
}

#[test]
fn what_is_too_much_together_is_carried_out_one_by_one() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..24 {
            let service = service.clone();
            let title = "x".repeat(1 << 20);
            tasks.spawn(async move { service.execute(rename(&format!("c{number}"), &title)).await });
        }
        for outcome in tasks.join_all().await {
            assert_eq!(outcome.unwrap().events.len(), 1);
        }
        assert_eq!(stage.history("courses").await.len(), 24);
        let alone = service
            .execute(rename("maths", &"x".repeat(5 << 20)))
            .await
            .unwrap_err();
        assert_eq!(
            (alone.kind(), stage.history("courses").await.len()),
            (ErrorKind::Invalid, 24)
        );
        assert_eq!(service.status().await.conflicts, 0);
    });
}

#[test]
fn a_command_nobody_waits_for_is_carried_out_all_the_same() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        let mut forgotten = Box::pin(service.execute(open("maths", 1)).into_future());
        tokio::select! {
            biased;
            _ = &mut forgotten => panic!("it takes at least a turn"),
            () = std::future::ready(()) => {}
        }
        drop(forgotten);
        stage.settle().await;
        assert_eq!(stage.history("courses").await.len(), 1);
        let again = service.execute(open("maths", 1)).await.unwrap_err();
        assert_eq!(again.code(), "open_already");
    });
}
