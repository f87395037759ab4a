use std::collections::{BTreeMap, BTreeSet};

use super::{
    Missing, Report, Row, Verdict, chosen, missing, needs_servers,
    plan::{Step, Work, quick, whole},
    too_few,
};
use crate::{
    marked::{Marked, Suite},
    services::Server,
    tally::Tally,
};

fn lines(steps: &[super::plan::Step]) -> Vec<(String, String)> {
    let line = |work: &Work| match work {
        Work::Tidy | Work::Power | Work::Brokers(_) => String::new(),
        Work::Python(project) => (*project).to_owned(),
        Work::Services(servers) => servers.iter().map(|s| s.name()).collect::<Vec<_>>().join(" "),
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
    let long = long.map(|(package, tests)| {
        let long = tests.into_iter().map(str::to_owned).collect();
        let marked = Marked {
            long,
            ..Marked::default()
        };
        (package.to_owned(), marked)
    });
    let steps = whole(&long.into());
    let all = lines(&steps);
    let after: Vec<_> = all[quick().len()..]
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        after,
        [
            "python",
            "integration",
            "build-release",
            "long-annals-cli",
            "long-ordering",
            "power"
        ]
    );
    let cli = &all[quick().len() + 3].1;
    assert_eq!(
        cli,
        "test -p annals-cli --release --tests --no-fail-fast -- --ignored --test-threads=1 kill"
    );
    let Work::Cargo { tests_min, .. } = steps[quick().len() + 4].work else {
        panic!("no run of cargo")
    };
    assert_eq!(tests_min, 2);
}

/// A package with two tests of Kafka, one with Python besides, and one test and a suite of NATS.
fn with_servers() -> Vec<Step> {
    let suite = |tests: &[&str], macros| Suite {
        tests: tests.iter().map(|name| (*name).to_owned()).collect(),
        macros,
        ..Suite::default()
    };
    let mut kafka = suite(&["kafka::a", "kafka::b"], 0);
    kafka.in_python = vec!["p".to_owned()];
    let marked = Marked {
        broker: BTreeMap::from([(Server::Kafka, kafka), (Server::Nats, suite(&["c"], 1))]),
        features: vec!["kafka".to_owned(), "nats".to_owned()],
        ..Marked::default()
    };
    whole(&BTreeMap::from([("bus".to_owned(), marked)]))
}

#[test]
fn servers_come_first_and_only_those_that_are_needed() {
    let all = lines(&with_servers());
    assert_eq!(all[0], ("services".to_owned(), "kafka nats".to_owned()));
    assert_eq!(all.last().unwrap().0, "brokers-bus");
    assert!(whole(&BTreeMap::new()).iter().all(|step| !needs_servers(step)));
}

#[test]
fn tests_run_for_the_servers_that_are_up() {
    let steps = with_servers();
    let Work::Brokers(brokers) = &steps.last().unwrap().work else {
        panic!("no tests that need servers")
    };
    let run_with = |up: &[Server], python: bool| {
        let up: BTreeSet<Server> = up.iter().copied().collect();
        brokers.with(&up, python).map(|(args, min)| (args.join(" "), min))
    };
    let run = |up: &[Server]| run_with(up, false);
    let line = |filters: &str| {
        format!(
            "test -p bus --tests --no-fail-fast --features kafka,nats -- --ignored --test-threads=1 {filters}"
        )
    };
    assert_eq!(run(&[Server::Kafka]), Some((line("kafka::a kafka::b"), 2)));
    let both = line("c kafka::a kafka::b nats::");
    assert_eq!(run(&[Server::Nats, Server::Kafka]), Some((both, 4)));
    assert_eq!(run(&[Server::Artemis]), None);
    let with_python = line("kafka::a kafka::b p");
    assert_eq!(run_with(&[Server::Kafka], true), Some((with_python, 3)));
}

#[test]
fn what_a_missing_server_costs_is_told() {
    let why = Missing {
        servers: BTreeMap::from([(Server::Nats, "there is no Go".to_owned())]),
        python: None,
    };
    assert_eq!(
        missing(&with_servers(), &why),
        "not run: 1 test and 1 suite of nats in brokers-bus: there is no Go\n"
    );
    assert_eq!(missing(&quick(), &why), "");
}

#[test]
fn what_a_missing_python_costs_is_told() {
    let mut why = Missing {
        python: Some("there is none".to_owned()),
        ..Missing::default()
    };
    let own = "not run: the tests of examples/notifications: there is none\n";
    let told = missing(&with_servers(), &why);
    let expected = format!("{own}not run: 1 of kafka and python in brokers-bus: there is none\n");
    assert_eq!(told, expected);
    why.servers.insert(Server::Kafka, "no Java".to_owned());
    let told = missing(&with_servers(), &why);
    assert_eq!(
        told,
        format!("{own}not run: 3 tests of kafka in brokers-bus: no Java\n")
    );
}

#[test]
fn tests_that_need_servers_or_python_bring_them_along() {
    let names = |only: &str| -> Vec<String> {
        let steps = chosen(with_servers(), &[only.to_owned()]).unwrap();
        steps.into_iter().map(|step| step.name).collect()
    };
    assert_eq!(names("brokers-bus"), ["services", "python", "brokers-bus"]);
    assert_eq!(names("python"), ["python"]);
    assert_eq!(names("fmt"), ["fmt"]);
    assert_eq!(names("services"), ["services"]);
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
fn a_marked_test_that_did_not_run_is_a_failure() {
    let tally = Tally {
        passed: 1,
        failed: 0,
        ignored: 0,
    };
    assert_eq!(too_few(tally, 1), None);
    assert!(too_few(tally, 2).unwrap().contains("2 such tests"));
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
        missing: Missing::default(),
    };
    assert_eq!(good.failures(), 0);
    assert_eq!(good.tally().passed, 7);
    let bad = Report {
        rows: vec![
            row("unit", 7, Verdict::Failed("2 of them".into())),
            row("docs", 0, Verdict::NotRun),
        ],
        missing: Missing::default(),
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
