//! The signal that a node is about to stop: it is not ready any more, long answers end, nothing new begins.

use std::sync::Arc;

use tokio::sync::watch;

/// Shared by everything that has to know. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Drain {
    begun: Arc<watch::Sender<bool>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            begun: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Drain {
    /// Says that the node is about to stop. Cannot be taken back.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Whether it was said.
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Resolves once it is said.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn begun(&self) {
        // The sender lives as long as this value: the wait cannot fail.
        let mut begun = self.begun.subscribe();
        let _said = begun.wait_for(|begun| *begun).await;
    }
}
