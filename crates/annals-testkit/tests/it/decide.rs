use annals::decide::journal::{Entry, REFUSED};
use annals::{
    CallError, Command, Event, EventSet, Events, ExecuteError, How, IntoEvents, Key, Message, Model, command,
};
use annals_core::event::{NewEvent, Purpose, RecordedEvent};
use annals_core::kind::ErrorKind;
use annals_core::port::store::Append;
use annals_core::position::Position;
use annals_testkit::chain::{Chain, Stage};
use annals_testkit::replay;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::school::{
    Choice, Course, CourseError, CourseId, Enrol, EnrolInAll, Open, Rename, SeatTaken, Timetable, Withdraw,
    course, courses, student,
};

pub(crate) fn open(name: &str, seats: u32) -> Open {
    Open {
        course: course(name),
        seats,
    }
}

pub(crate) fn enrol(who: &str, name: &str) -> Enrol {
    Enrol {
        student: student(who),
        course: course(name),
    }
}

pub(crate) fn rename(name: &str, title: &str) -> Rename {
    Rename {
        course: course(name),
        title: title.into(),
    }
}

/// A record as another program could have written it.
fn record<E: Event + IntoEvents>(stage: &Stage, event: &E) -> NewEvent {
    record_of(stage.world(), event)
}

pub(crate) fn record_of<E: Event + IntoEvents>(world: &annals::World, event: &E) -> NewEvent {
    let mut drafts = annals::event::Drafts::default();
    event.write(&mut drafts).unwrap();
    let recording = annals::Recording {
        service: "courses".into(),
        world: world.clone(),
    };
    recording.event(drafts.into_vec().remove(0), &annals::Request::default(), None)
}

async fn append(stage: &Stage, events: Vec<NewEvent>) {
    let append = Append {
        events,
        ..Append::default()
    };
    stage.running("courses").store().append(append).await.unwrap();
}

/// The seats of a course in the order in which they were taken.
pub(crate) async fn seats(stage: &Stage, name: &str) -> Vec<u32> {
    let history = stage.history("courses").await;
    let taken = history.iter().filter(|event| event.event_type == SeatTaken::TYPE);
    let taken = taken.map(|event| <SeatTaken as Message>::decode(event.version, &event.data).unwrap());
    taken
        .filter(|taken| taken.course == course(name))
        .map(|taken| taken.seat)
        .collect()
}

pub(crate) async fn journal(stage: &Stage) -> Vec<(RecordedEvent, Entry)> {
    stage.settle().await;
    let entries = stage.journal("courses").await;
    let entry = |event: &RecordedEvent| serde_json::from_slice(&event.data).unwrap();
    entries
        .iter()
        .map(|event| (event.clone(), entry(event)))
        .collect()
}

#[test]
fn decisions_see_what_was_decided_before_them() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        for (name, seats) in [("maths", 1), ("art", 5), ("latin", 5), ("chess", 5)] {
            service.execute(open(name, seats)).await.unwrap();
        }
        let done = service.execute(enrol("ann", "maths")).await.unwrap();
        assert_eq!(
            (done.events.len(), done.end, done.attempts),
            (1, Position::new(5), 1)
        );
        let full = service.execute(enrol("bob", "maths")).await.unwrap_err();
        assert!(
            matches!(&full, ExecuteError::Refused(CourseError::Full(_))),
            "{full}"
        );
        assert_eq!((full.kind(), full.code().as_str()), (ErrorKind::Refused, "full"));
        let nothing = service.execute(enrol("ann", "maths")).await.unwrap();
        assert_eq!((nothing.events.len(), nothing.recorded), (0, None));
        let choices = |names: &[&str]| names.iter().map(|name| Choice { course: course(name) }).collect();
        let all = |choices| EnrolInAll {
            student: student("ann"),
            choices,
        };
        let many = service
            .execute(all(choices(&["art", "latin", "chess"])))
            .await
            .unwrap_err();
        assert!(matches!(many, ExecuteError::Refused(CourseError::TooMany)));
        let both = service.execute(all(choices(&["art", "latin"]))).await.unwrap();
        assert_eq!(both.events.len(), 2);
        let free = Withdraw {
            student: student("ann"),
            course: course("maths"),
        };
        service.execute(free).await.unwrap();
        service.execute(enrol("bob", "maths")).await.unwrap();
        let maths = service.load::<Course>(&course("maths")).await.unwrap();
        assert_eq!((maths.seats, maths.taken), (1, 1));
        assert!(replay::states(&service).await >= 5);
    });
}

