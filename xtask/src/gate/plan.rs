//! The steps of the gate, in order.
//!
//! In: the long tests. Out: named steps; nothing is run here.
//! Invariant: names are unique, so that a step can be asked for by its name.

use std::{collections::BTreeMap, env};

/// One step.
pub(super) struct Step {
    /// Its name in the table and on the command line.
    pub(super) name: String,
    /// What it does.
    pub(super) work: Work,
}

/// What a step does.
pub(super) enum Work {
    /// The rules of the house.
    Tidy,
    /// A run of cargo.
    Cargo {
        /// Its arguments.
        args: Vec<String>,
        /// Variables it gets besides ours.
        variables: Vec<(&'static str, String)>,
        /// Fewer tests than this are a failure, also when all that ran passed.
        tests_min: u64,
    },
}

/// Packages whose long tests run in release, with the reason.
const IN_RELEASE: &[(&str, &str)] = &[(
    "annals-cli",
    "its long tests kill and feed real nodes; a debug build spends minutes on checksums alone",
)];

/// The quick gate: format, lints, rules, unit tests, doc tests, docs.
pub(super) fn quick() -> Vec<Step> {
    vec![
        cargo("fmt", "fmt --all --check"),
        Step {
            name: "tidy".into(),
            work: Work::Tidy,
        },
        cargo("clippy", "clippy --workspace --all-targets -- -D warnings"),
        cargo("unit", "test --workspace --lib --bins --no-fail-fast"),
        cargo("doctest", "test --workspace --doc --no-fail-fast"),
        with(
            cargo("docs", "doc --workspace --no-deps"),
            "RUSTDOCFLAGS",
            "-D warnings",
        ),
    ]
}

/// The quick gate, the integration tests, and every long test.
pub(super) fn whole(long: &BTreeMap<String, Vec<String>>) -> Vec<Step> {
    let mut steps = quick();
    steps.push(cargo("integration", "test --workspace --test * --no-fail-fast"));
    for (package, tests) in long {
        let release = IN_RELEASE.iter().any(|(name, _)| name == package);
        if release {
            steps.push(cargo("build-release", &format!("build --release -p {package}")));
        }
        let profile = if release { " --release" } else { "" };
        let tests_min = tests.len() as u64;
        let line = format!(
            "test -p {package}{profile} --tests --no-fail-fast -- --ignored --test-threads=1 {}",
            tests.join(" ")
        );
        let mut step = cargo(&format!("long-{package}"), &line);
        if let Work::Cargo { tests_min: least, .. } = &mut step.work {
            *least = tests_min;
        }
        steps.push(step);
    }
    steps
}

fn cargo(name: &str, line: &str) -> Step {
    let args = line.split_whitespace().map(str::to_owned).collect();
    Step {
        name: name.to_owned(),
        work: Work::Cargo {
            args,
            variables: Vec::new(),
            tests_min: 0,
        },
    }
}

/// The step with `value` added to a variable of flags.
fn with(mut step: Step, variable: &'static str, value: &str) -> Step {
    if let Work::Cargo { variables, .. } = &mut step.work {
        let before = env::var(variable).unwrap_or_default();
        variables.push((variable, format!("{before} {value}").trim().to_owned()));
    }
    step
}
