//! The service, and where it lives.
//!
//! In: a folder. Out: a running service with its history, its broker and its read model in that folder.

use std::path::Path;
use std::sync::Arc;

use annals::{Place, Service, ServiceBuilder, World};
use annals_sqlite::Sqlite;
use annals_store::{EmbeddedStore, Options};
use annals_transport::embedded::EmbeddedBroker;

use crate::lending::{Acquire, GiveBack, Lend, Remind};
use crate::reminding::Loan;
use crate::shelf::Shelf;

// region: service
/// What the library takes, runs and keeps.
pub fn service(builder: ServiceBuilder, views: Arc<Sqlite>) -> ServiceBuilder {
    builder
        .command::<Acquire>()
        .command::<Lend>()
        .command::<GiveBack>()
        .command::<Remind>()
        .process::<Loan>()
        .projection(Shelf, views)
}
// endregion

// region: open
/// Starts the library on a folder. A second one on the same folder is refused.
///
/// # Errors
/// The folder cannot be used: the error names the file and what to do.
pub async fn open(folder: &Path) -> anyhow::Result<Service> {
    let world = World::default();
    let history = EmbeddedStore::open(folder.join("log"), Options::default())?;
    let messages = EmbeddedStore::open(folder.join("broker"), Options::default())?;
    let broker = EmbeddedBroker::new(Arc::new(messages), Arc::clone(&world.clock));
    let views = Arc::new(Sqlite::folder(folder.join("views"))?);
    let place = Place {
        store: Arc::new(history),
        transport: Arc::new(broker),
        world,
        journal: None,
    };
    Ok(service(Service::builder("library"), views).start(place).await?)
}
// endregion
