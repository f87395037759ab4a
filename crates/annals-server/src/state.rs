//! What the routes of one node share.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::check::Checks;
use crate::drain::Drain;
use crate::hosted::Services;
use crate::live::LiveLimits;
use crate::metrics::Metrics;
use crate::presence::Shared;

/// Shared by all handlers.
pub(crate) struct NodeState {
    pub(crate) services: Services,
    pub(crate) drain: Drain,
    pub(crate) checks: Vec<Checks>,
    pub(crate) live: LiveLimits,
    pub(crate) live_places: Arc<Semaphore>,
    pub(crate) metrics: Option<Metrics>,
    /// Services that announced themselves.
    pub(crate) directory: Shared,
    /// The OpenAPI document as JSON.
    pub(crate) openapi: String,
}
