//! The payment provider as a program of its own.
//!
//! In come its folder, port and misbehaviour as options; out goes one line,
//! `listening on http://127.0.0.1:PORT`, and then answers over HTTP until it is interrupted.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use ordering::provider::{self, Config, serve};

/// A payment provider with its own ledger, that misbehaves as told.
#[derive(Debug, Parser)]
#[command(name = "payment-provider")]
struct Options {
    /// The folder of the ledger; created if missing
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    provider: provider::Options,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(options.provider.config(options.data)).await {
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
