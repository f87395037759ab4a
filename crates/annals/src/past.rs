//! Time travel: the state of a key at any position or moment, by the same fold that decides today.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use annals_core::port::store::{EventStore, ReadError};
use annals_core::position::{Position, Revision};
use annals_core::tag::{Tag, TagError};
use annals_core::time::Timestamp;
use thiserror::Error;

use crate::decide::fold::FoldError;
use crate::decide::snapshots::Snapshots;
use crate::define::boundary::Fold;
use crate::define::key::Key;
use crate::define::model::Model;

/// A moment in the history of one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Moment {
    /// As it is now.
    #[default]
    Now,
    /// Before the event at this position: the events 0 to position − 1.
    Position(Position),
    /// When everything recorded up to and at this time was there.
    Time(Timestamp),
}

impl From<Position> for Moment {
    fn from(position: Position) -> Self {
        Self::Position(position)
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl Moment {
    /// The end of the store as it was.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn end(self, store: &dyn EventStore) -> Result<Position, ReadError> {
        match self {
            Self::Now => Ok(store.end()),
            Self::Position(position) => Ok(position.min(store.end())),
            Self::Time(time) => store.end_at(time).await,
        }
    }
}

/// A state at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<M> {
    /// The state.
    pub state: M,
    /// The revision of the key's tag then; `None` if there was no event yet.
    pub revision: Option<Revision>,
    /// The end of the store then.
    pub end: Position,
}

impl<M> std::ops::Deref for At<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.state
    }
}

/// Why a state could not be loaded.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The key makes no tag.
    #[error(transparent)]
    Key(#[from] TagError),
    /// The events could not be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The store did not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A load to be awaited; say `.at(moment)` first to travel.
#[must_use = "a load does nothing until it is awaited"]
pub struct Load<M: Model> {
    store: Arc<dyn EventStore>,
    snapshots: Arc<Snapshots>,
    key: M::Key,
    moment: Moment,
}

impl<M: Model> Load<M> {
    pub(crate) fn new(store: Arc<dyn EventStore>, snapshots: Arc<Snapshots>, key: M::Key) -> Self {
        Self {
            store,
            snapshots,
            key,
            moment: Moment::Now,
        }
    }

    /// As it was at a position or a time.
    pub fn at(mut self, moment: impl Into<Moment>) -> Self {
        self.moment = moment.into();
        self
    }

    async fn load(self) -> Result<At<M>, LoadError> {
        let tag = self.key.tag()?;
        let end = self.moment.end(&*self.store).await?;
        let fold = Fold::of::<M>();
        let mut folded = self.snapshots.fold_to(&fold, &tag, end).await?;
        if self.moment == Moment::Now {
            self.snapshots.offer(&fold, &tag, &mut folded);
        }
        let revision = self.store.revision(tag, end).await?;
        let state = folded.state.downcast::<M>().ok().and_then(Arc::into_inner);
        let state = state.expect("a fold that nobody shares gives its own model");
        Ok(At { state, revision, end })
    }
}

impl<M: Model> IntoFuture for Load<M> {
    type Output = Result<At<M>, LoadError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.load())
    }
}

/// A state of some model as JSON, for programs that do not know its type.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Shown {
    /// The model's Rust name.
    pub model: String,
    /// Its state.
    pub state: serde_json::Value,
    /// The revision of the tag then; `None` if there was no event yet.
    pub revision: Option<Revision>,
    /// The end of the store then.
    pub end: Position,
}

/// The state of a tag at a moment as JSON.
///
/// # Errors
/// As [`LoadError`].
pub(crate) async fn show(
    store: &dyn EventStore,
    snapshots: &Snapshots,
    fold: &Fold,
    tag: &Tag,
    moment: Moment,
) -> Result<Shown, LoadError> {
    let end = moment.end(store).await?;
    let mut folded = snapshots.fold_to(fold, tag, end).await?;
    if moment == Moment::Now {
        snapshots.offer(fold, tag, &mut folded);
    }
    let revision = store.revision(tag.clone(), end).await?;
    let model = fold.name.rsplit("::").next().unwrap_or(fold.name).to_owned();
    Ok(Shown {
        model,
        state: (fold.show)(&folded.state),
        revision,
        end,
    })
}
