//! Runs one projection: events in order, a batch per transaction, rows and checkpoint in one commit.
//!
//! A new version is built beside the promoted one and promoted once it has reached the end of the store as it was
//! when the build began; then the old one is removed.

use std::sync::{Arc, Mutex, PoisonError};

use annals_core::bug::is_planted;
use annals_core::port::follow::Follow;
use annals_core::port::sink::{Sink, SinkView};
use annals_core::port::store::{Page, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;

use crate::bug::Bug;
use crate::define::event::EventSet;
use crate::define::projection::{Projection, Recorded};
use crate::ground::hub::{Hub, Tries};
use crate::ground::progress::Progress;

/// Events of one transaction.
const BATCH_MAX: usize = 2_048;
/// Where nothing matched, the checkpoint is written only every so many positions.
const IDLE_STRETCH: u64 = 16_384;

/// The view that readers are given; another one after a promotion.
pub(crate) type Served<P> = Arc<Mutex<Option<<<P as Projection>::Sink as Sink>::View>>>;

pub(crate) struct Projector<P: Projection> {
    pub(crate) hub: Hub,
    pub(crate) projection: P,
    pub(crate) sink: Arc<P::Sink>,
    pub(crate) served: Served<P>,
    pub(crate) progress: Progress,
}

impl<P: Projection> Projector<P> {
    /// Projects until it is time to stop.
    pub(crate) async fn run(mut self) {
        let mut tries = Tries::new(&self.hub, &self.progress);
        while tries.again(self.follow().await).await {}
    }

    async fn follow(&mut self) -> Result<(), String> {
        let view = self.open().await?;
        let target = self.hub.store.end();
        let mut saved = self.created(&view).await?;
        let mut promoted = self.promote_at(&view, saved, target).await?;
        self.progress.reached(saved);
        self.progress.begins();
        let mut follow = Follow::new(Arc::clone(&self.hub.store), Self::wanted(), saved, BATCH_MAX);
        let mut stop = self.hub.stop.clone();
        loop {
            let page = tokio::select! {
                biased;
                () = stop.wait() => return Ok(()),
                page = follow.next() => page,
            };
            let page = match page {
                // Nothing was projected yet, and the oldest events are archived: it begins where the store does.
                Err(ReadError::Gone { boundary, archive }) if saved == Position::ZERO => {
                    tracing::warn!(projection = P::NAME, %boundary, archive, "it begins behind archived events");
                    saved = boundary;
                    follow = Follow::new(Arc::clone(&self.hub.store), Self::wanted(), saved, BATCH_MAX);
                    continue;
                }
                other => other.map_err(|error| error.to_string())?,
            };
            let idle = page.events.is_empty() && page.next.get() - saved.get() < IDLE_STRETCH;
            if !idle {
                self.project(&view, &page).await?;
                saved = page.next;
            }
            if !promoted {
                promoted = self.promote_at(&view, page.next, target).await?;
            }
            self.progress.handled(page.events.len());
            self.progress.trouble(None);
            self.progress.reached(page.next);
        }
    }

    fn wanted() -> Query {
        Query::types(P::Event::TYPES)
    }

    async fn open(&mut self) -> Result<<P::Sink as Sink>::View, String> {
        let view = self
            .sink
            .open(P::NAME, P::VERSION)
            .await
            .map_err(|error| error.to_string())?;
        let promoted = self
            .sink
            .promoted(P::NAME)
            .await
            .map_err(|error| error.to_string())?;
        let served = match promoted {
            Some(old) if old != P::VERSION => self
                .sink
                .open(P::NAME, old)
                .await
                .map_err(|error| error.to_string())?,
            _ => view.clone(),
        };
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Some(served);
        Ok(view)
    }

    /// Creates the tables if that was not done yet; answers with the checkpoint.
    async fn created(&mut self, view: &<P::Sink as Sink>::View) -> Result<Position, String> {
        if let Some(checkpoint) = view.checkpoint().await.map_err(|error| error.to_string())? {
            return Ok(checkpoint);
        }
        let mut tx = view.begin().await.map_err(|error| error.to_string())?;
        self.projection
            .create(&mut tx)
            .await
            .map_err(|error| error.to_string())?;
        view.commit(tx, Position::ZERO)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Position::ZERO)
    }

    async fn project(&mut self, view: &<P::Sink as Sink>::View, page: &Page) -> Result<(), String> {
        self.progress.in_flight(page.events.len());
        let mut tx = view.begin().await.map_err(|error| error.to_string())?;
        if is_planted(Bug::CheckpointBeforeRows) {
            let committed = view.commit(tx, page.next).await;
            committed.map_err(|error| error.to_string())?;
            tx = view.begin().await.map_err(|error| error.to_string())?;
        }
        for record in &page.events {
            let decoded = P::Event::decode(&record.event_type, record.version, &record.data);
            let at = |error: String| format!("{} stops at position {}: {error}", P::NAME, record.position);
            if let Some(event) = decoded.map_err(|error| at(error.to_string()))? {
                let recorded = Recorded::new(&event, record);
                self.projection
                    .project(recorded, &mut tx)
                    .await
                    .map_err(|error| at(error.to_string()))?;
            }
        }
        view.commit(tx, page.next)
            .await
            .map_err(|error| error.to_string())?;
        self.progress.in_flight(0);
        Ok(())
    }

    /// Promotes this version once it has reached the end as it was when the build began.
    async fn promote_at(
        &mut self,
        view: &<P::Sink as Sink>::View,
        at: Position,
        target: Position,
    ) -> Result<bool, String> {
        if at < target {
            return Ok(false);
        }
        let old = self
            .sink
            .promoted(P::NAME)
            .await
            .map_err(|error| error.to_string())?;
        if old != Some(P::VERSION) {
            self.sink
                .promote(P::NAME, P::VERSION)
                .await
                .map_err(|error| error.to_string())?;
        }
        *self.served.lock().unwrap_or_else(PoisonError::into_inner) = Some(view.clone());
        if let Some(old) = old.filter(|old| *old != P::VERSION) {
            self.sink
                .remove(P::NAME, old)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(true)
    }
}
