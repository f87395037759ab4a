use annals::{Command, Context, command};
use annals_core::time::Timestamp;
use annals_testkit::scenario::given;
use serde::{Deserialize, Serialize};

use crate::said::said;
use crate::school::{
    Choice, CourseOpened, CourseRenamed, Enrol, EnrolInAll, Open, Rename, SeatTaken, Timetable, Withdraw,
    course, student,
};

fn opened(name: &str, seats: u32) -> CourseOpened {
    CourseOpened {
        course: course(name),
        seats,
    }
}

fn taken(name: &str, who: &str, seat: u32) -> SeatTaken {
    SeatTaken {
        course: course(name),
        student: student(who),
        seat,
    }
}

fn enrol(who: &str, name: &str) -> Enrol {
    Enrol {
        student: student(who),
        course: course(name),
    }
}

#[test]
fn a_decision_over_two_models_sees_both() {
    given((opened("maths", 2), taken("maths", "ann", 1)))
        .when(enrol("bob", "maths"))
        .then(taken("maths", "bob", 2))
        .when(enrol("cid", "maths"))
        .then_refused("full")
        .when(enrol("bob", "maths"))
        .then_nothing();
}

#[test]
fn a_decision_over_each_sees_every_key_once() {
    let choices = ["maths", "art", "maths"]
        .map(|name| Choice { course: course(name) })
        .into();
    given([opened("art", 1), opened("maths", 1)])
        .and(taken("latin", "ann", 1))
        .when(EnrolInAll {
            student: student("ann"),
            choices,
        })
        .then([taken("art", "ann", 1), taken("maths", "ann", 1)])
        .when(Withdraw {
            student: student("ann"),
            course: course("chess"),
        })
        .then_nothing();
}

#[test]
fn a_difference_is_shown_field_by_field_with_what_was_not_seen() {
    let said = said(|| {
        given((opened("maths", 2), opened("art", 9)))
            .when(enrol("bob", "maths"))
            .then(taken("maths", "bob", 7));
    });
    let expected = r#"courses.enrol: expected 1 events (-), found 1 (+)
  - 0: seat.taken [student:bob, course:maths] {"course":"maths","seat":7,"student":"bob"}
  + 0: seat.taken [student:bob, course:maths] {"course":"maths","seat":1,"student":"bob"}
       /seat: expected 7, found 1
  the decision read: it::school::Course of course:maths, it::school::Timetable of student:bob
  given events it did not see:
    1: course.opened [course:art] {"course":"art","seats":9}
"#;
    assert_eq!(said, expected);
}

#[test]
fn a_missing_and_a_superfluous_event_are_shown() {
    let missing = said(|| {
        given(opened("maths", 2))
            .when(enrol("bob", "maths"))
            .then_nothing();
    });
    assert!(
        missing.contains("expected 0 events (-), found 1 (+)\n  + 0: seat.taken"),
        "{missing}"
    );
    let superfluous = said(|| {
        let renamed = CourseRenamed {
            course: course("maths"),
            title: "Sums".into(),
        };
        given(())
            .when(Rename {
                course: course("maths"),
                title: "Sums".into(),
            })
            .then((renamed, opened("maths", 1)));
    });
    assert!(superfluous.contains("    0: course.renamed"), "{superfluous}");
    assert!(superfluous.contains("  - 1: course.opened"), "{superfluous}");
}

#[test]
fn refusals_are_told_from_events_and_from_each_other() {
    let open = || Open {
        course: course("maths"),
        seats: 3,
    };
    let events = said(|| {
        given(()).when(open()).then_refused("open_already");
    });
    assert!(
        events.contains("expected it refused as open_already, found these events: course.opened"),
        "{events}"
    );
    let refused = said(|| {
        given(opened("maths", 1)).when(open()).then(opened("maths", 3));
    });
    assert!(
        refused.contains("found it refused as open_already: the course is open already"),
        "{refused}"
    );
    let other = said(|| {
        given(opened("maths", 1)).when(open()).then_refused("full");
    });
    assert!(
        other.contains("expected it refused as full, found refused as open_already"),
        "{other}"
    );
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[named("courses.stamp")]
struct Stamp {
    #[key]
    course: crate::school::CourseId,
    pure: bool,
}

#[command]
fn stamp(
    command: Stamp,
    _: &crate::school::Course,
    cx: &Context,
) -> Result<CourseRenamed, std::convert::Infallible> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let title = if command.pure {
        format!("{} {}", cx.now(), cx.new_id())
    } else {
        CALLS.fetch_add(1, Ordering::Relaxed).to_string()
    };
    Ok(CourseRenamed {
        course: command.course,
        title,
    })
}

#[test]
fn time_and_ids_are_those_that_were_said() {
    let stamped = |moment: &str, seed| {
        let now: Timestamp = moment.parse().unwrap();
        let stamp = Stamp {
            course: course("maths"),
            pure: true,
        };
        let drafts = given(()).at(now).with_ids(seed).when(stamp).outcome().unwrap();
        String::from_utf8(drafts[0].data.to_vec()).unwrap()
    };
    let first = stamped("2010-12-01T08:26:00Z", 1);
    assert!(first.contains("2010-12-01T08:26:00Z"), "{first}");
    assert_eq!(first, stamped("2010-12-01T08:26:00Z", 1));
    assert_ne!(first, stamped("2010-12-01T08:26:00Z", 2));
}

#[test]
fn a_decision_that_answers_differently_the_second_time_is_not_pure() {
    let said = said(|| {
        let stamp = Stamp {
            course: course("maths"),
            pure: false,
        };
        drop(given(()).when(stamp));
    });
    assert!(
        said.contains("the decision on courses.stamp is not pure"),
        "{said}"
    );
}

#[test]
fn models_can_be_folded_by_hand_too() {
    let mut timetable = Timetable::default();
    annals::Model::apply(&mut timetable, &taken("maths", "ann", 1).into());
    assert_eq!(timetable.courses, [course("maths")]);
}
