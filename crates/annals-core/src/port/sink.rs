//! The port of a sink: a database that keeps read models, rows and checkpoint in one commit.

use thiserror::Error;

use super::store::BoxFuture;
use crate::kind::ErrorKind;
use crate::position::Position;

/// Why a sink did not do what it was asked.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The statement is wrong or breaks a constraint; it will fail again.
    #[error("the sink refused: {0}")]
    Refused(String),
    /// Busy, full or gone; retry with back-off.
    #[error("the sink is not available: {0}")]
    Unavailable(String),
    /// Its stored bytes are damaged: delete the read model, it is rebuilt from the events.
    #[error("the sink is damaged: {0}")]
    Corrupt(String),
}

impl SinkError {
    /// What this means in one word.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(_) => ErrorKind::Invalid,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Corrupt,
        }
    }
}

/// A place for read models. Each version of each projection has a view of its own, so that a new version can be
/// built beside the old one.
pub trait Sink: Send + Sync + 'static {
    /// The rows of one version of one projection.
    type View: SinkView;

    /// Opens a view, creating it empty if it is not there.
    fn open(&self, name: &str, version: u32) -> BoxFuture<'_, Result<Self::View, SinkError>>;

    /// The version that readers are given, if any was promoted.
    fn promoted(&self, name: &str) -> BoxFuture<'_, Result<Option<u32>, SinkError>>;

    /// From now on readers are given this version. Durable and atomic.
    fn promote(&self, name: &str, version: u32) -> BoxFuture<'_, Result<(), SinkError>>;

    /// Deletes a view; no effect if there is none.
    fn remove(&self, name: &str, version: u32) -> BoxFuture<'_, Result<(), SinkError>>;
}

/// A transaction of a sink.
pub type Tx<S> = <<S as Sink>::View as SinkView>::Tx;

/// The rows of one version of one projection.
pub trait SinkView: Clone + Send + Sync + 'static {
    /// An open transaction; dropped without commit it is rolled back.
    type Tx: Send;

    /// Begins a transaction. One at a time per view.
    fn begin(&self) -> BoxFuture<'_, Result<Self::Tx, SinkError>>;

    /// Everything before this position is in the rows; `None`: nothing was committed yet.
    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Position>, SinkError>>;

    /// Commits the rows together with a new checkpoint.
    fn commit(&self, tx: Self::Tx, checkpoint: Position) -> BoxFuture<'_, Result<(), SinkError>>;
}
