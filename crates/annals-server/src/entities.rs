//! `/services/{service}/entities/{tag}`: what a thing is, what it was at any moment, and how it became so.
//!
//! The same folds that decide today show the past. What is asked of a moment that cannot change any more may be kept
//! for ever.

use std::sync::Arc;

use annals::{LoadError, Moment as LoadMoment, Service, Shown};
use annals_core::port::store::{EventStore, Page, Read};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::tag::Tag;
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::etag::{self, Preconditions};
use crate::events::IMMUTABLE;
use crate::min_position::{self, MinPosition};
use crate::moment::{Moment, Then};
use crate::params::Params;
use crate::problem::{Answer, BAD_REQUEST, NOT_FOUND, Problem};
use crate::record::EventBody;
use crate::state::NodeState;

/// Steps of a history that does not say how many.
const STEPS: usize = 25;
/// The most steps of a history: each is a fold of its own.
const STEPS_MAX: usize = 100;

/// A thing at a moment.
#[derive(Debug, Serialize, ToSchema)]
struct EntityBody {
    /// Which thing.
    #[schema(value_type = String)]
    tag: Tag,
    /// Its revision then.
    #[schema(value_type = u64)]
    revision: Revision,
    /// The end of the store then.
    #[schema(value_type = u64)]
    end: Position,
    /// Its state, as each model with keys of this kind folds it.
    states: Vec<StateBody>,
}

/// A state as one model folds it.
#[derive(Debug, Serialize, ToSchema)]
struct StateBody {
    /// The model.
    model: String,
    /// The state.
    #[schema(value_type = Object)]
    state: Value,
}

/// A stretch of the history of a thing.
#[derive(Debug, Serialize, ToSchema)]
struct HistoryBody<'a> {
    /// Which thing.
    #[schema(value_type = String)]
    tag: &'a Tag,
    /// In the order that was asked for.
    steps: Vec<StepBody<'a>>,
    /// Forward: ask on with `from`; backward: with `to`.
    #[schema(value_type = u64)]
    next: Position,
    /// There is no more.
    finished: bool,
}

/// One event of a thing, and what it made of it.
#[derive(Debug, Serialize, ToSchema)]
struct StepBody<'a> {
    /// Its place among the events of the thing.
    #[schema(value_type = u64)]
    revision: Revision,
    /// The event.
    event: EventBody<'a>,
    /// The states after it.
    states: Vec<StateBody>,
}

