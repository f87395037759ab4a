//! Channels: what is said to everybody who listens just now, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use annals_core::port::store::BoxFuture;
use annals_core::port::transport::{Listener, ReceiveError, Topic};
use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// What a listener that does not listen may be behind by.
const BEHIND_MAX: usize = 256;

/// All channels of a broker.
#[derive(Default)]
pub(super) struct Channels(Mutex<BTreeMap<Topic, Sender<Bytes>>>);

impl Channels {
    pub(super) fn say(&self, name: Topic, said: Bytes) {
        let channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&name) {
            // Nobody listens any more, most likely, and that is no error.
            let _heard = channel.send(said);
        }
    }

    pub(super) fn listen(&self, name: Topic) -> Heard {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = channels.entry(name).or_insert_with(|| channel(BEHIND_MAX).0);
        Heard(channel.subscribe())
    }
}

/// Listens to one channel.
pub(super) struct Heard(Receiver<Bytes>);

impl Listener for Heard {
    fn next(&mut self) -> BoxFuture<'_, Result<Bytes, ReceiveError>> {
        Box::pin(async {
            match self.0.recv().await {
                Ok(said) => Ok(said),
                Err(RecvError::Lagged(missed)) => Err(ReceiveError::Lost(format!("{missed} were not heard"))),
                Err(RecvError::Closed) => Err(ReceiveError::Closed),
            }
        })
    }
}
