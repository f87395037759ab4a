//! `provider`: the payment provider of the demo, in a process of its own.
//!
//! Hidden: the demo starts it as a child of the same program. It prints one line, `listening on http://127.0.0.1:PORT`,
//! and answers until it is asked to stop, or until its standard input closes.

use std::io::Read;
use std::time::Duration;

use clap::Args;
use ordering::provider::{Behaviour, Config, ServeError, serve};
use tokio::sync::oneshot;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::stop::Stop;

/// Its port and moods; its ledger is in the data folder.
#[derive(Debug, Args)]
pub(crate) struct Options {
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
    /// Ends when its standard input closes, and not at Ctrl-C: its parent says when
    #[arg(long)]
    exit_with_parent: bool,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let behaviour = Behaviour {
        seed: options.seed,
        decline: options.decline,
        slow: options.slow,
        slow_by: Duration::from_millis(options.slow_ms),
        late: options.late,
        late_by: Duration::from_millis(options.late_ms),
        silent: options.silent,
        silent_for: Duration::from_millis(options.silent_ms),
    };
    let config = Config {
        port: options.port,
        behaviour,
        connections_max: options.connections_max,
        ..Config::new(&session.settings.data)
    };
    let provider = serve(config)
        .await
        .map_err(|error| Failure::new(exit_of(&error), error.to_string()))?;
    let replayed = provider.replayed();
    if replayed.cut_bytes > 0 {
        let (bytes, entries) = (replayed.cut_bytes, replayed.entries);
        session.notes.note(&format!(
            "note: the ledger ended in an unfinished line: {bytes} bytes that were never answered are cut off, \
             {entries} entries are whole"
        ));
    }
    session
        .out
        .line(&format!("listening on http://{}", provider.address()))?;
    session.out.flush()?;
    if options.exit_with_parent {
        parent_ended().await
    } else {
        Stop::default().asked().await
    }
    provider.stop().await;
    Ok(())
}

fn exit_of(error: &ServeError) -> Exit {
    match error {
        ServeError::Behaviour(_) => Exit::Usage,
        ServeError::Listen { .. } => Exit::Conflict,
        _ => Exit::Failed,
    }
}

/// Resolves when standard input closes. Ctrl-C goes to every process of a terminal; this one leaves it to its parent,
/// which may still have payments under way.
async fn parent_ended() {
    let (closed, ended) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut piece = [0; 256];
        while std::io::stdin().read(&mut piece).is_ok_and(|count| count > 0) {}
        drop(closed);
    });
    let ignoring = async {
        loop {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        _ = ended => {}
        () = ignoring => {}
    }
}
