//! `/services` and the events of each: as pages, one by one, and live.

use std::sync::Arc;

use annals_core::event::RecordedEvent;
use annals_core::id::EventId;
use annals_core::port::store::{Direction, EventStore, Page, Read};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::time::Timestamp;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::choice::{self, Choice};
use crate::etag::{self, Preconditions};
use crate::hosted::Hosted;
use crate::live::{self, LiveQuery};
use crate::min_position::{self, MinPosition};
use crate::moment::Moment;
use crate::params::{self, Params};
use crate::problem::{Answer, BAD_REQUEST, NOT_FOUND, Problem};
use crate::record::EventBody;
use crate::state::NodeState;

/// Events of a page that does not say how many.
const LIMIT: usize = 100;
/// The most events of a page.
pub(crate) const LIMIT_MAX: usize = 1_000;
/// An event is recorded at most this long before the time in its id.
const ID_AHEAD: std::time::Duration = std::time::Duration::from_secs(60);
/// Pages of 1,000 events that are searched for an id.
const ID_PAGES_MAX: usize = 100;

/// What never changes may be kept for ever.
pub(crate) const IMMUTABLE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// A service of this node.
#[derive(Debug, Serialize, ToSchema)]
struct ServiceBody<'a> {
    /// Its name.
    name: &'a str,
    /// The position its next event will get.
    #[schema(value_type = u64)]
    end: Position,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
struct EventsBody<'a> {
    /// In the order that was asked for.
    events: Vec<EventBody<'a>>,
    /// Forward: ask on with `from`; backward: with `to`.
    #[schema(value_type = u64)]
    next: Position,
    /// Nothing more matches in the range.
    finished: bool,
    /// The end of the range: of the store, or as it was at the moment.
    #[schema(value_type = u64)]
    end: Position,
}

