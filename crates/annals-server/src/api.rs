//! The routes of a node, put together.
//!
//! In: services, checks, metrics, and the program's own routes and OpenAPI. Out: one router. Everything under it,
//! the program's own routes included, gets traces, deadlines, metrics and problem documents.

use std::sync::Arc;
use std::time::Duration;

use annals::{Service, World};
use annals_core::port::store::EventStore;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use smol_str::SmolStr;
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi;

use crate::check::{Check, Checks};
use crate::drain::Drain;
use crate::hosted::{Hosted, Services};
use crate::live::LiveLimits;
use crate::metrics::Metrics;
use crate::observe::{Observed, observe};
use crate::presence::Shared;
use crate::state::NodeState;
use crate::{about, commands, entities, events, health, nodes, openapi, parked, requests, snapshots, status};

/// Builds the router of a node.
pub struct Api {
    services: Services,
    drain: Drain,
    checks: Vec<Checks>,
    live: LiveLimits,
    metrics: Option<Metrics>,
    directory: Shared,
    document: OpenApi,
    routes: Router,
    observed: Observed,
}

impl Api {
    /// A node without services; the world makes the ids of requests that bring none.
    pub fn new(world: World) -> Self {
        Self {
            services: Services::default(),
            drain: Drain::default(),
            checks: Vec::new(),
            live: LiveLimits::default(),
            metrics: None,
            directory: Shared::default(),
            document: openapi::document(),
            routes: Router::new(),
            observed: Observed {
                world,
                deadline: Duration::from_secs(60),
            },
        }
    }

    /// Serves a service: its commands, its entities, its events.
    #[must_use]
    pub fn serve(mut self, service: Service) -> Self {
        let (name, store) = (service.name().clone(), Arc::clone(service.store()));
        self.services.add(Hosted {
            name,
            store,
            service: Some(service),
        });
        self
    }

    /// Shows a history that belongs to no service: the journal, a broker's store.
    #[must_use]
    pub fn show(mut self, name: impl Into<SmolStr>, store: Arc<dyn EventStore>) -> Self {
        self.services.add(Hosted {
            name: name.into(),
            store,
            service: None,
        });
        self
    }

    /// Looks at this, too, when asked whether the node is ready. Called at every probe: it must not wait.
    #[must_use]
    pub fn check(mut self, checks: impl Fn() -> Vec<Check> + Send + Sync + 'static) -> Self {
        self.checks.push(Arc::new(checks));
        self
    }

    /// Serves these at `/metrics`.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Other limits for live streams.
    #[must_use]
    pub fn live(mut self, limits: LiveLimits) -> Self {
        self.live = limits;
        self
    }

    /// An answer must have begun after this long; default 60 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.observed.deadline = deadline;
        self
    }

    /// The program's own routes, beside the node's, and their OpenAPI document.
    ///
    /// # Panics
    /// When the router is built, if a route is there twice.
    #[must_use]
    pub fn merge(mut self, routes: Router, document: OpenApi) -> Self {
        self.routes = self.routes.merge(routes);
        self.document.merge(document);
        self
    }

    /// What `/nodes` shows; hand it to [`crate::presence::Presence`], which hears into it.
    pub fn directory(&self) -> Shared {
        Shared::clone(&self.directory)
    }

    /// The signal that ends live streams and readiness; hand it to the server, too.
    pub fn drain(&self) -> Drain {
        self.drain.clone()
    }

    /// The router.
    pub fn router(self) -> Router {
        let state = Arc::new(NodeState {
            services: self.services,
            drain: self.drain,
            checks: self.checks,
            live: self.live,
            live_places: Arc::new(Semaphore::new(self.live.clients_max)),
            metrics: self.metrics,
            directory: self.directory,
            openapi: self
                .document
                .to_json()
                .expect("an OpenAPI document is made of strings and lists"),
        });
        Router::new()
            .route("/services", get(events::services))
            .route("/nodes", get(nodes::nodes))
            .route("/services/{service}/events", get(events::events))
            .route("/services/{service}/events/live", get(events::live))
            .route("/services/{service}/events/{event}", get(events::event))
            .route("/services/{service}/commands", get(commands::commands))
            .route("/services/{service}/commands/{command}", post(commands::call))
            .route("/services/{service}/entities/{tag}", get(entities::entity))
            .route(
                "/services/{service}/entities/{tag}/history",
                get(entities::history),
            )
            .route("/services/{service}/snapshots", post(snapshots::keep))
            .route("/services/{service}/parked", get(parked::parked))
            .route("/services/{service}/parked/{id}/requeue", post(parked::requeue))
            .route("/requests/{correlation}", get(requests::request))
            .route("/status", get(status::status))
            .route("/livez", get(health::livez))
            .route("/readyz", get(health::readyz))
            .route("/healthz", get(health::readyz))
            .route("/metrics", get(about::metrics))
            .route("/openapi.json", get(about::openapi))
            .route("/problems", get(about::problems))
            .route("/problems/{slug}", get(about::problem))
            .with_state(state)
            .merge(self.routes)
            .layer(from_fn_with_state(Arc::new(self.observed), observe))
    }
}