#[test]
fn a_key_that_is_too_long_empty_or_unprintable_is_refused_before_anything_happens() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        for key in ["x".repeat(256), String::new(), "line\nbreak".to_owned()] {
            let error = service
                .execute(open("maths", 3))
                .idempotency_key(key)
                .await
                .unwrap_err();
            assert_eq!(error.code(), "invalid_idempotency_key");
        }
        assert_eq!(service.store().end().get(), 0);
        service
            .execute(open("maths", 3))
            .idempotency_key("x".repeat(255))
            .await
            .unwrap();
    });
}

#[test]
fn a_key_makes_a_command_one_also_after_a_restart() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        let first = service
            .execute(open("maths", 1))
            .idempotency_key("k1")
            .await
            .unwrap();
        service.execute(enrol("ann", "maths")).await.unwrap();
        let again = service
            .execute(open("maths", 1))
            .idempotency_key("k1")
            .await
            .unwrap();
        assert!(again.repeated && !first.repeated);
        assert_eq!(
            (&again.events, again.end, again.recorded),
            (&first.events, first.end, first.recorded)
        );
        assert_eq!(again.correlation, first.correlation);
        let other = service
            .execute(open("maths", 2))
            .idempotency_key("k1")
            .await
            .unwrap_err();
        assert!(
            matches!(&other, ExecuteError::KeyReused { key } if key == "k1"),
            "{other}"
        );
        let other = service
            .execute(rename("maths", "Sums"))
            .idempotency_key("k1")
            .await
            .unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Invalid);

        let full = service
            .execute(enrol("bob", "maths"))
            .idempotency_key("k2")
            .await
            .unwrap_err();
        assert!(matches!(full, ExecuteError::Refused(_)));
        let free = Withdraw {
            student: student("ann"),
            course: course("maths"),
        };
        service.execute(free).await.unwrap();
        stage.crash("courses").await;
        let service = stage.restart("courses").await;
        let before = service
            .execute(enrol("bob", "maths"))
            .idempotency_key("k2")
            .await
            .unwrap_err();
        assert!(
            matches!(&before, ExecuteError::RefusedBefore(refusal) if refusal.code == "full"),
            "{before}"
        );
        let again = service
            .execute(open("maths", 1))
            .idempotency_key("k1")
            .await
            .unwrap();
        assert!(again.repeated && again.events == first.events);
        // What changed nothing is an answer too.
        let nothing = service
            .execute(rename("maths", ""))
            .idempotency_key("k3")
            .await
            .unwrap();
        let again = service
            .execute(rename("maths", ""))
            .idempotency_key("k3")
            .await
            .unwrap();
        assert!(!nothing.repeated && again.repeated && again.events.is_empty());
    });
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("course.praised")]
struct CoursePraised {
    #[tag]
    course: CourseId,
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("course.moved")]
struct CourseMoved {
    #[tag]
    course: CourseId,
}

#[test]
fn an_old_build_does_not_decide_about_what_it_does_not_know() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        service.execute(open("maths", 2)).await.unwrap();
        let praised = CoursePraised {
            course: course("maths"),
        };
        append(stage, vec![record(stage, &praised)]).await;
        service.execute(enrol("ann", "maths")).await.expect("what the model ignores does not matter");
        let moved = |name| CourseMoved { course: course(name) };
        append(stage, vec![record(stage, &moved("maths"))]).await;
        let stale = service.execute(enrol("bob", "maths")).await.unwrap_err();
        assert!(
            matches!(&stale, ExecuteError::StaleBuild { command: "courses.enrol", unknown } if *unknown == CourseMoved::TYPE),
            "{stale}"
        );
        assert_eq!((stale.kind(), stale.code().as_str()), (ErrorKind::Unavailable, "stale_build"));
        service.execute(open("art", 2)).await.expect("another course has no such event");
        let codes: Vec<String> = journal(stage).await.into_iter().map(|(_, entry)| entry.code).collect();
        assert_eq!(codes, ["stale_build"]);
    });
}