/// The services of this node.
#[utoipa::path(get, path = "/services", operation_id = "services", tag = "services",
    responses((status = 200, description = "By name", body = Vec<ServiceBody<'static>>)))]
pub(crate) async fn services(State(node): State<Arc<NodeState>>) -> Response {
    let services = node.services.all().map(|hosted| ServiceBody {
        name: &hosted.name,
        end: hosted.store.end(),
    });
    Json(services.collect::<Vec<_>>()).into_response()
}

/// The events of a service that match, a page at a time; with `Accept: text/event-stream`, live.
#[utoipa::path(get, path = "/services/{service}/events", operation_id = "events", tag = "events",
    params(
        ("service" = String, Path, description = "The service's name"),
        ("type" = Option<Vec<String>>, Query, description = "Any of these types; `order.*` means all that begin so"),
        ("tag" = Option<Vec<String>>, Query, description = "All of these tags, such as `order:42`"),
        ("correlation" = Option<String>, Query, description = "Only what follows from this request"),
        ("from" = Option<String>, Query, description = "The lowest position, or the earliest recorded time"),
        ("to" = Option<String>, Query, description = "The first position that is left out, or a time"),
        ("at" = Option<String>, Query, description = "The history as it was at this time, or before this position"),
        ("limit" = Option<usize>, Query, description = "Events of the page, 1 to 1,000; default 100"),
        ("direction" = Option<String>, Query, description = "`forward` (default) or `backward`"),
        ("annals-min-position" = Option<u64>, Header, description = "The answer must contain everything before it"),
        ("prefer" = Option<String>, Header, description = "`wait=5`: seconds to wait for that"),
    ),
    responses(
        (status = 200, description = "A page", body = EventsBody<'static>),
        (status = 400, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such service or moment", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The position is not reached", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn events(
    State(node): State<Arc<NodeState>>,
    Path(service): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    if headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"))
    {
        return live(State(node), Path(service), headers, RawQuery(query)).await;
    }
    let hosted = node.services.get(&service)?;
    let names = [&choice::NAMES[..], &["from", "to", "at", "limit", "direction"]].concat();
    let params = Params::parse(query.as_deref(), &names)?;
    let store = &*hosted.store;
    let asked = Asked::from_params(&params)?;
    MinPosition::from_headers(&headers)?
        .reached(store.watch_end())
        .await?;
    let range = Range::find(store, &params).await?;
    let page = match Choice::from_params(&params)?.today(store).await? {
        Some(query) => store.read(asked.read(query, &range)).await?,
        None => Page {
            events: Vec::new(),
            next: range.to,
            finished: true,
        },
    };
    Ok(page_answer(&service, &params, &asked, &range, &page))
}

/// What matches, from a position on and as it is recorded.
#[utoipa::path(get, path = "/services/{service}/events/live", operation_id = "liveEvents", tag = "events",
    params(
        ("service" = String, Path, description = "The service's name"),
        ("type" = Option<Vec<String>>, Query, description = "Any of these types; `order.*` means all that begin so"),
        ("tag" = Option<Vec<String>>, Query, description = "All of these tags"),
        ("correlation" = Option<String>, Query, description = "Only what follows from this request"),
        ("from" = Option<String>, Query, description = "Begin at this position or time; default: now"),
        ("after" = Option<u64>, Query, description = "Begin behind this position"),
        ("last-event-id" = Option<u64>, Header, description = "Resume behind this position"),
    ),
    responses(
        (status = 200, description = "Server-sent events: event, caught-up, progress, reset, problem",
            body = String, content_type = "text/event-stream"),
        (status = 410, description = "The store does not reach so far", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn live(
    State(node): State<Arc<NodeState>>,
    Path(service): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let hosted = node.services.get(&service)?;
    let names = [&choice::NAMES[..], &["from", "after"]].concat();
    let params = Params::parse(query.as_deref(), &names)?;
    let store = &hosted.store;
    let from = match params.read::<Moment>("from")? {
        Some(moment) => Some(moment.begin(&**store).await?),
        None => None,
    };
    let from = live::begin(&headers, params.read("after")?, from, store.end())?;
    let (query, sieve) = Choice::from_params(&params)?.ever();
    let live = LiveQuery {
        store: Arc::clone(store),
        query,
        sieve,
        from,
    };
    live::answer(live, node.live, &node.live_places, node.drain.clone())
}

/// One event, by its id or its position.
#[utoipa::path(get, path = "/services/{service}/events/{event}", operation_id = "event", tag = "events",
    params(
        ("service" = String, Path, description = "The service's name"),
        ("event" = String, Path, description = "An event id or a position"),
    ),
    responses(
        (status = 200, description = "The event; it never changes", body = EventBody<'static>),
        (status = 304, description = "The client has it"),
        (status = 404, description = "No such event", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn event(
    State(node): State<Arc<NodeState>>,
    Path((service, place)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Response> {
    let hosted = node.services.get(&service)?;
    let record = match (place.parse::<Position>(), place.parse::<EventId>()) {
        (Ok(position), _) => at_position(hosted, position).await?,
        (_, Ok(id)) => by_id(hosted, id).await?,
        _ => {
            return Err(Box::new(Problem::new(
                &BAD_REQUEST,
                format!("expected an event id or a position, found {place:?}"),
            )));
        }
    };
    let id = record.id.to_string();
    let fixed = [
        (header::ETAG, etag::quoted(&id)),
        (header::CACHE_CONTROL, IMMUTABLE),
    ];
    if Preconditions::from_headers(&headers)?.is_known(&id) {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    Ok((fixed, Json(EventBody::of(&record))).into_response())
}

/// The size and direction of a page.
struct Asked {
    limit: usize,
    direction: Direction,
}

impl Asked {
    fn from_params(params: &Params) -> Answer<Self> {
        let limit = params.read("limit")?.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let detail = format!("expected a limit of 1 to {LIMIT_MAX}, found {limit}");
            return Err(Box::new(Problem::new(&BAD_REQUEST, detail)));
        }
        let direction = params.direction()?;
        Ok(Self { limit, direction })
    }

    fn read(&self, query: Query, range: &Range) -> Read {
        let read = Read::new(query, range.from).to(range.to).limit(self.limit);
        Read {
            direction: self.direction,
            ..read
        }
    }
}

/// The positions a page is cut from.
struct Range {
    from: Position,
    to: Position,
    /// Nothing in it can change any more.
    is_settled: bool,
}

impl Range {
    async fn find(store: &dyn EventStore, params: &Params) -> Answer<Self> {
        let from = match params.read::<Moment>("from")? {
            Some(moment) => moment.begin(store).await?,
            None => Position::ZERO,
        };
        let end = store.end();
        let mut range = Self {
            from,
            to: end,
            is_settled: false,
        };
        if let Some(moment) = params.read::<Moment>("to")? {
            let to = moment.begin(store).await?;
            let is_settled = to < end || (to == end && matches!(moment, Moment::Position(_)));
            range = Self {
                from,
                to: to.min(end),
                is_settled,
            };
        }
        if let Some(moment) = params.read::<Moment>("at")? {
            let then = moment.then(store).await?;
            range = Self {
                from,
                to: range.to.min(then.end),
                is_settled: range.is_settled || then.is_settled,
            };
        }
        Ok(range)
    }
}

fn page_answer(service: &str, params: &Params, asked: &Asked, range: &Range, page: &Page) -> Response {
    let body = EventsBody {
        events: page.events.iter().map(EventBody::of).collect(),
        next: page.next,
        finished: page.finished,
        end: range.to,
    };
    let mut response = Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(min_position::POSITION, min_position::header(range.to));
    if range.is_settled {
        headers.insert(header::CACHE_CONTROL, IMMUTABLE);
    }
    if !page.finished
        && let Ok(link) = HeaderValue::try_from(next_link(service, params, asked, page.next))
    {
        headers.insert(header::LINK, link);
    }
    response
}

/// The address of the following page: the same question, with the moving end replaced.
fn next_link(service: &str, params: &Params, asked: &Asked, next: Position) -> String {
    let moving = match asked.direction {
        Direction::Forward => "from",
        Direction::Backward => "to",
    };
    let mut query = format!("{moving}={next}");
    let names = [&choice::NAMES[..], &["from", "to", "at", "limit", "direction"]].concat();
    for name in names.into_iter().filter(|name| *name != moving) {
        for value in params.all(name) {
            query.push_str(&format!("&{name}={}", params::encode(value)));
        }
    }
    format!(
        "</services/{}/events?{query}>; rel=\"next\"",
        params::encode(service)
    )
}

async fn at_position(hosted: &Hosted, position: Position) -> Answer<RecordedEvent> {
    let read = Read::new(Query::all(), position).to(position.next()).limit(1);
    let found = hosted.store.read(read).await?.events.pop();
    found.ok_or_else(|| {
        let end = hosted.store.end();
        let detail = format!(
            "{} has no event at position {position}; it ends before {end}",
            hosted.name
        );
        Box::new(Problem::new(&NOT_FOUND, detail))
    })
}

/// Finds an event by its id. The store has no index of ids, but a version 7 id tells when it was made: the search
/// begins a minute before that and goes on for 100,000 events.
async fn by_id(hosted: &Hosted, id: EventId) -> Answer<RecordedEvent> {
    let begin = match made(id) {
        Some(time) => hosted.store.end_at(time.before(ID_AHEAD)).await?,
        None => Position::ZERO,
    };
    let mut from = begin;
    for _ in 0..ID_PAGES_MAX {
        let page = hosted.store.read(Read::new(Query::all(), from)).await?;
        if let Some(found) = page.events.into_iter().find(|event| event.id == id) {
            return Ok(found);
        }
        from = page.next;
        if page.finished {
            break;
        }
    }
    let detail = format!(
        "{} has no event {id} from position {begin} to before {from}",
        hosted.name
    );
    Err(Box::new(
        Problem::new(&NOT_FOUND, detail).hint("ask for its position, or by tag or correlation"),
    ))
}

/// The moment a version 7 id was made.
fn made(id: EventId) -> Option<Timestamp> {
    let uuid = id.as_uuid();
    let (seconds, nanos) = uuid
        .get_timestamp()
        .filter(|_| uuid.get_version_num() == 7)?
        .to_unix();
    let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
    Some(Timestamp::from_micros(micros + i64::from(nanos / 1_000)))
}
