//! `provider`: the payment provider of the demo, in a process of its own.
//!
//! Hidden: the demo starts it as a child of the same program. It prints one line, `listening on http://127.0.0.1:PORT`,
//! and answers until it is asked to stop, or until its standard input closes.

use std::io::Read;

use clap::Args;
use ordering::provider::{Options as ProviderOptions, ServeError, serve};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::stop::Stop;

/// Its port and moods; its ledger is in the data folder.
// What it takes in has a group of the same name.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    provider: ProviderOptions,
    /// Ends when its standard input closes, and not at Ctrl-C: its parent says when
    #[arg(long)]
    exit_with_parent: bool,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    // Before it says where it is: whoever reads that may send a signal at once.
    let end = if options.exit_with_parent {
        End::Parent {
            _deaf: signal(SignalKind::interrupt()).ok(),
        }
    } else {
        End::Signal(Stop::listen())
    };
    let config = options.provider.config(&session.settings.data);
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
    end.wait().await;
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

/// What ends it.
enum End {
    /// Ctrl-C or SIGTERM.
    Signal(Stop),
    /// Standard input closes. Ctrl-C goes to every process of a terminal; this one leaves it to its parent, which may
    /// still have payments under way. SIGTERM ends it as ever.
    Parent { _deaf: Option<Signal> },
}

impl End {
    async fn wait(self) {
        match self {
            Self::Signal(stop) => stop.asked().await,
            Self::Parent { _deaf } => parent_ended().await,
        }
    }
}

/// Resolves when standard input closes.
async fn parent_ended() {
    let (closed, ended) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut piece = [0; 256];
        while std::io::stdin().read(&mut piece).is_ok_and(|count| count > 0) {}
        drop(closed);
    });
    // The other end never sends: that it is gone is the message.
    let _gone = ended.await;
}
