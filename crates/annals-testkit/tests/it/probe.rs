use std::time::Duration;

use annals_testkit::probe::{Probe, process};

use crate::said::said;
use crate::school::{
    Admission, AdmissionTimer, DeskGiven, FEE_PATIENCE, FeePaid, GiveDesk, ROUND, RefundFee, SeatTaken,
    TakeBackDesk, TakeFee, Withdraw, course, student,
};

fn seat(who: &str) -> SeatTaken {
    SeatTaken {
        course: course("maths"),
        student: student(who),
        seat: 1,
    }
}

fn give(who: &str) -> GiveDesk {
    GiveDesk {
        student: student(who),
    }
}

fn desk(who: &str) -> DeskGiven {
    DeskGiven {
        student: student(who),
    }
}

fn take_fee() -> TakeFee {
    TakeFee {
        student: student("ann"),
    }
}

fn refund() -> RefundFee {
    RefundFee {
        student: student("ann"),
    }
}

fn back() -> TakeBackDesk {
    TakeBackDesk {
        student: student("ann"),
    }
}

fn withdraw() -> Withdraw {
    Withdraw {
        student: student("ann"),
        course: course("maths"),
    }
}

fn with_desk() -> Probe<Admission> {
    process::<Admission>()
        .on(seat("ann"))
        .sends(give("ann"))
        .on(desk("ann"))
        .sends(take_fee())
}

#[test]
fn when_all_goes_well_timers_and_undo_list_are_gone() {
    let paid = FeePaid {
        student: student("ann"),
        reference: "x".into(),
    };
    with_desk()
        .on(paid)
        .sends_nothing()
        .state(|admission| assert!(admission.done && !admission.failed))
        .done();
}

#[test]
fn a_late_fee_takes_everything_back_newest_first() {
    with_desk()
        .pass(FEE_PATIENCE - Duration::from_micros(1))
        .sends_nothing()
        .pass(Duration::from_micros(1))
        .sends((refund(), back(), withdraw()))
        .state(|admission| assert!(admission.failed))
        .done();
}

#[test]
fn a_timer_of_the_same_kind_is_replaced_and_fires_at_its_moment() {
    let round = |round| AdmissionTimer::AskAround { round };
    with_desk()
        .waits(ROUND, &round(1))
        .waits(FEE_PATIENCE, &AdmissionTimer::FeeLate)
        .pass(ROUND + Duration::from_secs(1))
        .state(|admission| assert_eq!(admission.rounds, 1))
        // Set when the first round was due, not when the test looked.
        .waits(ROUND - Duration::from_secs(1), &round(2))
        .pass(ROUND)
        .state(|admission| assert_eq!(admission.rounds, 2))
        .still_waiting();
}

#[test]
fn a_refusal_is_told_and_cancels_the_timers() {
    process::<Admission>()
        .on(seat("ann"))
        .sends(give("ann"))
        .refused::<GiveDesk>("too_tall")
        .sends((back(), withdraw()))
        .done();
}

#[test]
fn what_does_not_hold_is_said() {
    let other = said(|| drop(process::<Admission>().on(seat("ann")).sends(give("bob"))));
    assert!(
        other.starts_with(
            "admission sends: expected 1 events (-), found 1 (+)\n  - 0: desks.give [student:bob]"
        )
    );
    let unseen = said(|| drop(process::<Admission>().on(seat("ann")).pass(ROUND)));
    assert!(
        unseen.starts_with("admission has sent what nobody looked at: desks.give [student:ann]"),
        "{unseen}"
    );
    let waits = said(|| with_desk().done());
    assert_eq!(
        waits,
        "admission is not done, it waits for: {\"AskAround\":{\"round\":1}} in 600s, \"FeeLate\" in 1800s"
    );
    let no_timer = said(|| drop(with_desk().waits(ROUND, &AdmissionTimer::FeeLate)));
    assert!(
        no_timer.contains("no timer \"FeeLate\" that fires in 600s"),
        "{no_timer}"
    );
    let instance = said(|| drop(with_desk().on(desk("bob"))));
    assert!(instance.contains("this instance is student:ann"), "{instance}");
    let never = said(|| drop(with_desk().refused::<Withdraw>("no")));
    assert_eq!(
        never,
        "admission has sent no courses.withdraw that could be refused"
    );
}
