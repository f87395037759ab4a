//! Folders: where each service keeps its history and its read models, and why that or the start may fail.
//!
//! In: the data folder and the name of a service. Out: an open store, or a folder of read models.

use std::path::Path;
use std::sync::Arc;

use annals::core::port::sink::SinkError;
use annals::core::port::store::EventStore;
use annals::{StartError, World};
use annals_sqlite::Sqlite;
use annals_store::{EmbeddedStore, OpenError, Options};
use annals_transport::connect::ConnectError;
use thiserror::Error;

/// Why the system did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SystemError {
    /// A store could not be opened.
    #[error("the store of {service} cannot be opened: {source}")]
    Store {
        /// Whose store.
        service: &'static str,
        /// Why.
        source: OpenError,
    },
    /// A folder of read models could not be used.
    #[error("the read models of {service} cannot be kept: {source}")]
    Views {
        /// Whose read models.
        service: &'static str,
        /// Why.
        source: SinkError,
    },
    /// The address of the broker cannot be used.
    #[error(transparent)]
    Broker(#[from] ConnectError),
    /// A service did not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The folder of a service's read models.
///
/// # Errors
/// [`SystemError::Views`].
pub fn views(data: &Path, service: &'static str) -> Result<Arc<Sqlite>, SystemError> {
    let sink = Sqlite::folder(data.join(service).join("views"));
    Ok(Arc::new(
        sink.map_err(|source| SystemError::Views { service, source })?,
    ))
}

/// Opens or creates a store of a service: its history (`log`), or what it takes in (`inbox`).
///
/// # Errors
/// [`SystemError::Store`] names the service and says why.
pub fn store(
    data: &Path,
    service: &'static str,
    folder: &str,
    world: &World,
) -> Result<Arc<dyn EventStore>, SystemError> {
    let options = Options {
        clock: Arc::clone(&world.clock),
        ..Options::default()
    };
    let opened = EmbeddedStore::open(data.join(service).join(folder), options);
    Ok(Arc::new(
        opened.map_err(|source| SystemError::Store { service, source })?,
    ))
}
