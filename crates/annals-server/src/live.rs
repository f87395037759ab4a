//! Live queries: what matches, from a position on and as it is recorded, as server-sent events.
//!
//! In: a query and a position. Out: `event: event` for each, `event: caught-up` once when the end is reached,
//! `event: progress` when long nothing matched, `: ping` when long nothing happened. Every `id:` is the position up
//! to which (and including it) all was said, so that a client resumes behind it.
//!
//! Invariants:
//! 1. Nothing is buffered: a page is read from the store when the connection has room for it. A slow client is
//!    behind, it does not cost memory.
//! 2. A client that had caught up and then stays far behind for long gets `event: reset` with the newest position
//!    and is closed.
//! 3. At most `clients_max` streams at a time; they end when the node drains.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use annals_core::event::RecordedEvent;
use annals_core::port::follow::Follow;
use annals_core::port::store::{EventStore, Page, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::choice::Sieve;
use crate::drain::Drain;
use crate::metrics::SSE_CLIENTS;
use crate::problem::{Answer, BAD_REQUEST, GONE, Problem, UNAVAILABLE};
use crate::record::EventBody;

/// The header with which a browser resumes.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// A sign of life after this much silence.
const PING: Duration = Duration::from_secs(15);
/// Events read at a time.
const PAGE_EVENTS: usize = 256;
/// How long a client waits before it connects again.
const RETRY: &str = "retry: 2000\n\n";

/// Limits of live streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveLimits {
    /// Streams at a time; more are answered 503. Default 256.
    pub clients_max: usize,
    /// A client that had caught up may be this many positions behind. Default 10,000.
    pub lag_max: u64,
    /// A client may be further behind for this long. Default 10 s.
    pub behind_max: Duration,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            clients_max: 256,
            lag_max: 10_000,
            behind_max: Duration::from_secs(10),
        }
    }
}

/// A live query before it has begun.
pub(crate) struct LiveQuery {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) query: Query,
    pub(crate) sieve: Sieve,
    pub(crate) from: Position,
}

/// Where a stream begins: behind `Last-Event-ID`, else behind `after`, else at `from`, else at the end.
///
/// # Errors
/// 400: the header is no position. 410: the store does not reach so far, so it is not the one the client saw.
pub(crate) fn begin(
    headers: &HeaderMap,
    after: Option<Position>,
    from: Option<Position>,
    end: Position,
) -> Answer<Position> {
    let header = match headers.get(LAST_EVENT_ID) {
        Some(value) => Some(last_event_id(value)?),
        None => None,
    };
    let begin = header.or(after).map(Position::next).or(from).unwrap_or(end);
    if begin > end {
        let detail =
            format!("expected a position before {end}, found {begin}: this store does not reach so far");
        let problem = Problem::new(&GONE, detail).sides(begin.get(), end.get());
        return Err(Box::new(
            problem.hint("begin again without Last-Event-ID and without after"),
        ));
    }
    Ok(begin)
}

/// Answers with the stream.
///
/// # Errors
/// 503: too many streams, or the node is stopping.
pub(crate) fn answer(
    live: LiveQuery,
    limits: LiveLimits,
    places: &Arc<Semaphore>,
    drain: Drain,
) -> Answer<Response> {
    let full = |_| {
        Problem::new(
            &UNAVAILABLE,
            format!("{} live streams are open already", limits.clients_max),
        )
    };
    let place = Arc::clone(places).try_acquire_owned().map_err(full)?;
    if drain.has_begun() {
        return Err(Box::new(Problem::new(&UNAVAILABLE, "the node is stopping")));
    }
    let following = Following {
        follow: Follow::new(Arc::clone(&live.store), live.query, live.from, PAGE_EVENTS),
        store: live.store,
        sieve: live.sieve,
        limits,
        drain,
        caught_up: false,
        behind_since: None,
        said: Instant::now(),
        over: false,
        _client: Client::new(place),
    };
    let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(RETRY.as_bytes())) });
    let rest = stream::unfold(following, async |mut following| {
        let chunk = following.next().await?;
        following.said = Instant::now();
        Some((Ok(chunk), following))
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, body).into_response())
}

