//! The provider's options on a command line, for every program that starts one.
//!
//! In: flags. Out: a [`Config`]. It does not know how the program is called, nor where it prints.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::behaviour::Behaviour;
use super::server::Config;

/// Its port and moods.
#[derive(Debug, Args)]
// Whoever takes these in may call his own struct the same; clap would take the two for one group.
#[group(skip)]
pub struct Options {
    /// The port on loopback; 0 lets the system choose
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Another seed gives other keys the same fates
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The share of charges that is declined, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub decline: f64,
    /// The share of charges that is carried out only after --slow-ms
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub slow: f64,
    /// How long a slow charge takes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500)]
    pub slow_ms: u64,
    /// The share of charges that is carried out at once but answered only after --late-ms
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub late: f64,
    /// How long a late answer takes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 3_000)]
    pub late_ms: u64,
    /// The share of charges that is carried out but never answered
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub silent: f64,
    /// How long the connection of a charge without answer is kept, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    pub silent_ms: u64,
    /// The most connections at once
    #[arg(long, value_name = "COUNT", default_value_t = 1_024)]
    pub connections_max: usize,
}

impl Options {
    /// What to serve, with the ledger in this folder.
    #[must_use]
    pub fn config(&self, data: impl Into<PathBuf>) -> Config {
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
            ..Config::new(data)
        }
    }
}
