//! Being asked to stop: Ctrl-C, or SIGTERM from whoever runs the process.
//!
//! The first time is a request, to be followed in order. A second one means now.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

/// Tells when it is time to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    _own: (),
}

/// What a program's own node is started with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Serving {
    /// The data folder.
    pub data: PathBuf,
    /// The port on loopback; 0 lets the system choose.
    pub port: u16,
    /// When to end.
    pub stop: Stop,
}

impl Stop {
    /// Resolves at the next Ctrl-C or SIGTERM after the call.
    ///
    /// # Cancel safety
    /// Dropping the future forgets nothing: later signals are still noticed by later calls.
    pub async fn asked(&self) {
        let terminate = async {
            match signal(SignalKind::terminate()) {
                Ok(mut signals) => {
                    signals.recv().await;
                }
                // Without this signal Ctrl-C still works.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => {
                if interrupted.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            () = terminate => {}
        }
    }
}

impl Serving {
    pub(crate) fn new(data: PathBuf, port: u16) -> Self {
        Self {
            data,
            port,
            stop: Stop::default(),
        }
    }
}
