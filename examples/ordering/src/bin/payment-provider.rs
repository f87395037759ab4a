//! The payment provider as a program of its own.
//!
//! In come its folder, port and misbehaviour as options; out goes one line,
//! `listening on http://127.0.0.1:PORT`, and then answers over HTTP until it is interrupted.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ordering::provider::{Behaviour, Config, serve};

/// A payment provider with its own ledger, that misbehaves as told.
#[derive(Debug, Parser)]
#[command(name = "payment-provider")]
struct Options {
    /// The folder of the ledger; created if missing
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The port on loopback; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Another seed gives other keys the same fates
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The share of charges that is declined, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    decline: f64,
    /// The share of charges that is carried out only after --slow-ms
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    slow: f64,
    /// How long a slow charge takes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500)]
    slow_ms: u64,
    /// The share of charges that is carried out at once but answered only after --late-ms
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    late: f64,
    /// How long a late answer takes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 3_000)]
    late_ms: u64,
    /// The share of charges that is carried out but never answered
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    silent: f64,
    /// How long the connection of a charge without answer is kept, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    silent_ms: u64,
    /// The most connections at once
    #[arg(long, value_name = "COUNT", default_value_t = 1_024)]
    connections_max: usize,
}

impl Options {
    fn config(self) -> Config {
        let behaviour = Behaviour {
            seed: self.seed,
            decline: self.decline,
            slow: self.slow,
            slow_by: Duration::from_millis(self.slow_ms),
            late: self.late,
            late_by: Duration::from_millis(self.late_ms),
            silent: self.silent,
            silent_for: Duration::from_millis(self.silent_ms),
        };
        Config {
            port: self.port,
            behaviour,
            connections_max: self.connections_max,
            ..Config::new(self.data)
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse().config()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("payment-provider: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    let provider = serve(config).await?;
    let replayed = provider.replayed();
    if replayed.cut_bytes > 0 {
        eprintln!(
            "the ledger ended in an unfinished line: {} bytes that were never answered are cut off, {} entries are whole",
            replayed.cut_bytes, replayed.entries
        );
    }
    println!("listening on http://{}", provider.address());
    tokio::signal::ctrl_c().await?;
    provider.stop().await;
    Ok(())
}
