//! How fast annals is over real brokers, beside the bare client of each, in the same run.
//!
//! In: the addresses of servers, in variables such as `ANNALS_KAFKA_URL`. Out: a table. `cargo xtask bench brokers` starts
//! the servers and calls this.

mod message;
mod verify;
mod figures;
mod processor;
mod memory;
mod bare;
mod ours;
mod publishing;
mod taking;
mod delay;
mod rounds;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use annals::World;
use anyhow::{Context, Result, bail};
use clap::Parser;

use bare::amqp::Amqp;
use bare::kafka::Kafka;
use bare::nats::Nats;
use bare::rabbitmq::RabbitMq;
use ours::Ours;
use rounds::{Measured, Part, Plan, measure};

/// What to measure.
#[derive(Parser)]
struct Arguments {
    /// The servers, such as `kafka,nats`.
    #[arg(value_delimiter = ',', required = true)]
    servers: Vec<String>,
    /// Rounds; medians are printed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many seconds the bare client publishes in each round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// What to measure; all of it unless said.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = [Part::Rates, Part::Handled, Part::Delays])]
    parts: Vec<Part>,
    /// A folder for stores, on the disk that is to be measured.
    #[arg(long)]
    data: PathBuf,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("warn")
        .init();
    let plan = Plan {
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        parts: arguments.parts,
    };
    std::fs::create_dir_all(&arguments.data)
        .with_context(|| format!("cannot make {}", arguments.data.display()))?;
    let mut all = Vec::new();
    for server in &arguments.servers {
        let data = tempfile::tempdir_in(&arguments.data)?;
        memory::take(data.path())?;
        let variable = format!("ANNALS_{}_URL", server.to_uppercase());
        let url = std::env::var(&variable).with_context(|| format!("{variable} names no server"))?;
        let ours = Ours {
            url: url.clone(),
            data: data.path().to_owned(),
            world: World::default(),
        };
        all.push(of(server, url, &ours, &plan).await?);
    }
    print!("{}", table::table(&all));
    Ok(())
}

async fn of(server: &str, url: String, ours: &Ours, plan: &Plan) -> Result<Measured> {
    match server {
        "rabbitmq" => measure(server, &RabbitMq { url }, ours, plan).await,
        "kafka" => measure(server, &Kafka::new(&url), ours, plan).await,
        "activemq" | "artemis" => measure(server, &Amqp::new(&url)?, ours, plan).await,
        "nats" => measure(server, &Nats { url }, ours, plan).await,
        other => bail!("expected rabbitmq, kafka, activemq, artemis or nats, found {other:?}"),
    }
}
