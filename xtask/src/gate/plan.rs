//! The steps of the gate, in order.
//!
//! In: the marked tests. Out: named steps; nothing is run here.
//! Invariants: names are unique, so that a step can be asked for by its name; servers and Python are there before
//! anything that may need them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
};

use crate::{
    marked::{Marked, Suite},
    services::Server,
};

/// One step.
pub(super) struct Step {
    /// Its name in the table and on the command line.
    pub(super) name: String,
    /// What it does.
    pub(super) work: Work,
}

/// Tests of one package that need servers.
pub(super) struct Brokers {
    /// The package.
    pub(super) package: String,
    /// Its features that are to be switched on.
    pub(super) features: Vec<String>,
    /// Its tests, by what they need.
    pub(super) suites: BTreeMap<Server, Suite>,
}

impl Brokers {
    /// The run of cargo for the servers that are up, with or without Python, and how many tests it has to run at
    /// least; none when there is nothing to run.
    pub(super) fn with(&self, up: &BTreeSet<Server>, python: bool) -> Option<(Vec<String>, u64)> {
        let suites: Vec<(Server, Suite)> = self
            .suites
            .iter()
            .filter(|(server, _)| up.contains(server))
            .map(|(server, suite)| {
                (
                    *server,
                    if python {
                        suite.clone()
                    } else {
                        suite.without_python()
                    },
                )
            })
            .collect();
        let filters: BTreeSet<String> = suites.iter().flat_map(|(server, s)| s.filters(*server)).collect();
        if filters.is_empty() {
            return None;
        }
        let mut line = format!("test -p {} --tests --no-fail-fast", self.package);
        if !self.features.is_empty() {
            line += &format!(" --features {}", self.features.join(","));
        }
        line += " -- --ignored --test-threads=1";
        let args = line.split_whitespace().map(str::to_owned).chain(filters);
        let tests_min = suites.iter().map(|(_, suite)| suite.tests_min()).sum();
        Some((args.collect(), tests_min))
    }

    /// Whether some of them run a service in Python.
    pub(super) fn needs_python(&self) -> bool {
        self.suites.values().any(|suite| !suite.in_python.is_empty())
    }
}

/// What a step does.
pub(super) enum Work {
    /// Brings servers up.
    Services(Vec<Server>),
    /// Tests that need servers.
    Brokers(Brokers),
    /// Makes Python ready for the project in this folder, and runs the project's own tests.
    Python(&'static str),
    /// The rules of the house.
    Tidy,
    /// Some real power cuts, where this machine allows them.
    Power,
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
const IN_RELEASE: &[(&str, &str)] = &[
    (
        "annals-cli",
        "its long tests kill and feed real nodes; a debug build spends minutes on checksums alone",
    ),
    (
        "annals-store",
        "its long tests open hundreds of thousands of images of a disk",
    ),
];

/// The project in Python.
const IN_PYTHON: &str = "examples/notifications";

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

/// The servers, the quick gate, the tests in Python, the integration tests, and every marked test.
pub(super) fn whole(marked: &BTreeMap<String, Marked>) -> Vec<Step> {
    let mut steps = quick();
    steps.push(Step {
        name: "python".into(),
        work: Work::Python(IN_PYTHON),
    });
    steps.push(cargo("integration", "test --workspace --test * --no-fail-fast"));
    for (package, marked) in marked.iter().filter(|(_, marked)| !marked.long.is_empty()) {
        let release = IN_RELEASE.iter().any(|(name, _)| name == package);
        if release {
            steps.push(cargo("build-release", &format!("build --release -p {package}")));
        }
        let profile = if release { " --release" } else { "" };
        let line = format!(
            "test -p {package}{profile} --tests --no-fail-fast -- --ignored --test-threads=1 {}",
            marked.long.join(" ")
        );
        let mut step = cargo(&format!("long-{package}"), &line);
        if let Work::Cargo { tests_min, .. } = &mut step.work {
            *tests_min = marked.long.len() as u64;
        }
        steps.push(step);
    }
    // Behind the build for release that it shares.
    steps.push(Step {
        name: "power".into(),
        work: Work::Power,
    });
    steps.extend(
        marked
            .iter()
            .filter_map(|(package, marked)| brokers(package, marked)),
    );
    let needed: BTreeSet<Server> = marked.values().flat_map(|m| m.broker.keys().copied()).collect();
    if !needed.is_empty() {
        let work = Work::Services(needed.into_iter().collect());
        let name = "services".to_owned();
        steps.insert(0, Step { name, work });
    }
    steps
}

fn brokers(package: &str, marked: &Marked) -> Option<Step> {
    (!marked.broker.is_empty()).then(|| Step {
        name: format!("brokers-{package}"),
        work: Work::Brokers(Brokers {
            package: package.to_owned(),
            features: marked.features.clone(),
            suites: marked.broker.clone(),
        }),
    })
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
