//! A store that dawdles and fails by the dice, and wakes its followers in the order they came.
//!
//! In: what any store is asked. Out: the same answers as the store inside, later or not at all. Invariant: the same
//! dice and the same calls give the same answers in the same order. A plain store wakes its followers in an order
//! that the runtime draws at random; here each follower has a channel of its own.
//!
//! As in a store on disk, whoever stops waiting for an append does not undo it: it takes its turn all the same, unless
//! the store crashes before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_core::mark::MarkKey;
use annals_core::port::store::{
    Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError, TypeCount,
};
use annals_core::position::{Position, Revision};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::dice::Dice;
use super::ground::Ground;

#[derive(Clone)]
pub(super) struct ChainStore {
    /// Without dawdling and faults; appends to it wake nobody.
    pub(super) ground: Ground,
    dice: Arc<Dice>,
    followers: Arc<Mutex<Vec<watch::Sender<Position>>>>,
    /// One append at a time, first come first served.
    turn: Arc<tokio::sync::Mutex<()>>,
    appends: Arc<Mutex<JoinSet<()>>>,
}

impl ChainStore {
    pub(super) fn new(ground: Ground, dice: Dice) -> Self {
        Self {
            ground,
            dice: Arc::new(dice),
            followers: Arc::default(),
            turn: Arc::default(),
            appends: Arc::default(),
        }
    }

    /// What has not had its turn never will, and the power is cut.
    pub(super) async fn crash(&self, seed: u64) {
        let mut appends = std::mem::take(&mut *self.appends());
        appends.shutdown().await;
        self.ground.cut(seed);
    }

    fn appends(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.appends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the line, and waits for the answer.
    async fn append_in_line(self, append: Append) -> Result<Appended, AppendError> {
        let (answer, outcome) = oneshot::channel();
        let store = self.clone();
        {
            let mut appends = self.appends();
            while appends.try_join_next().is_some() {}
            // Whoever asked may have gone.
            appends.spawn(async move { drop(answer.send(store.append_some_time(append).await)) });
        }
        outcome
            .await
            .unwrap_or_else(|_| Err(AppendError::Unknown("the store has crashed".into())))
    }

    async fn append_some_time(self, append: Append) -> Result<Appended, AppendError> {
        let turn = self.turn.lock().await;
        self.dice.dawdle().await;
        self.dice.stall().await;
        let unknown = self.dice.append_is_unknown();
        if unknown == Some(false) {
            return Err(AppendError::Unknown("the dice lost it before it happened".into()));
        }
        let outcome = self.ground.append(append).await;
        self.wake();
        drop(turn);
        self.dice.dawdle().await;
        match unknown {
            Some(_) => Err(AppendError::Unknown("the dice lost the answer".into())),
            None => outcome,
        }
    }

    fn wake(&self) {
        let end = self.ground.store().end();
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|follower| !follower.is_closed());
        for follower in followers.iter() {
            follower.send_if_modified(|known| std::mem::replace(known, end) != end);
        }
    }

    async fn may_fail(&self) -> Result<(), ReadError> {
        self.dice.dawdle().await;
        if self.dice.read_fails() {
            return Err(ReadError::Unavailable("the dice say so".into()));
        }
        Ok(())
    }
}

impl EventStore for ChainStore {
    fn append(&self, append: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
        Box::pin(self.clone().append_in_line(append))
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            self.may_fail().await?;
            let page = self.ground.store().read(read).await;
            // More may be there by the time the answer is.
            self.dice.dawdle().await;
            page
        })
    }

    fn end(&self) -> Position {
        self.ground.store().end()
    }

    fn watch_end(&self) -> watch::Receiver<Position> {
        let (sender, receiver) = watch::channel(self.ground.store().end());
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        followers.push(sender);
        receiver
    }

    fn revision(&self, tag: Tag, before: Position) -> BoxFuture<'_, Result<Option<Revision>, ReadError>> {
        Box::pin(async move {
            let store = self.ground.store();
            store.revision(tag, before).await
        })
    }

    fn end_at(&self, moment: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move {
            let store = self.ground.store();
            store.end_at(moment).await
        })
    }

    fn types(&self) -> BoxFuture<'_, Result<Vec<TypeCount>, ReadError>> {
        Box::pin(async move {
            self.may_fail().await?;
            self.ground.store().types().await
        })
    }

    fn type_count(&self) -> usize {
        self.ground.store().type_count()
    }

    fn mark(&self, key: MarkKey) -> BoxFuture<'_, Result<Option<Bytes>, ReadError>> {
        Box::pin(async move {
            self.may_fail().await?;
            self.ground.store().mark(key).await
        })
    }

    fn marks(&self, space: &str, prefix: &str) -> BoxFuture<'_, Result<Vec<(MarkKey, Bytes)>, ReadError>> {
        let (space, prefix) = (space.to_owned(), prefix.to_owned());
        Box::pin(async move {
            self.may_fail().await?;
            self.ground.store().marks(&space, &prefix).await
        })
    }
}
