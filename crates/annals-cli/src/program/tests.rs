use clap::FromArgMatches;

use super::{Arguments, Program};

/// Every verb with all that it needs.
const LINES: [&str; 21] = [
    "annals serve --port 0",
    "annals new my-service --path x --annals y",
    "annals send orders.cancel {} --service orders --key k --wait --json",
    "annals tail --service s --type order.* --tag order:1 --from 7 --no-follow",
    "annals tail --last 3 -q",
    "annals event ls --service s --type a --type b --tag order/1 --from 2026-01-01T00:00:00Z --limit 3 --backward --at 9",
    "annals event show orders:7 -o json",
    "annals entity show order/1 --at -1",
    "annals entity show order:1 --at orders:7 --service orders",
    "annals entity history order/1 --limit 3 -o jsonl",
    "annals request show 01a20941-c334-7240-aed2-a7c28e5727d1",
    "annals status --node http://127.0.0.1:4000",
    "annals parked ls --service orders",
    "annals parked requeue 01a20941-c334-7240-aed2-a7c28e5727d1",
    "annals parked requeue --all",
    "annals parked requeue --all --type payments.take --key order:1 --service payments --wait 0",
    "annals verify some/folder --color never -vv",
    "annals --data d verify",
    "annals verify --timeout 0.5",
    "annals --version",
    "annals",
];

#[test]
fn every_line_is_understood() {
    for line in LINES {
        let program = Program::new("annals", "1.2.3");
        let outcome = program.command().try_get_matches_from(line.split(' '));
        let matches = match outcome {
            Ok(matches) => matches,
            Err(error) if !error.use_stderr() => continue,
            Err(error) => panic!("{line}: {error}"),
        };
        // What the definitions and the types disagree on shows here.
        let arguments = Arguments::from_arg_matches(&matches).unwrap();
        assert_eq!(arguments.verb.is_none(), line == "annals", "{line}");
    }
}

#[test]
fn definitions_agree_with_each_other() {
    Program::new("annals", "1.2.3").command().debug_assert();
}

#[test]
fn serve_is_offered_by_programs_that_have_services() {
    let help = |program: Program| program.command().render_help().to_string();
    assert!(!help(Program::new("annals", "1.2.3")).contains("  serve "));
    let library = Program::new("library", "1.2.3").serves(|_| async { Ok(()) });
    assert!(help(library).contains("  serve "));
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in [
        "annals send orders.cancel",
        "annals parked requeue",
        "annals parked requeue --key order:1",
        "annals parked requeue --all 01a20941-c334-7240-aed2-a7c28e5727d1",
        "annals entity show order",
        "annals request show 12",
        "annals event ls --limit 0",
        "annals tail --last 3 --from 7",
        "annals verify -o json --json",
        "annals verify --timeout 0",
        "annals tial",
    ] {
        let refused = Program::new("annals", "1.2.3")
            .command()
            .try_get_matches_from(line.split(' '));
        assert!(refused.is_err_and(|error| error.use_stderr()), "{line}");
    }
}
