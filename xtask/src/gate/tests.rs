use super::{
    Report, Row, Verdict, chosen,
    plan::{Work, quick, whole},
    too_few,
};
use crate::tally::Tally;

fn lines(steps: &[super::plan::Step]) -> Vec<(String, String)> {
    let line = |work: &Work| match work {
        Work::Tidy => String::new(),
        Work::Cargo { args, .. } => args.join(" "),
    };
    steps
        .iter()
        .map(|step| (step.name.clone(), line(&step.work)))
        .collect()
}

#[test]
fn long_tests_follow_the_gate_and_cli_runs_in_release() {
    let long = [("annals-cli", vec!["kill"]), ("ordering", vec!["a", "b"])];
    let long = long.map(|(p, t)| (p.to_owned(), t.into_iter().map(str::to_owned).collect()));
    let steps = whole(&long.into());
    let all = lines(&steps);
    let after: Vec<_> = all[quick().len()..]
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        after,
        ["integration", "build-release", "long-annals-cli", "long-ordering"]
    );
    let cli = &all[quick().len() + 2].1;
    assert_eq!(
        cli,
        "test -p annals-cli --release --tests --no-fail-fast -- --ignored --test-threads=1 kill"
    );
    let Work::Cargo { tests_min, .. } = steps[quick().len() + 3].work else {
        panic!("no run of cargo")
    };
    assert_eq!(tests_min, 2);
}

#[test]
fn steps_are_chosen_by_name() {
    let only = ["tidy", "fmt"].map(str::to_owned);
    let names: Vec<_> = chosen(quick(), &only)
        .unwrap()
        .into_iter()
        .map(|step| step.name)
        .collect();
    assert_eq!(names, ["fmt", "tidy"]);
    let unknown = chosen(quick(), &["nonsense".to_owned()])
        .err()
        .unwrap()
        .to_string();
    assert!(
        unknown.contains("nonsense") && unknown.contains("doctest"),
        "{unknown}"
    );
}

#[test]
fn a_long_test_that_did_not_run_is_a_failure() {
    let tally = Tally {
        passed: 1,
        failed: 0,
        ignored: 0,
    };
    assert_eq!(too_few(tally, 1), None);
    assert!(too_few(tally, 2).unwrap().contains("2 long tests"));
}

#[test]
fn the_report_tells_what_failed_and_what_was_not_run() {
    let row = |name: &str, passed, verdict| Row {
        name: name.to_owned(),
        seconds: 1.25,
        tally: Tally {
            passed,
            ..Tally::default()
        },
        verdict,
    };
    let good = Report {
        rows: vec![row("fmt", 0, Verdict::Passed), row("unit", 7, Verdict::Passed)],
    };
    assert_eq!(good.failures(), 0);
    assert_eq!(good.tally().passed, 7);
    let bad = Report {
        rows: vec![
            row("unit", 7, Verdict::Failed("2 of them".into())),
            row("docs", 0, Verdict::NotRun),
        ],
    };
    assert_eq!(bad.failures(), 1);
    let table = bad.table();
    let lines: Vec<_> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .collect();
    assert_eq!(lines[1], ["unit", "1.2", "7", "FAILED:", "2", "of", "them"]);
    assert_eq!(lines[2], ["docs", "1.2", "not", "run"]);
}
