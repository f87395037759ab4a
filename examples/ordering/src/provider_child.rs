//! The payment provider as a child process: started, watched, started again, and ended with its parent.
//!
//! The child is this very program with the verb `provider`. It ends when its standard input closes, so it does not
//! outlive a parent that was killed.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child as Process, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long a provider may take to say where it listens.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// What it says in front of its address.
const LISTENING: &str = "listening on ";
/// Between an end that was not asked for and the next start.
const RESTART_PAUSE: Duration = Duration::from_millis(300);

/// What a child is started with.
#[derive(Debug, Clone)]
pub struct ChildOptions {
    /// The folder of its ledger.
    pub data: PathBuf,
    /// Of its moods.
    pub seed: u64,
    /// The share of charges it declines, 0 to 1.
    pub decline: f64,
    /// The share of charges it answers late, 0 to 1.
    pub late: f64,
}

/// Why there is no provider.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChildError {
    /// The process could not be started.
    #[error("the payment provider could not be started: {0}")]
    Start(#[from] std::io::Error),
    /// It ended, or did not say where it listens.
    #[error(
        "the payment provider did not say where it listens within {START_PATIENCE:?}; its words are above"
    )]
    Silent,
}

/// A running child.
pub struct Child {
    address: String,
    stop: oneshot::Sender<()>,
    watcher: JoinHandle<()>,
}

impl Child {
    /// Starts a provider and waits until it listens. If it ends by itself it is started again on the same port.
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn start(options: ChildOptions) -> Result<Self, ChildError> {
        let mut process = spawn(&options, 0)?;
        let address = listening(&mut process).await?;
        let port = address
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .unwrap_or(0);
        let (stop, stopped) = oneshot::channel();
        let watcher = tokio::spawn(watch(options, port, process, stopped));
        Ok(Self {
            address,
            stop,
            watcher,
        })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it and waits for that.
    pub async fn stop(self) {
        drop(self.stop);
        // A watcher that panicked said so where it happened.
        drop(self.watcher.await);
    }
}

fn spawn(options: &ChildOptions, port: u16) -> std::io::Result<Process> {
    Command::new(std::env::current_exe()?)
        .arg("provider")
        .arg("--data")
        .arg(&options.data)
        .args(["--port", &port.to_string(), "--seed", &options.seed.to_string()])
        .args([
            "--decline",
            &options.decline.to_string(),
            "--late",
            &options.late.to_string(),
        ])
        .arg("--exit-with-parent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

async fn listening(process: &mut Process) -> Result<String, ChildError> {
    let stdout = process.stdout.take().ok_or(ChildError::Silent)?;
    let mut lines = BufReader::new(stdout).lines();
    let said = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = line.trim().strip_prefix(LISTENING) {
                return Ok(address.to_owned());
            }
        }
        Err(ChildError::Silent)
    };
    tokio::time::timeout(START_PATIENCE, said)
        .await
        .unwrap_or(Err(ChildError::Silent))
}

async fn watch(options: ChildOptions, port: u16, mut process: Process, mut stopped: oneshot::Receiver<()>) {
    // Waiting for a process closes its input unless that is held elsewhere, and a closed input ends this one.
    let mut input = process.stdin.take();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            ended = process.wait() => {
                tracing::warn!("the payment provider ended ({ended:?}) and is started again");
                tokio::time::sleep(RESTART_PAUSE).await;
                match spawn(&options, port) {
                    Ok(again) => process = again,
                    Err(error) => tracing::error!("the payment provider cannot be started: {error}"),
                }
                input = process.stdin.take();
            }
        }
    }
    // Its input closes: it ends in its own time, and if it does not, it is made to.
    drop(input);
    if tokio::time::timeout(Duration::from_secs(5), process.wait())
        .await
        .is_err()
    {
        drop(process.kill().await);
    }
}
