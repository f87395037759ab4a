//! Acknowledgements: many deliveries with one, where everything before them is finished too.
//!
//! In: deliveries as they are handed out and finished, in any order. Out: acknowledgements. One that covers many costs
//! the broker a fraction of as many, and a durable copy finishes hundreds at once.
//!
//! Invariant: nothing that is not finished is ever covered. Whoever finishes a delivery is answered after its
//! acknowledgement was sent, by whomever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use annals_core::port::transport::ReceiveError;
use lapin::Acker;
use lapin::options::BasicAckOptions;

use super::link::{Open, within};

/// The deliveries of one channel.
pub(super) struct Acks {
    // The channel is there for as long as one of its deliveries is.
    _open: Open,
    state: Mutex<State<Acker>>,
    /// Held while acknowledgements are sent.
    sending: tokio::sync::Mutex<()>,
}

struct State<A> {
    /// In hand, by their number on the channel.
    open: BTreeSet<u64>,
    /// Finished, and not acknowledged yet.
    finished: BTreeMap<u64, A>,
    /// Why acknowledging failed, if it did; the channel is of no use then.
    lost: Option<String>,
}

impl<A> Default for State<A> {
    fn default() -> Self {
        Self {
            open: BTreeSet::new(),
            finished: BTreeMap::new(),
            lost: None,
        }
    }
}

impl<A> State<A> {
    /// What to send: up to here all at once, and these one by one.
    fn due(&mut self) -> (Option<A>, Vec<A>) {
        let rest = match self.open.first() {
            Some(first) => self.finished.split_off(first),
            None => BTreeMap::new(),
        };
        let row = std::mem::take(&mut self.finished);
        let last = row.into_values().next_back();
        (last, rest.into_values().collect())
    }
}

impl Acks {
    pub(super) fn new(open: Open) -> Self {
        Self {
            _open: open,
            state: Mutex::default(),
            sending: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<Acker>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was handed out.
    pub(super) fn begin(&self, number: u64) {
        self.state().open.insert(number);
    }

    /// It was given back, and is no longer in hand.
    pub(super) fn gave_back(&self, number: u64) {
        self.state().open.remove(&number);
    }

    /// It is finished; acknowledges it, together with others that are finished at this moment.
    pub(super) async fn finish(&self, number: u64, acker: Acker) -> Result<(), ReceiveError> {
        {
            let mut state = self.state();
            state.open.remove(&number);
            state.finished.insert(number, acker);
        }
        // Those that are settled in the same breath get to say so first.
        tokio::task::yield_now().await;
        let _sending = self.sending.lock().await;
        let (last, others) = {
            let mut state = self.state();
            if let Some(reason) = &state.lost {
                return Err(ReceiveError::Lost(reason.clone()));
            }
            let due = state.due();
            if due.0.is_none() && due.1.is_empty() {
                return Ok(());
            }
            // So it stays if this is dropped half way.
            state.lost = Some("acknowledging was given up".into());
            due
        };
        let mut sent = match last {
            Some(last) => send(&last, true).await,
            None => Ok(()),
        };
        for other in others {
            sent = sent.and(send(&other, false).await);
        }
        self.state().lost = sent.clone().err();
        sent.map_err(ReceiveError::Lost)
    }
}

async fn send(acker: &Acker, multiple: bool) -> Result<(), String> {
    match within(acker.ack(BasicAckOptions { multiple })).await? {
        true => Ok(()),
        false => Err("the channel of this delivery is gone".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    fn state(open: &[u64], finished: &[u64]) -> State<u64> {
        State {
            open: open.iter().copied().collect(),
            finished: finished.iter().map(|number| (*number, *number)).collect(),
            lost: None,
        }
    }

    #[test]
    fn only_an_unbroken_row_is_acknowledged_at_once() {
        for (open, finished, row, singles) in [
            (vec![], vec![1, 2, 3], Some(3), vec![]),
            (vec![4, 5], vec![1, 2, 3], Some(3), vec![]),
            (vec![2], vec![1, 3, 4], Some(1), vec![3, 4]),
            (vec![1], vec![2, 3], None, vec![2, 3]),
            (vec![1], vec![], None, vec![]),
        ] {
            let mut state = state(&open, &finished);
            assert_eq!(state.due(), (row, singles), "{open:?} {finished:?}");
            assert!(state.finished.is_empty());
        }
    }
}
