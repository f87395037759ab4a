use std::collections::BTreeMap;

use annals::ExecuteError;
use annals_core::event::RecordedEvent;
use annals_testkit::chain::{Chain, Faults, Stage};
use annals_testkit::replay;

use crate::chain::EVERYTHING;
use crate::school::{
    Admission, CourseError, Desk, Enrol, FEE_PATIENCE, FeePaid, Open, Timetable, course, school, student,
};

/// Enrols as a client does that loses answers: again with the same key, until it knows.
pub(crate) async fn enrolled_somehow(stage: &Stage, who: &str) {
    loop {
        let open = Open {
            course: course("maths"),
            seats: 1_000,
        };
        let courses = stage.running("courses");
        let opened = courses.execute(open).idempotency_key("open").await;
        if opened.is_err() {
            continue;
        }
        let enrol = Enrol {
            student: student(who),
            course: course("maths"),
        };
        match courses
            .execute(enrol)
            .idempotency_key(format!("enrol {who}"))
            .await
        {
            Ok(_) => return,
            Err(ExecuteError::Refused(error @ (CourseError::Full(_) | CourseError::TooMany))) => {
                panic!("{error}")
            }
            Err(_) => {}
        }
    }
}

const SERVICES: [&str; 5] = ["courses", "desks", "fees", "admissions", "recorder"];
const STUDENTS: u64 = 6;

fn name(number: u64) -> String {
    if number == 0 {
        "tall".to_owned()
    } else {
        format!("s{number}")
    }
}

fn count(history: &[RecordedEvent], event_type: &str, who: &str) -> usize {
    let tag = format!("student:{who}");
    let about =
        |event: &&RecordedEvent| event.event_type.as_str() == event_type && event.metadata.origin.is_none();
    history
        .iter()
        .filter(about)
        .filter(|event| event.tags.iter().any(|own| own.as_str() == tag))
        .count()
}

/// Students are enrolled while services crash at moments that the seed chooses. In the end everything has happened once.
pub(crate) fn story(seed: u64, chain: &Chain) {
    chain.run(async |stage| {
        let bank = school(stage).await;
        bank.fails(&name(1), 1);
        for number in 0..STUDENTS {
            enrolled_somehow(stage, &name(number)).await;
            for _ in 0..stage.seed().below(4) {
                let chosen = stage.seed().below(SERVICES.len() as u64 + 1);
                match SERVICES.get(chosen as usize) {
                    Some(service) => drop(stage.crash_somewhere(service).await),
                    None => stage.power_cut().await,
                }
                if stage.seed().per_mille(300) {
                    let some = std::time::Duration::from_millis(stage.seed().below(200));
                    tokio::time::sleep(some).await;
                }
            }
        }
        stage.settle().await;
        // Nothing is lost, and what a bank was asked twice for it was asked under one reference.
        stage.pass(FEE_PATIENCE).await;
        let histories = histories(stage).await;
        for number in 0..STUDENTS {
            check(stage, &histories, seed, &name(number)).await;
        }
        let mut references: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (who, reference) in bank.asked() {
            references.entry(who).or_default().push(reference);
        }
        for (who, mut references) in references {
            references.dedup();
            assert_eq!(
                references.len(),
                1,
                "seed {seed}: {who} paid under {references:?}"
            );
        }
        for status in stage.statuses().await {
            assert_eq!((status.timers, status.parked), (0, 0), "seed {seed}: {status:?}");
        }
        for service in ["courses", "desks", "fees"] {
            replay::states(&stage.running(service)).await;
        }
        let steps = replay::process::<Admission>(&stage.running("admissions")).await;
        assert_eq!(steps as u64, STUDENTS * 3 - 1, "seed {seed}");
    });
}

async fn histories(stage: &Stage) -> BTreeMap<&'static str, Vec<RecordedEvent>> {
    let mut histories = BTreeMap::new();
    for service in SERVICES {
        histories.insert(service, stage.history(service).await);
    }
    histories
}

async fn check(stage: &Stage, histories: &BTreeMap<&'static str, Vec<RecordedEvent>>, seed: u64, who: &str) {
    let times = |service: &str, event_type: &str| count(&histories[service], event_type, who);
    assert_eq!(times("courses", "seat.taken"), 1, "seed {seed}: {who}");
    assert_eq!(times("admissions", "desks.give"), 1, "seed {seed}: {who}");
    let desk = stage.running("desks").load::<Desk>(&student(who)).await;
    let timetable = stage.running("courses").load::<Timetable>(&student(who)).await;
    if who == "tall" {
        assert_eq!(times("desks", "command.refused"), 1, "seed {seed}: {who}");
        assert_eq!(times("courses", "seat.freed"), 1, "seed {seed}: {who}");
        return;
    }
    assert_eq!(times("desks", "desk.given"), 1, "seed {seed}: {who}");
    assert_eq!(times("admissions", "fees.take"), 1, "seed {seed}: {who}");
    assert_eq!(times("fees", "fee.paid"), 1, "seed {seed}: {who}");
    assert_eq!(times("courses", "seat.freed"), 0, "seed {seed}: {who}");
    if let (Ok(desk), Ok(timetable)) = (desk, timetable) {
        assert!(desk.has && timetable.courses.len() == 1, "seed {seed}: {who}");
    }
    let paid = histories["fees"]
        .iter()
        .find(|event| event.event_type == <FeePaid as annals::Message>::TYPE);
    assert!(paid.is_some());
}

/// The seeds of a test that tries many: so many, or as many as `ANNALS_SEEDS` says, or the one that `ANNALS_SEED` names.
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let asked = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|number| number.parse::<u64>().ok())
    };
    match asked("ANNALS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("ANNALS_SEEDS").unwrap_or(usual),
    }
}

#[test]
fn crashes_at_any_point_leave_exactly_one_effect() {
    for seed in seeds(60) {
        story(seed, &Chain::new(seed));
    }
}

#[test]
fn crashes_and_lost_answers_and_repetitions_leave_exactly_one_effect() {
    for seed in seeds(60) {
        story(seed, &Chain::with_faults(seed, EVERYTHING));
    }
}

#[test]
fn power_cuts_leave_exactly_one_effect() {
    for seed in seeds(30) {
        story(seed, &Chain::on_disk(seed, Faults::default()));
        story(seed, &Chain::on_disk(seed, EVERYTHING));
    }
}
