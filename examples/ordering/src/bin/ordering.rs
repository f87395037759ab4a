//! One service of the order system as a process of its own: `ordering orders --broker amqp://127.0.0.1 --data DIR`.
//!
//! In come its part, the broker's address, a folder and a port; out goes one line, `PART listening on
//! http://127.0.0.1:PORT`, and then a node that works until SIGTERM or Ctrl-C. What is under way finishes first; a second
//! signal ends at once.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ordering::BrokerUrl;
use ordering::alone::{Alone, AloneOptions, Part};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// One service of the order system.
#[derive(Debug, Parser)]
#[command(name = "ordering", version)]
struct Options {
    /// Which part of the system
    part: Part,
    /// The broker: amqp://, kafka://, activemq://, artemis:// or nats:// and its host and port
    #[arg(long, value_name = "URL", env = "ORDERING_BROKER")]
    broker: BrokerUrl,
    /// The folder of this part; created if missing
    #[arg(long, value_name = "DIR", env = "ORDERING_DATA")]
    data: PathBuf,
    /// The port on loopback of the HTTP API; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Settle messages with the broker when they have been handled, and keep no copy of them before
    #[arg(long)]
    settle_after_handling: bool,
    /// A file with a number of seconds by which the clock of this part is wrong; for tests, looked at again and again
    #[arg(long, value_name = "FILE", hide = true)]
    clock_error: Option<PathBuf>,
    /// The address of the payment provider, for payments
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4100")]
    provider: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match run(Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ordering: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<ExitCode, Box<dyn Error>> {
    if options.broker == BrokerUrl::Embedded {
        return Err("the embedded broker lives in one process; services of their own need a server".into());
    }
    // Before it says where it is: whoever reads that may send a signal at once.
    let mut signals = Signals::listen()?;
    let part = options.part;
    let node = Alone::start(AloneOptions {
        part,
        broker: options.broker,
        data: options.data,
        port: options.port,
        provider: options.provider,
        settle_after_handling: options.settle_after_handling,
        clock_error: options.clock_error,
    })
    .await?;
    println!("{} listening on http://{}", part.name(), node.address());
    signals.next().await;
    tokio::select! {
        () = node.stop() => Ok(ExitCode::SUCCESS),
        () = signals.next() => Ok(ExitCode::FAILURE),
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
