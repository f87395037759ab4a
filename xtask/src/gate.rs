//! The gate: steps in a row, each announced, timed and judged.
//!
//! In: what to run and how strictly. Out: the output of every step as it comes, a table at the end, and whether
//! all went well. A failing step stops the row unless told to keep going; the table tells what was not run, and so
//! do lines below it where a server or Python was missing.

use std::{env, fmt::Write, path::PathBuf, time::Instant};

use anyhow::{Context, Result, bail};

use crate::{
    cargo, marked,
    services::{Place, Server},
    session::{Missing, Session},
    tally::Tally,
    tidy,
    torture::power,
    tree::Tree,
    unittest,
};

mod plan;

use plan::{Brokers, Step, Work};

/// How to run a gate.
pub(crate) struct Options {
    /// Root of the repository.
    pub(crate) root: PathBuf,
    /// Go on after a failing step.
    pub(crate) keep_going: bool,
    /// Names of the steps to run; all when empty.
    pub(crate) only: Vec<String>,
    /// Leave out what needs servers.
    pub(crate) no_servers: bool,
}

/// Runs the quick gate and answers whether all went well.
///
/// # Errors
/// `only` names a step there is none of, or a step cannot be started.
pub(crate) fn check(options: &Options) -> Result<bool> {
    let tree = Tree::load(&options.root)?;
    let steps = chosen(plan::quick(), &options.only)?;
    let report = Report::of(options, &tree, &steps)?;
    print!("\n{}", report.table());
    Ok(report.failures() == 0)
}

/// Runs the quick gate and the marked tests, ends with the line `N passed, M failed`, and answers whether all
/// went well. Servers that it starts are gone when it returns.
///
/// # Errors
/// As for [`check`].
pub(crate) fn test(options: &Options) -> Result<bool> {
    let tree = Tree::load(&options.root)?;
    let steps = chosen(plan::whole(&marked::find(&tree)), &options.only)?;
    let (steps, left_out): (Vec<Step>, Vec<Step>) = steps
        .into_iter()
        .partition(|step| !(options.no_servers && needs_servers(step)));
    let report = Report::of(options, &tree, &steps)?;
    let tally = report.tally();
    print!("\n{}", report.table());
    let asked = Server::ALL.map(|server| (server, "left out, as asked for by --no-servers".to_owned()));
    let asked = Missing {
        servers: asked.into(),
        python: None,
    };
    let missing = missing(&steps, &report.missing) + &missing(&left_out, &asked);
    if !missing.is_empty() {
        print!("\n{missing}");
    }
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    Ok(report.failures() == 0)
}

fn needs_servers(step: &Step) -> bool {
    matches!(step.work, Work::Services(_) | Work::Brokers(_))
}

fn needs_python(step: &Step) -> bool {
    matches!(&step.work, Work::Brokers(brokers) if brokers.needs_python())
}

