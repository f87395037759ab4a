//! `cargo xtask`: the project's own commands.
//!
//! In: a command line. Out: the gate that every change passes, the rules of the house, the crate arrows, servers for
//! tests; the exit code is 0 when all went well and 1 otherwise. It needs cargo with rustfmt and clippy; what servers
//! need is looked for only where servers are asked for.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};

mod finding;
mod attrs;
mod mask;
mod tree;
mod markdown;
mod tally;
mod cargo;
mod unittest;
mod services;
mod session;
mod marked;
mod tidy;
mod torture;
mod gate;
mod chaos;
mod bench;

use bench::peers::Peer;
use services::{Place, Server, Up};
use tidy::arrows;
use tree::Tree;

/// The commands.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "The project's own commands: the gate, the rules, the arrows, servers for tests."
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
    /// What CI runs: the quick gate, the integration tests and every test marked `long: …` or `broker: …`.
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
    /// Real servers for tests, on loopback, in a folder of the project's own.
    Services {
        #[command(subcommand)]
        order: Order,
    },
    /// The order system over real brokers while a seed inflicts faults on everything.
    Chaos {
        /// Over which brokers; all where none is named.
        servers: Vec<Server>,
        /// Faults over each, at least.
        #[arg(long, default_value_t = 200)]
        faults: u64,
        /// For how long over each, at least.
        #[arg(long, default_value_t = 0)]
        minutes: u64,
        /// Chooses the faults; the same seed chooses the same.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// The harnesses of the store, for as long as asked.
    Torture {
        #[command(subcommand)]
        what: torture::Torture,
    },
    /// Speed beside others, measured in one run.
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Annals over real brokers, beside the bare client of each.
    Brokers {
        /// Which; all where none is named.
        servers: Vec<Server>,
        /// How often everything is measured; medians are printed.
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// How many seconds the bare client publishes in each round.
        #[arg(long, default_value_t = 2)]
        seconds: u32,
        /// Leave docs/benchmarks.md as it is; so it is, too, where servers are named.
        #[arg(long)]
        print_only: bool,
    },
    /// annals-store beside other stores and beside what the disk allows.
    Peers {
        /// Which, by their folders in bench/peers; all where none is named.
        peers: Vec<String>,
        /// How often everything is measured; medians are printed.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// How many seconds each measurement takes.
        #[arg(long, default_value_t = 2)]
        seconds: u32,
        /// Events of a full store, in ten thousands.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// Leave docs/benchmarks.md as it is; so it is, too, where peers are named.
        #[arg(long)]
        print_only: bool,
    },
}

/// What to do with servers. Where none is named, all are meant.
#[derive(Subcommand)]
enum Order {
    /// Starts servers, and fetches them first where they are not there.
    Up {
        /// Which.
        servers: Vec<Server>,
    },
    /// Stops servers; their data stay.
    Down {
        /// Which.
        servers: Vec<Server>,
        /// Remove their data, settings and logs too.
        #[arg(long)]
        wipe: bool,
    },
    /// Prints a line `name url` per server that runs.
    Status {
        /// The form of what is printed.
        #[arg(short, long, value_enum, default_value_t = Form::Text)]
        output: Form,
    },
    /// Kills a server as a crash would; its data stay.
    Kill {
        /// Which.
        server: Server,
    },
    /// Stops the clock of a server; its connections stay open.
    Pause {
        /// Which.
        server: Server,
    },
    /// Lets a paused server go on.
    Resume {
        /// Which.
        server: Server,
    },
    /// Lets a server believe that its disk is full; rabbitmq alone can.
    Fill {
        /// Which.
        server: Server,
    },
    /// Gives a filled server its room back.
    Free {
        /// Which.
        server: Server,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Form {
    Text,
    Json,
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
    let options = |gate: Gate, no_servers: bool| gate::Options {
        root: root.clone(),
        keep_going: gate.keep_going,
        only: gate.only,
        no_servers,
    };
    match verb {
        Verb::Check { gate } => gate::check(&options(gate, false)),
        Verb::Test { gate, no_servers } => gate::test(&options(gate, no_servers)),
        Verb::Tidy { rule } => run_tidy(&Tree::load(&root)?, &rule),
        Verb::Arrows { write } => run_arrows(&Tree::load(&root)?, &root.join(arrows::PAGE), write),
        Verb::Services { order } => run_services(&Place::of(&root)?, order),
        Verb::Chaos {
            servers,
            faults,
            minutes,
            seed,
        } => chaos::chaos(&chaos::Options {
            root,
            servers: or_brokers(servers)?,
            faults,
            minutes,
            seed,
        }),
        Verb::Torture { what } => torture::torture(&root, &what),
        Verb::Bench { what } => run_bench(&root, what),
    }
}

fn or_all(named: Vec<Server>) -> Vec<Server> {
    if named.is_empty() {
        Server::ALL.into()
    } else {
        named
    }
}

/// As [`or_all`], of those that carry messages.
fn or_brokers(named: Vec<Server>) -> Result<Vec<Server>> {
    match named.iter().find(|server| !server.is_broker()) {
        Some(other) => anyhow::bail!(
            "expected brokers, found {}, which carries no messages",
            other.name()
        ),
        None if named.is_empty() => Ok(Server::brokers()),
        None => Ok(named),
    }
}

fn run_bench(root: &Path, what: Bench) -> Result<bool> {
    match what {
        Bench::Brokers {
            servers,
            rounds,
            seconds,
            print_only,
        } => bench::brokers::run(&bench::brokers::Options {
            root: root.to_owned(),
            write: servers.is_empty() && !print_only,
            servers: or_brokers(servers)?,
            rounds,
            seconds,
        })?,
        Bench::Peers {
            peers,
            rounds,
            seconds,
            events,
            print_only,
        } => bench::peers::run(&bench::peers::Options {
            root: root.to_owned(),
            write: peers.is_empty() && !print_only,
            peers: Peer::chosen(&peers).map_err(anyhow::Error::msg)?,
            rounds,
            seconds,
            events,
        })?,
    }
    Ok(true)
}

fn run_services(place: &Place, order: Order) -> Result<bool> {
    match order {
        Order::Up { servers } => {
            let up = services::up(place, &or_all(servers));
            return Ok(!up
                .iter()
                .any(|(_, up)| matches!(up, Up::Missing(_) | Up::Failed(_))));
        }
        Order::Down { servers, wipe } => services::down(place, &or_all(servers), wipe)?,
        Order::Status { output } => print_status(place, output)?,
        Order::Kill { server } => services::kill(place, server)?,
        Order::Pause { server } => services::pause(place, server, true)?,
        Order::Resume { server } => services::pause(place, server, false)?,
        Order::Fill { server } => services::fill(place, server, true)?,
        Order::Free { server } => services::fill(place, server, false)?,
    }
    Ok(true)
}

fn print_status(place: &Place, form: Form) -> Result<()> {
    let running = services::status(place)?;
    match form {
        Form::Text => {
            for one in running {
                println!(
                    "{} {}{}",
                    one.server,
                    one.url,
                    if one.paused { " paused" } else { "" }
                );
            }
        }
        Form::Json => {
            let all = running.iter().map(|one| {
                let name = one.server.name();
                json!({ "name": name, "url": one.url, "pid": one.pid, "paused": one.paused })
            });
            println!("{}", Value::Array(all.collect()));
        }
    }
    Ok(())
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