#[test]
fn the_journal_holds_refusals_with_the_command() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        let refused = service.execute(enrol("ann", "maths")).await;
        assert!(refused.is_err());
        let entries = journal(stage).await;
        let [(event, entry)] = &entries[..] else {
            panic!("{entries:?}");
        };
        assert_eq!(event.event_type, REFUSED);
        let tags: Vec<&str> = event.tags.iter().map(|tag| tag.as_str()).collect();
        assert_eq!(tags, ["student:ann", "course:maths"]);
        assert!(event.metadata.correlation.is_some());
        assert_eq!(
            (entry.command.as_str(), entry.code.as_str(), entry.attempt),
            ("courses.enrol", "full", 1)
        );
        assert_eq!(
            entry.data,
            serde_json::json!({"student": "ann", "course": "maths"})
        );
        assert_eq!(entry.detail, "maths has no free seat");
        assert_eq!(stage.history("courses").await.len(), 0);
    });
}

#[test]
fn the_past_is_what_it_was_by_position_and_by_time() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        service.execute(open("maths", 9)).await.unwrap();
        let mut moments = Vec::new();
        for who in ["ann", "bob", "cid"] {
            stage.pass(Duration::from_secs(60)).await;
            moments.push(stage.now());
            service.execute(enrol(who, "maths")).await.unwrap();
        }
        let maths = course("maths");
        let taken = async |moment: annals::Moment| {
            let state = service.load::<Course>(&maths).at(moment).await.unwrap();
            (
                state.taken,
                state.revision.map(|revision| revision.get()),
                state.end.get(),
            )
        };
        assert_eq!(taken(annals::Moment::Now).await, (3, Some(3), 4));
        assert_eq!(taken(Position::new(2).into()).await, (1, Some(1), 2));
        assert_eq!(taken(Position::ZERO.into()).await, (0, None, 0));
        assert_eq!(taken(Position::new(99).into()).await, (3, Some(3), 4));
        for (before, moment) in moments.into_iter().enumerate() {
            let just_before = moment.before(Duration::from_micros(1));
            let count = u32::try_from(before).unwrap();
            assert_eq!(taken(just_before.into()).await.0, count, "just before {moment}");
        }
        assert_eq!(taken(stage.now().into()).await.0, 3);
        let shown = service
            .show(&maths.tag().unwrap(), Position::new(2).into())
            .await
            .unwrap();
        let [shown] = &shown[..] else { panic!("{shown:?}") };
        assert_eq!(
            (shown.model.as_str(), &shown.state["taken"]),
            ("Course", &serde_json::json!(1))
        );
        assert_eq!(service.kinds(), ["course", "student"]);
    });
}