/// A line per suite that could not run for want of its server or of Python.
fn missing(steps: &[Step], reasons: &Missing) -> String {
    let mut lines = String::new();
    let mut not_run = |what: &str, why: &str| {
        writeln!(lines, "not run: {what}: {why}").expect("writing to a string cannot fail");
    };
    for step in steps {
        match (&step.work, &reasons.python) {
            (Work::Python(project), Some(why)) => not_run(&format!("the tests of {project}"), why),
            (Work::Brokers(brokers), python) => {
                for (server, suite) in &brokers.suites {
                    let (name, in_python) = (&step.name, suite.in_python.len());
                    match (reasons.servers.get(server), python) {
                        (Some(why), _) => not_run(&format!("{} of {server} in {name}", suite.count()), why),
                        (None, Some(why)) if in_python > 0 => {
                            not_run(&format!("{in_python} of {server} and python in {name}"), why);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    lines
}

fn chosen(steps: Vec<Step>, only: &[String]) -> Result<Vec<Step>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| !steps.iter().any(|step| step.name == **name))
    {
        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        bail!("no step is called `{unknown}`; there are {}", names.join(", "));
    }
    let named = |step: &Step| only.is_empty() || only.contains(&step.name);
    let brokers = |step: &&Step| named(step) && matches!(step.work, Work::Brokers(_));
    let with_servers = steps.iter().any(|step| brokers(&step));
    let with_python = steps.iter().filter(brokers).any(needs_python);
    let wanted = |step: &Step| match step.work {
        Work::Services(_) => named(step) || with_servers,
        Work::Python(_) => named(step) || with_python,
        _ => named(step),
    };
    Ok(steps.into_iter().filter(wanted).collect())
}

/// How a step ended.
enum Verdict {
    Passed,
    Failed(String),
    NotRun,
}

struct Row {
    name: String,
    seconds: f64,
    tally: Tally,
    verdict: Verdict,
}

struct Report {
    rows: Vec<Row>,
    missing: Missing,
}

impl Report {
    /// Runs the steps.
    fn of(options: &Options, tree: &Tree, steps: &[Step]) -> Result<Self> {
        let mut session = Session::new(Place::of(&options.root)?)?;
        let mut report = Self {
            rows: Vec::new(),
            missing: Missing::default(),
        };
        let mut stopped = false;
        for step in steps {
            let row = if stopped {
                not_run(step)
            } else {
                run(options, tree, &mut session, step)?
            };
            stopped |= matches!(row.verdict, Verdict::Failed(_)) && !options.keep_going;
            report.rows.push(row);
        }
        report.missing.clone_from(&session.missing);
        Ok(report)
    }

    fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        self.rows.iter().for_each(|row| sum += row.tally);
        sum
    }

    fn failures(&self) -> usize {
        self.rows
            .iter()
            .filter(|row| matches!(row.verdict, Verdict::Failed(_)))
            .count()
    }

    fn table(&self) -> String {
        let width = self
            .rows
            .iter()
            .map(|row| row.name.len())
            .max()
            .unwrap_or(0)
            .max(4);
        let mut table = format!("{:width$}  seconds   passed  result\n", "step");
        for row in &self.rows {
            let passed = if row.tally.ran() == 0 {
                String::new()
            } else {
                row.tally.passed.to_string()
            };
            let result = match &row.verdict {
                Verdict::Passed => "ok".to_owned(),
                Verdict::Failed(why) => format!("FAILED: {why}"),
                Verdict::NotRun => "not run".to_owned(),
            };
            writeln!(
                table,
                "{:width$}  {:7.1}  {passed:>7}  {result}",
                row.name, row.seconds
            )
            .expect("writing to a string cannot fail");
        }
        table
    }
}

fn not_run(step: &Step) -> Row {
    Row {
        name: step.name.clone(),
        seconds: 0.0,
        tally: Tally::default(),
        verdict: Verdict::NotRun,
    }
}

fn run(options: &Options, tree: &Tree, session: &mut Session, step: &Step) -> Result<Row> {
    println!("\n== {}", step.name);
    let begun = Instant::now();
    let done = match &step.work {
        Work::Tidy => Some((Tally::default(), run_tidy(tree)?)),
        Work::Services(servers) => Some((Tally::default(), session.bring_up(servers, strict()))),
        Work::Python(project) => run_python(options, session, project)?,
        Work::Power => run_power(options)?,
        Work::Brokers(brokers) => run_brokers(options, session, brokers)?,
        Work::Cargo {
            args,
            variables,
            tests_min,
        } => Some(run_cargo(options, session, args, variables, *tests_min)?),
    };
    let Some((tally, failure)) = done else {
        return Ok(not_run(step));
    };
    if let Some(why) = &failure {
        println!("== {} failed: {why}", step.name);
    }
    let verdict = failure.map_or(Verdict::Passed, Verdict::Failed);
    Ok(Row {
        name: step.name.clone(),
        seconds: begun.elapsed().as_secs_f64(),
        tally,
        verdict,
    })
}

/// A runner has to have what is needed; a desk may lack some of it.
fn strict() -> bool {
    env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Tests that were counted, and why the run failed, if it did.
type Done = (Tally, Option<String>);

/// None where there is no Python, and need not be.
fn run_python(options: &Options, session: &mut Session, project: &str) -> Result<Option<Done>> {
    let project = options.root.join(project);
    let Some(python) = session.ready_python(&project) else {
        return Ok(strict().then(|| (Tally::default(), Some("there is no Python for it".to_owned()))));
    };
    let done = unittest::run(&python, &project)?;
    Ok(Some((done.tally, done.failure)))
}

/// None where this machine does not allow it: it takes root.
fn run_power(options: &Options) -> Result<Option<Done>> {
    let well = power::slice(&options.root)?;
    Ok(well.map(|well| {
        (
            Tally::default(),
            (!well).then(|| "something was lost; see above".to_owned()),
        )
    }))
}

/// None when no server that the tests need is up.
fn run_brokers(options: &Options, session: &Session, brokers: &Brokers) -> Result<Option<Done>> {
    let Some((args, tests_min)) = brokers.with(&session.up, session.python.is_some()) else {
        println!("   no server that it needs is up");
        return Ok(None);
    };
    run_cargo(options, session, &args, &[], tests_min).map(Some)
}

fn run_cargo(
    options: &Options,
    session: &Session,
    args: &[String],
    variables: &[(&'static str, String)],
    tests_min: u64,
) -> Result<Done> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let variables = [session.variables().as_slice(), variables].concat();
    let done = cargo::run(&options.root, &args, &variables)?;
    let failure = done.failure.or_else(|| too_few(done.tally, tests_min));
    Ok((done.tally, failure))
}

/// A test that is there but did not run must not look like one that passed.
fn too_few(tally: Tally, expected: u64) -> Option<String> {
    (tally.ran() < expected).then(|| {
        format!(
            "the sources mark {expected} such tests, but only {} ran; is one of them switched off?",
            tally.ran()
        )
    })
}

fn run_tidy(tree: &Tree) -> Result<Option<String>> {
    let findings = tidy::findings(tree, &[]).context("tidy cannot look at everything")?;
    findings.iter().for_each(|finding| println!("{finding}"));
    Ok((!findings.is_empty()).then(|| format!("{} findings", findings.len())))
}

#[cfg(test)]
mod tests;
