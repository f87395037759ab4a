use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals::World;
use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::{CorrelationId, EventId, IdSource, uuid_v7};
use annals_core::port::store::{Append, EventStore};
use annals_core::tag::Tag;
use annals_core::time::{Clock, SystemClock, Timestamp};
use annals_server::{Api, RunningServer, Server, ServerOptions};
use annals_store::MemoryStore;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use uuid::Uuid;

/// Ids that count: unique within the process.
pub(crate) struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(1);

impl IdSource for Counting {
    fn next(&self, at: Timestamp) -> Uuid {
        let mut randomness = [7; 10];
        randomness[2..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        uuid_v7(at, randomness)
    }
}

pub(crate) fn world() -> World {
    World {
        clock: Arc::new(SystemClock),
        ids: Arc::new(Counting),
    }
}

/// A node with one service, `orders`.
pub(crate) struct Node {
    pub(crate) store: MemoryStore,
    pub(crate) server: RunningServer,
    client: Client<HttpConnector, Body>,
}

/// An answer, read to its end.
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(|api| api, ServerOptions::default()).await
    }

    pub(crate) async fn with(extend: impl FnOnce(Api) -> Api, options: ServerOptions) -> Self {
        let store = MemoryStore::new();
        let api = extend(Api::new(world()).show("orders", Arc::new(store.clone())));
        let options = ServerOptions {
            drain: api.drain(),
            ..options
        };
        let server = Server::bind(loopback(), api.router(), options).await.unwrap();
        Self {
            store,
            server,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.ask(Method::GET, path, &[], "").await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        self.ask(Method::GET, path, headers, "").await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let response = self.open(method, path, headers, body).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Got {
            status,
            headers,
            body,
        }
    }

    /// An answer whose body is still to come.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> axum::http::Response<hyper::body::Incoming> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.client
            .request(request.body(Body::from(body.to_owned())).unwrap())
            .await
            .unwrap()
    }

    /// Appends events one by one, each in a commit of its own.
    pub(crate) async fn record(&self, events: impl IntoIterator<Item = NewEvent>) {
        for event in events {
            self.append(vec![event]).await;
        }
    }

    pub(crate) async fn append(&self, events: Vec<NewEvent>) {
        self.store
            .append(Append {
                events,
                ..Append::default()
            })
            .await
            .unwrap();
    }
}

pub(crate) fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

pub(crate) fn event(event_type: &str, tag: &str) -> NewEvent {
    NewEvent {
        id: EventId::from_uuid(Counting.next(SystemClock.now())),
        event_type: EventType::new(event_type),
        version: 1,
        purpose: Purpose::Event,
        visibility: Visibility::Public,
        tags: vec![Tag::new(tag).unwrap()],
        occurred: None,
        metadata: Metadata::default(),
        data: Bytes::from(format!("{{\"of\":\"{tag}\"}}")),
    }
}

pub(crate) fn correlated(event: NewEvent, correlation: CorrelationId) -> NewEvent {
    let metadata = Metadata {
        correlation: Some(correlation),
        ..event.metadata
    };
    NewEvent { metadata, ..event }
}