struct Following {
    follow: Follow,
    store: Arc<dyn EventStore>,
    sieve: Sieve,
    limits: LiveLimits,
    drain: Drain,
    caught_up: bool,
    behind_since: Option<Instant>,
    said: Instant,
    over: bool,
    _client: Client,
}

impl Following {
    /// What to send next; `None`: nothing any more.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            if self.follow.is_caught_up() {
                self.behind_since = None;
                if !std::mem::replace(&mut self.caught_up, true) {
                    return Some(self.frame("caught-up"));
                }
            } else if self.is_too_slow() {
                self.over = true;
                let newest = self.store.end();
                return Some(frame("reset", newest, &json!({ "position": newest }).to_string()).into());
            }
            let (drain, follow) = (&self.drain, &mut self.follow);
            let page = tokio::select! {
                biased;
                () = drain.begun() => return None,
                page = tokio::time::timeout_at(self.said + PING, follow.next()) => page,
            };
            match page {
                Err(_) if self.follow.is_caught_up() => return Some(Bytes::from_static(b": ping\n\n")),
                Err(_) => return Some(self.frame("progress")),
                Ok(Err(error)) => return self.fail(&error),
                Ok(Ok(page)) => {
                    if let Some(events) = self.events(&page) {
                        return Some(events);
                    }
                }
            }
        }
        None
    }

    /// Behind by too much, for too long, after it had caught up.
    fn is_too_slow(&mut self) -> bool {
        let lag = self
            .store
            .end()
            .get()
            .saturating_sub(self.follow.position().get());
        if !self.caught_up || lag <= self.limits.lag_max {
            self.behind_since = None;
            return false;
        }
        self.behind_since.get_or_insert_with(Instant::now).elapsed() > self.limits.behind_max
    }

    fn events(&self, page: &Page) -> Option<Bytes> {
        let mut text = String::new();
        for event in page.events.iter().filter(|event| self.sieve.keeps(event)) {
            text.push_str(&frame("event", event.position.next(), &body(event)));
        }
        (!text.is_empty()).then(|| text.into())
    }

    fn frame(&self, topic: &str) -> Bytes {
        let position = self.follow.position();
        frame(topic, position, &json!({ "position": position }).to_string()).into()
    }

    fn fail(&mut self, error: &ReadError) -> Option<Bytes> {
        self.over = true;
        let problem = Problem::from(error.clone());
        let text = serde_json::to_string(&problem).ok()?;
        Some(format!("event: problem\ndata: {text}\n\n").into())
    }
}

fn body(event: &RecordedEvent) -> String {
    serde_json::to_string(&EventBody::of(event)).expect("a record is made of strings, numbers and valid JSON")
}

/// One server-sent event that says everything before `end`.
fn frame(topic: &str, end: Position, data: &str) -> String {
    let mut text = String::with_capacity(data.len() + 64);
    if let Some(last) = end.get().checked_sub(1) {
        let _infallible = writeln!(text, "id: {last}");
    }
    let _infallible = writeln!(text, "event: {topic}");
    // JSON content is passed on as it was written, line breaks included.
    for line in data.split(['\n', '\r']) {
        let _infallible = writeln!(text, "data: {line}");
    }
    text.push('\n');
    text
}

fn last_event_id(value: &HeaderValue) -> Answer<Position> {
    let position = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let wrong = || {
        Box::new(Problem::new(
            &BAD_REQUEST,
            format!("expected a position in Last-Event-ID, found {value:?}"),
        ))
    };
    position.ok_or_else(wrong)
}

/// Counts one client for as long as its stream lives.
struct Client {
    _place: OwnedSemaphorePermit,
}

impl Client {
    fn new(place: OwnedSemaphorePermit) -> Self {
        metrics::gauge!(SSE_CLIENTS).increment(1.0);
        Self { _place: place }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        metrics::gauge!(SSE_CLIENTS).decrement(1.0);
    }
}

#[cfg(test)]
mod tests;