/// What a thing is, or was.
#[utoipa::path(get, path = "/services/{service}/entities/{tag}", operation_id = "entity", tag = "entities",
    params(
        ("service" = String, Path, description = "The service's name"),
        ("tag" = String, Path, description = "`order:42`"),
        ("at" = Option<String>, Query, description = "As it was at this time, or before this position"),
        ("if-none-match" = Option<String>, Header, description = "The revision the client has"),
        ("annals-min-position" = Option<u64>, Header, description = "The answer must contain everything before it"),
        ("prefer" = Option<String>, Header, description = "`wait=5`: seconds to wait for that"),
    ),
    responses(
        (status = 200, description = "Its state; ETag is its revision", body = EntityBody),
        (status = 304, description = "The client has it"),
        (status = 404, description = "No such thing then", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn entity(
    State(node): State<Arc<NodeState>>,
    Path((service, tag)): Path<(String, String)>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let service = node.services.get(&service)?.running()?;
    let tag = known_tag(service, &tag)?;
    let params = Params::parse(query.as_deref(), &["at"])?;
    let store = &**service.store();
    MinPosition::from_headers(&headers)?
        .reached(store.watch_end())
        .await?;
    let at = params.read::<Moment>("at")?;
    let then = match at {
        Some(moment) => moment.then(store).await?,
        None => Then {
            end: store.end(),
            is_settled: false,
        },
    };
    let revision = store
        .revision(tag.clone(), then.end)
        .await?
        .ok_or_else(|| absent(&tag, then.end))?;
    let mut fixed = HeaderMap::new();
    fixed.insert(header::ETAG, etag::of(revision));
    fixed.insert(min_position::POSITION, min_position::header(then.end));
    let cache = if then.is_settled {
        IMMUTABLE
    } else {
        HeaderValue::from_static("private, no-cache")
    };
    fixed.insert(header::CACHE_CONTROL, cache);
    if Preconditions::from_headers(&headers)?.is_known(&revision.to_string()) {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    let states = states(service, &tag, then.end).await?;
    Ok((
        fixed,
        Json(EntityBody {
            tag,
            revision,
            end: then.end,
            states,
        }),
    )
        .into_response())
}

/// How a thing became what it is: its events, and its state after each.
#[utoipa::path(get, path = "/services/{service}/entities/{tag}/history", operation_id = "history", tag = "entities",
    params(
        ("service" = String, Path, description = "The service's name"),
        ("tag" = String, Path, description = "`order:42`"),
        ("from" = Option<String>, Query, description = "The lowest position, or the earliest recorded time"),
        ("to" = Option<String>, Query, description = "The first position that is left out, or a time"),
        ("limit" = Option<usize>, Query, description = "Steps, 1 to 100; default 25"),
        ("direction" = Option<String>, Query, description = "`forward` (default) or `backward`"),
    ),
    responses(
        (status = 200, description = "Steps", body = HistoryBody<'static>),
        (status = 404, description = "No such thing", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn history(
    State(node): State<Arc<NodeState>>,
    Path((service, tag)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let service = node.services.get(&service)?.running()?;
    let tag = known_tag(service, &tag)?;
    let params = Params::parse(query.as_deref(), &["from", "to", "limit", "direction"])?;
    let store = &**service.store();
    if store.revision(tag.clone(), Position::MAX).await?.is_none() {
        return Err(absent(&tag, store.end()));
    }
    let page = store.read(history_read(store, &tag, &params).await?).await?;
    let steps = steps(service, &tag, &page).await?;
    let body = HistoryBody {
        tag: &tag,
        steps,
        next: page.next,
        finished: page.finished,
    };
    Ok(Json(body).into_response())
}

async fn history_read(store: &dyn EventStore, tag: &Tag, params: &Params) -> Answer<Read> {
    let mut read =
        Read::new(Query::tag(tag.clone()), Position::ZERO).limit(params.read("limit")?.unwrap_or(STEPS));
    if !(1..=STEPS_MAX).contains(&read.limit) {
        let detail = format!("expected a limit of 1 to {STEPS_MAX}, found {}", read.limit);
        return Err(Box::new(Problem::new(&BAD_REQUEST, detail)));
    }
    if let Some(moment) = params.read::<Moment>("from")? {
        read.from = moment.begin(store).await?;
    }
    read.to = match params.read::<Moment>("to")? {
        Some(moment) => moment.begin(store).await?.min(store.end()),
        None => store.end(),
    };
    read.direction = params.direction()?;
    Ok(read)
}

/// The events of a page with their revisions and the states after each.
async fn steps<'a>(service: &Service, tag: &Tag, page: &'a Page) -> Answer<Vec<StepBody<'a>>> {
    let mut steps = Vec::with_capacity(page.events.len());
    for record in &page.events {
        let end = record.position.next();
        let revision = service.store().revision(tag.clone(), end).await?;
        let revision = revision.expect("a tag has a revision behind each of its events");
        let states = states(service, tag, end).await?;
        steps.push(StepBody {
            revision,
            event: EventBody::of(record),
            states,
        });
    }
    Ok(steps)
}

async fn states(service: &Service, tag: &Tag, end: Position) -> Answer<Vec<StateBody>> {
    let wrong = |error: LoadError| Box::new(problem(&error));
    let shown = service
        .show(tag, LoadMoment::Position(end))
        .await
        .map_err(wrong)?;
    Ok(shown
        .into_iter()
        .map(|Shown { model, state, .. }| StateBody { model, state })
        .collect())
}

fn problem(error: &LoadError) -> Problem {
    use annals::decide::fold::FoldError;
    let detail = error.to_string();
    match error {
        LoadError::Read(read)
        | LoadError::Fold(FoldError::Read(read) | FoldError::NoSnapshot { source: read, .. }) => {
            Problem::of(read.kind(), detail)
        }
        LoadError::Fold(FoldError::Decode { .. }) => Problem::new(&crate::problem::STALE_BUILD, detail),
        _ => Problem::new(&BAD_REQUEST, detail),
    }
}

/// Reads a tag of a kind that the service has models of.
fn known_tag(service: &Service, text: &str) -> Answer<Tag> {
    let wrong = |error| Box::new(Problem::new(&BAD_REQUEST, format!("{error}")));
    let tag = Tag::new(text).map_err(wrong)?;
    let kinds = service.kinds();
    if kinds.contains(&tag.kind()) {
        return Ok(tag);
    }
    let detail = format!(
        "{} has no model whose key is of the kind {:?}",
        service.name(),
        tag.kind()
    );
    Err(Box::new(
        Problem::new(&NOT_FOUND, detail).hint(format!("it has models of: {}", kinds.join(", "))),
    ))
}

fn absent(tag: &Tag, end: Position) -> Box<Problem> {
    Box::new(Problem::new(
        &NOT_FOUND,
        format!("there is no event of {tag} before position {end}"),
    ))
}
