//! Options that every verb takes.
//!
//! In: flags and `ANNALS_*` variables; a flag wins over a variable, a variable over the default. Out: where the data
//! is, which node to ask, and how to print.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// How data is printed on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object per line.
    Jsonl,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Settings {
    /// The data folder
    #[arg(
        long,
        global = true,
        env = "ANNALS_DATA",
        value_name = "DIR",
        default_value = "./annals-data"
    )]
    pub(crate) data: PathBuf,
    /// The node to ask [default: the one that runs on the data folder]
    #[arg(long, global = true, env = "ANNALS_NODE", value_name = "URL")]
    pub(crate) node: Option<String>,
    /// How to print
    #[arg(
        short = 'o',
        long = "output",
        global = true,
        value_name = "FORMAT",
        default_value = "table"
    )]
    pub(crate) format: Format,
    /// The same as `-o json`
    #[arg(long, global = true, conflicts_with = "format")]
    json: bool,
    /// No notes and no progress on stderr, only errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// More notes on stderr; twice: still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
    /// How long a node may take to answer, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

impl Settings {
    /// How data is printed.
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// Seconds, with a fraction if wanted; above zero and at most a day.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected seconds such as 30 or 0.5, above 0 and at most 86400, found {text:?}");
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| wrong())?;
    match seconds {
        s if s > 0.0 && s <= 86_400.0 => Ok(Duration::from_secs_f64(s)),
        _ => Err(wrong()),
    }
}
