//! The side of annals: stores, transports and services as a program in production puts them together.
//!
//! In: an address and a folder. Out: a store, a transport, a running service. Nothing here is made for the benchmark:
//! the log of a service is its outbox, and before the broker stands the durable inbox with a store of its own.

use std::path::PathBuf;
use std::sync::Arc;

use annals::core::event::NewEvent;
use annals::core::port::store::{Append, EventStore};
use annals::core::port::transport::Transport;
use annals::{Place, Service, ServiceBuilder, World};
use annals_store::{EmbeddedStore, Options};
use annals_transport::connect::connect;
use annals_transport::durable::DurableInbox;
use annals_transport::embedded::EmbeddedBroker;
use anyhow::Result;

/// The service that takes in.
pub(crate) const RECEIVER: &str = "receiver";
/// Events appended at once; as many as the durable inbox copies at once, at most.
pub(crate) const BATCH_MAX: usize = 2_048;

/// Where annals finds the broker and keeps its folders. They stay until the end: memory that lies free is given back to
/// the host of a virtual machine, and has to be asked for anew.
pub(crate) struct Ours {
    pub(crate) url: String,
    pub(crate) data: PathBuf,
    pub(crate) world: World,
}

impl Ours {
    /// The broker, seen from a namespace.
    pub(crate) fn remote(&self, namespace: &str) -> Result<Arc<dyn Transport>> {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}namespace={namespace}", self.url);
        Ok(connect(&url.parse()?)?)
    }

    /// A store in a new folder.
    pub(crate) fn store(&self, folder: &str) -> Result<EmbeddedStore> {
        let options = Options::new().clock(Arc::clone(&self.world.clock));
        Ok(EmbeddedStore::open(self.data.join(folder), options)?)
    }

    /// The broker behind the durable inbox of a service.
    pub(crate) fn inbox(&self, namespace: &str, service: &str) -> Result<DurableInbox> {
        self.inbox_on(namespace, self.store(&format!("{namespace}/{service}/inbox"))?)
    }

    /// As [`Ours::inbox`], with this store for the copy.
    pub(crate) fn inbox_on(&self, namespace: &str, copy: EmbeddedStore) -> Result<DurableInbox> {
        let copy = EmbeddedBroker::new(Arc::new(copy), Arc::clone(&self.world.clock));
        Ok(DurableInbox::new(self.remote(namespace)?, copy))
    }

    /// Starts a service on its store.
    pub(crate) async fn start(
        &self,
        service: ServiceBuilder,
        store: EmbeddedStore,
        transport: DurableInbox,
    ) -> Result<Service> {
        let place = Place {
            store: Arc::new(store),
            transport: Arc::new(transport),
            world: self.world.clone(),
            journal: None,
        };
        Ok(service.start(place).await?)
    }
}

/// Appends events in batches, one after the other.
pub(crate) async fn append_all(store: &EmbeddedStore, events: &[NewEvent]) -> Result<()> {
    for batch in events.chunks(BATCH_MAX) {
        let append = Append {
            events: batch.to_vec(),
            ..Append::default()
        };
        store.append(append).await?;
    }
    Ok(())
}
