//! `cargo xtask`: the project's own commands.
//!
//! In: a command line. Out: the gate that every change passes, the rules of the house, the crate arrows; the
//! exit code is 0 when all went well and 1 otherwise. It needs cargo with rustfmt and clippy, and nothing else.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

mod finding;
mod attrs;
mod mask;
mod tree;
mod markdown;
mod tally;
mod cargo;
mod long;
mod tidy;
mod gate;

use tidy::arrows;
use tree::Tree;

/// The commands.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "The project's own commands: the gate, the rules, the arrows."
)]
struct Arguments {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// The quick gate: format, rules, lints, unit tests, doc tests, docs.
    Check {
        #[command(flatten)]
        gate: Gate,
    },
    /// What CI runs: the quick gate, the integration tests and every test marked `long: …`.
    Test {
        #[command(flatten)]
        gate: Gate,
        /// Leave out the tests that need servers.
        #[arg(long)]
        no_servers: bool,
    },
    /// The rules of the house alone.
    Tidy {
        /// Look at this rule only; may be given several times or as a list with commas.
        #[arg(long, value_delimiter = ',', value_name = "RULE")]
        rule: Vec<String>,
    },
    /// Prints which crate imports which, as the manifests have it.
    Arrows {
        /// Redraw the table in ARCHITECTURE.md instead.
        #[arg(long)]
        write: bool,
    },
}

#[derive(clap::Args)]
struct Gate {
    /// Go on after a failing step.
    #[arg(long)]
    keep_going: bool,
    /// Run these steps only: a list with commas.
    #[arg(long, value_delimiter = ',', value_name = "STEP")]
    only: Vec<String>,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Carries a command out and answers whether all went well.
fn run(verb: Verb) -> Result<bool> {
    let root = root()?;
    let options = |gate: Gate| gate::Options {
        root: root.clone(),
        keep_going: gate.keep_going,
        only: gate.only,
    };
    match verb {
        Verb::Check { gate } => gate::check(&options(gate)),
        Verb::Test { gate, no_servers } => {
            if no_servers {
                println!("--no-servers changes nothing: no test needs a server yet");
            }
            gate::test(&options(gate))
        }
        Verb::Tidy { rule } => run_tidy(&Tree::load(&root)?, &rule),
        Verb::Arrows { write } => run_arrows(&Tree::load(&root)?, &root.join(arrows::PAGE), write),
    }
}

fn run_tidy(tree: &Tree, rules: &[String]) -> Result<bool> {
    let findings = tidy::findings(tree, rules)?;
    findings.iter().for_each(|finding| println!("{finding}"));
    println!("{} findings", findings.len());
    Ok(findings.is_empty())
}

fn run_arrows(tree: &Tree, page: &Path, write: bool) -> Result<bool> {
    let picture = arrows::picture(tree);
    if !write {
        print!("{picture}");
        return Ok(true);
    }
    let before = tree.text(arrows::PAGE).unwrap_or("# Architecture\n");
    let after = arrows::redraw(before, &picture);
    fs::write(page, after).with_context(|| format!("cannot write {}", page.display()))?;
    Ok(true)
}

/// The folder above the current one that holds this package.
fn root() -> Result<PathBuf> {
    let here = env::current_dir().context("the current folder cannot be read")?;
    let found = here
        .ancestors()
        .find(|folder| folder.join("xtask/Cargo.toml").is_file());
    found
        .map(PathBuf::from)
        .with_context(|| format!("{} is not inside the repository", here.display()))
}
