//! Being asked to stop: Ctrl-C, or SIGTERM from whoever runs the process.
//!
//! In: signals. Out: how often it was asked. The first time is a request, to be followed in order; a second one means
//! now. Nothing that was asked is forgotten between two looks.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells when it is time to stop.
#[derive(Debug, Clone)]
pub struct Stop {
    asked: watch::Receiver<u32>,
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
    /// Listens from now on, for as long as the runtime runs. From here on signals end nothing by themselves.
    pub(crate) fn listen() -> Self {
        let (count, asked) = watch::channel(0_u32);
        let signals =
            signal(SignalKind::terminate()).and_then(|one| Ok((one, signal(SignalKind::interrupt())?)));
        tokio::spawn(async move {
            let Ok((mut terminate, mut interrupt)) = signals else {
                return;
            };
            while tokio::select! {
                one = terminate.recv() => one.is_some(),
                one = interrupt.recv() => one.is_some(),
            } {
                count.send_modify(|count| *count = count.saturating_add(1));
            }
        });
        Self { asked }
    }

    /// Resolves once it is time to stop.
    ///
    /// # Cancel safety
    /// Dropping the future forgets nothing.
    pub async fn asked(&self) {
        self.times(1).await;
    }

    /// Resolves once it was asked a second time: stop at once.
    ///
    /// # Cancel safety
    /// Dropping the future forgets nothing.
    pub async fn insisted(&self) {
        self.times(2).await;
    }

    async fn times(&self, times: u32) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|count| *count >= times).await.is_err() {
            // Nobody listens for signals here, so they work as they always do.
            std::future::pending::<()>().await;
        }
    }
}
