use annals_testkit::chain::{Chain, Faults, Stage, Trace};

use crate::school::{CourseId, Desk, Enrol, Fee, Open, Timetable, course, school, student};

pub(crate) const EVERYTHING: Faults = Faults {
    unknown_appends: 30,
    slow_appends: 30,
    failed_reads: 20,
    unknown_publishes: 60,
    slow_publishes: 40,
    lost_subscriptions: 60,
    repeated_deliveries: 100,
};

async fn opened(stage: &Stage, name: &str, seats: u32) -> CourseId {
    let open = Open {
        course: course(name),
        seats,
    };
    stage.running("courses").execute(open).await.unwrap();
    course(name)
}

#[test]
fn a_request_runs_through_every_service() {
    Chain::new(1).run(async |stage| {
        let bank = school(stage).await;
        let maths = opened(stage, "maths", 2).await;
        let ann = student("ann");
        let enrol = Enrol {
            student: ann.clone(),
            course: maths.clone(),
        };
        let done = stage.running("courses").execute(enrol).await.unwrap();
        stage.settle().await;
        let timetable = stage.running("courses").load::<Timetable>(&ann).await.unwrap();
        assert_eq!(timetable.state.courses, [maths]);
        assert!(stage.running("desks").load::<Desk>(&ann).await.unwrap().has);
        assert!(stage.running("fees").load::<Fee>(&ann).await.unwrap().paid);
        assert_eq!(bank.asked_for("student:ann"), 0);
        assert_eq!(bank.asked_for("ann"), 1);
        let correlation = done.correlation.unwrap();
        let recorded = stage.history("recorder").await;
        let ours = recorded
            .iter()
            .filter(|event| event.metadata.correlation == Some(correlation));
        let types: Vec<&str> = ours.map(|event| event.event_type.as_str()).collect();
        assert_eq!(
            types,
            ["seat.taken", "desks.give", "desk.given", "fees.take", "fee.paid"]
        );
    });
}

fn trace_of(chain: &Chain) -> Trace {
    chain.run(async |stage| {
        let bank = school(stage).await;
        bank.fails("s3", 2);
        while courses_opened(stage).await.is_err() {}
        for number in 0..6 {
            let enrol = Enrol {
                student: student(&format!("s{number}")),
                course: course("maths"),
            };
            // Whether its answer was lost or not is a part of the trace.
            let _answer = stage.running("courses").execute(enrol).await;
        }
        stage.crash_somewhere("admissions").await;
        stage.crash_somewhere("fees").await;
        stage.power_cut().await;
        stage.pass(crate::school::FEE_PATIENCE).await;
        stage.trace().await
    })
}

async fn courses_opened(stage: &Stage) -> Result<(), ()> {
    let open = Open {
        course: course("maths"),
        seats: 4,
    };
    let opened = stage
        .running("courses")
        .execute(open)
        .idempotency_key("open maths")
        .await;
    opened.map(drop).map_err(drop)
}

#[test]
fn the_same_seed_twice_is_the_same_trace() {
    for seed in 0..8 {
        let chains: [fn(u64) -> Chain; 3] = [
            Chain::new,
            |seed| Chain::with_faults(seed, EVERYTHING),
            |seed| Chain::on_disk(seed, EVERYTHING),
        ];
        for (number, chain) in chains.into_iter().enumerate() {
            let (first, second) = (trace_of(&chain(seed)), trace_of(&chain(seed)));
            assert_eq!(
                first.first_difference(&second),
                None,
                "seed {seed}, chain {number}"
            );
            assert!(first.lines().len() > 20, "{first}");
        }
    }
}

#[test]
fn another_seed_is_another_trace() {
    let types = |seed| {
        let trace = trace_of(&Chain::new(seed));
        let words = |line: &String| line.split(' ').nth(3).unwrap_or_default().to_owned();
        trace.lines().iter().map(words).collect::<Vec<_>>()
    };
    let first = types(0);
    assert!(
        (1..20).any(|seed| types(seed) != first),
        "every seed interleaves alike"
    );
}
