//! Parked messages asked for again.
//!
//! In: which ones. Out: their parked marks say so, and the backlog will read them. Asking twice has one effect: the mark
//! stays until the message is settled as done, and what it says is looked at under the turn of writing.

use annals_core::id::EventId;

use super::state::Group;
use crate::embedded::record::{self, RequeueError};

/// Which parked messages.
#[derive(Debug, Clone, Copy)]
pub(in crate::embedded) enum Which {
    /// This one.
    One(EventId),
    /// All of them.
    All,
}

impl Group {
    /// Asks for parked messages again; says how many were not on their way already.
    pub(in crate::embedded) async fn requeue(&self, which: Which) -> Result<usize, RequeueError> {
        let store = &*self.setting.store;
        let _turn = self.flushing.lock().await;
        let found = match which {
            Which::One(id) => record::parked_one(store, &self.keys, id)
                .await?
                .into_iter()
                .collect(),
            Which::All => record::parked(store, &self.keys).await?,
        };
        let (on_their_way, fresh): (Vec<_>, Vec<_>) = found.into_iter().partition(|parked| parked.requeued);
        record::mark_requeued(store, &self.keys, self.generation, &fresh).await?;
        let mut state = self.state();
        let exact = fresh.iter().map(|parked| (parked.position, true));
        // Those on their way are known here already, unless whoever asked for them was dropped half-way.
        let unsure = on_their_way.iter().map(|parked| (parked.position, false));
        for (position, exact) in exact.chain(unsure) {
            if !state.backlog.holds(position) {
                state.requeued.entry(position).or_insert(exact);
            }
        }
        drop(state);
        self.announce();
        Ok(fresh.len())
    }
}