#[test]
fn commands_as_json_take_the_same_way() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        let call = async |name: &str, json: &'static str| service.call(name, json.into(), How::default()).await;
        call("courses.open", r#"{"course":"maths","seats":0}"#).await.unwrap();
        let refused = call("courses.enrol", r#"{"course":"maths","student":"ann"}"#).await.unwrap_err();
        assert!(matches!(&refused, CallError::Execute(error) if error.code() == "full"), "{refused}");
        let shape = call("courses.enrol", r#"{"course":"maths"}"#).await.unwrap_err();
        assert!(matches!(&shape, CallError::Decode(_)) && shape.kind() == ErrorKind::Invalid, "{shape}");
        let nobody = call("courses.close", "{}").await.unwrap_err();
        assert_eq!(
            nobody.to_string(),
            "the service courses takes no command courses.close; it takes: courses.enrol, courses.enrol_in_all, \
             courses.open, courses.rename, courses.withdraw"
        );
        assert_eq!(nobody.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_command_may_expect_a_revision_whatever_it_leads_to() {
    Chain::new(1).run(async |stage| {
        let service = stage.service("courses", courses).await;
        let maths = course("maths").tag().unwrap();
        let at = |number| Some(annals_core::position::Revision::new(number));
        service
            .execute(open("maths", 0))
            .expecting(maths.clone(), None)
            .await
            .unwrap();
        let moved = service
            .execute(rename("maths", "Sums"))
            .expecting(maths.clone(), None)
            .await
            .unwrap_err();
        assert!(
            matches!(&moved, ExecuteError::Moved { expected: None, .. }),
            "{moved}"
        );
        service
            .execute(rename("maths", "Sums"))
            .expecting(maths.clone(), at(0))
            .await
            .unwrap();
        // Nothing is appended here, and still the answer depends on what was expected.
        let nothing = service
            .execute(rename("maths", "Sums"))
            .expecting(maths.clone(), at(0))
            .await;
        assert!(matches!(nothing, Err(ExecuteError::Moved { .. })), "{nothing:?}");
        let refused = service
            .execute(enrol("ann", "maths"))
            .expecting(maths.clone(), at(0))
            .await;
        assert!(matches!(refused, Err(ExecuteError::Moved { .. })), "{refused:?}");
        let refused = service
            .execute(enrol("ann", "maths"))
            .expecting(maths, at(1))
            .await;
        assert!(matches!(refused, Err(ExecuteError::Refused(_))), "{refused:?}");
    });
}

/// As the first version was stored.
#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("course.graded")]
struct CourseGradedV1 {
    #[tag]
    course: CourseId,
    grade: String,
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("course.graded", version = 2, from = CourseGradedV1)]
struct CourseGraded {
    #[tag]
    course: CourseId,
    points: u32,
}

impl From<CourseGradedV1> for CourseGraded {
    fn from(old: CourseGradedV1) -> Self {
        Self {
            course: old.course,
            points: old.grade.len() as u32,
        }
    }
}

#[derive(Events)]
enum GradeFact {
    Graded(CourseGraded),
}

#[derive(Default, Serialize)]
struct Grades {
    points: Vec<u32>,
}

impl Model for Grades {
    type Key = CourseId;
    type Event = GradeFact;

    fn apply(&mut self, event: &GradeFact) {
        let GradeFact::Graded(graded) = event;
        self.points.push(graded.points);
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("courses.grade")]
struct Grade {
    #[key]
    course: CourseId,
}

#[command]
fn grade(command: Grade, grades: &Grades) -> Result<CourseGraded, std::convert::Infallible> {
    Ok(CourseGraded {
        course: command.course,
        points: grades.points.iter().sum(),
    })
}

#[test]
fn old_versions_are_lifted_on_the_way_from_the_store() {
    Chain::new(1).run(async |stage| {
        let service = stage
            .service("courses", |service| service.command::<Grade>())
            .await;
        let old = CourseGradedV1 {
            course: course("maths"),
            grade: "****".into(),
        };
        append(stage, vec![record(stage, &old)]).await;
        let command = || Grade {
            course: course("maths"),
        };
        service.execute(command()).await.unwrap();
        service.execute(command()).await.unwrap();
        let grades = service.load::<Grades>(&course("maths")).await.unwrap();
        assert_eq!(grades.points, [4, 4, 8]);
        let history = stage.history("courses").await;
        let versions: Vec<u16> = history.iter().map(|event| event.version).collect();
        assert_eq!(versions, [1, 2, 2]);
        assert!(history.iter().all(|event| event.purpose == Purpose::Event));
        assert_eq!(GradeFact::TYPES, [CourseGraded::TYPE]);
        // A version from the future is not guessed at.
        let mut newer = record(stage, &old);
        newer.version = 3;
        append(stage, vec![newer]).await;
        let error = service.execute(command()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(
            error
                .to_string()
                .contains("is of version 3, this build reads up to version 2"),
            "{error}"
        );
    });
}

#[test]
fn states_that_fell_out_of_the_cache_are_folded_again() {
    Chain::new(1).run(async |stage| {
        let service = stage
            .service("courses", |service| courses(service).states_max(2))
            .await;
        for name in ["a", "b", "c", "d"] {
            service.execute(open(name, 9)).await.unwrap();
        }
        for round in 1..=3_u32 {
            for name in ["a", "b", "c", "d"] {
                service
                    .execute(enrol(&format!("{name}{round}"), name))
                    .await
                    .unwrap();
                let held = replay::states(&service).await;
                assert!(held <= 2, "{held}");
            }
        }
        let state = service.load::<Timetable>(&student("a1")).await.unwrap();
        assert_eq!(state.courses, [course("a")]);
    });
}
