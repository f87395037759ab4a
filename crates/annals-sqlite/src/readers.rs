//! A pool of reading connections.
//!
//! In: a question. Out: its answer, from one consistent snapshot. Invariant: never more than [`READERS_MAX`]
//! connections; who comes later waits, and is refused after [`PATIENCE`].

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annals_core::port::sink::SinkError;
use rusqlite::Connection;

use crate::{connect, failure};

/// Reading connections of one view.
pub(crate) const READERS_MAX: usize = 16;
/// How long a reader waits for a free connection.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Readers {
    path: PathBuf,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    lent: usize,
}

/// A connection on loan; comes back on drop, also when the question panics.
struct Loan<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            state: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    /// Runs a question inside one read transaction.
    pub(crate) fn read<T>(
        &self,
        place: &str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SinkError> {
        let loan = self.borrow()?;
        let connection = loan
            .connection
            .as_ref()
            .expect("taken out only when the loan is dropped");
        connection
            .unchecked_transaction()
            .and_then(|snapshot| ask(&snapshot))
            .map_err(|error| failure::of_sqlite(format_args!("{} ({place})", self.path.display()), &error))
    }

    /// Closes the idle connections, so that the files can be removed.
    pub(crate) fn close_idle(&self) {
        self.state().idle.clear();
    }

    fn borrow(&self) -> Result<Loan<'_>, SinkError> {
        let (mut state, waited) = self
            .returned
            .wait_timeout_while(self.state(), PATIENCE, |state| state.lent >= READERS_MAX)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            let path = self.path.display();
            return Err(SinkError::Unavailable(format!(
                "{path}: {READERS_MAX} readers are busy for {PATIENCE:?}"
            )));
        }
        state.lent += 1;
        let idle = state.idle.pop();
        drop(state);
        let mut loan = Loan {
            readers: self,
            connection: idle,
        };
        if loan.connection.is_none() {
            loan.connection = Some(connect::open_reader(&self.path)?);
        }
        Ok(loan)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing between lock and unlock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut state = self.readers.state();
        state.lent -= 1;
        state.idle.extend(self.connection.take());
        drop(state);
        self.readers.returned.notify_one();
    }
}
