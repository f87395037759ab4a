//! Around every request: its trace, its deadline, its metrics, and the shape of what went wrong.
//!
//! In: a request and whatever answers it. Out: the answer with correlation, trace and safe defaults in its headers;
//! every error, also of the router and of the extractors, as a problem document that knows its path and its request.
//! A handler that panics is answered with 500, one that takes too long with 504.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::World;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http_body_util::{BodyExt, Limited};
use tracing::Instrument;

use crate::health::AsItIs;
use crate::metrics::{HTTP_DURATION, HTTP_REQUESTS};
use crate::problem::{INTERNAL, MEDIA_TYPE, Problem, UNKNOWN};
use crate::trace::{Asked, CORRELATION, TRACE_PARENT};

/// As much of a foreign layer's words as a problem document quotes, in bytes.
const QUOTED_BYTES_MAX: usize = 4_096;

/// What every request gets.
#[derive(Clone)]
pub(crate) struct Observed {
    pub(crate) world: World,
    pub(crate) deadline: Duration,
}

pub(crate) async fn observe(
    State(observed): State<Arc<Observed>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let asked = Asked::from_headers(request.headers(), &observed.world);
    request.extensions_mut().insert(asked);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|route| route.as_str().to_owned());
    let route = route.unwrap_or_else(|| "other".to_owned());
    let span = tracing::info_span!("http", %method, route, correlation = %asked.correlation);

    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let outcome = tokio::time::timeout(observed.deadline, answer)
        .instrument(span)
        .await;
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::new(&INTERNAL, "the handler panicked; the log has the reason").into_response(),
        Err(_) => late(&method, observed.deadline).into_response(),
    };
    count(&method, route, response.status(), started.elapsed());
    let mut response = as_problem(response, path, &asked).await;
    decorate(&mut response, &asked);
    response
}

fn late(method: &Method, deadline: Duration) -> Problem {
    let problem = Problem::new(&UNKNOWN, format!("there was no answer within {deadline:?}"));
    if method.is_safe() {
        problem.hint("repeat it, or ask for less at a time")
    } else {
        problem
    }
}

/// Completes a problem, or makes one of an error that some layer answered in its own words.
async fn as_problem(response: Response, path: String, asked: &Asked) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<AsItIs>().is_some() {
        return response;
    }
    let problem = response.extensions().get::<Problem>().cloned();
    let kept = [header::RETRY_AFTER, header::ALLOW]
        .map(|name| (name.clone(), response.headers().get(name).cloned()));
    let problem = match problem {
        Some(problem) => problem,
        None if is_shaped(&response) => return response,
        None => Problem::of_status(status, words(response).await),
    };
    let problem = Problem {
        instance: Some(path),
        correlationid: Some(asked.correlation.to_string()),
        ..problem
    };
    if status.is_server_error() {
        tracing::warn!(code = %problem.code, correlation = %asked.correlation, detail = problem.detail, "answered {status}");
    }
    let mut response = problem.into_response();
    for (name, value) in kept {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Whether somebody gave the error a form of its own: a document, or a page.
fn is_shaped(response: &Response) -> bool {
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with(MEDIA_TYPE) || !kind.starts_with("text/plain"))
}

async fn words(response: Response) -> String {
    let status = response.status();
    let body = Limited::new(response.into_body(), QUOTED_BYTES_MAX)
        .collect()
        .await;
    let text = body
        .map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned())
        .unwrap_or_default();
    match text.is_empty() {
        false => text,
        true if status == StatusCode::NOT_FOUND => "this node has nothing at that path".to_owned(),
        true => status.canonical_reason().unwrap_or("no reason given").to_owned(),
    }
}

fn decorate(response: &mut Response, asked: &Asked) {
    let text =
        |text: String| HeaderValue::try_from(text).expect("ids are made of letters, digits and hyphens");
    let headers = response.headers_mut();
    headers
        .entry(HeaderName::from_static(CORRELATION))
        .or_insert(text(asked.correlation.to_string()));
    headers.insert(
        HeaderName::from_static(TRACE_PARENT),
        text(asked.trace_parent.to_string()),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

fn count(method: &Method, route: String, status: StatusCode, took: Duration) {
    let method = match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    metrics::histogram!(HTTP_DURATION, "route" => route.clone()).record(took.as_secs_f64());
    let status = status.as_str().to_owned();
    metrics::counter!(HTTP_REQUESTS, "route" => route, "method" => method, "status" => status).increment(1);
}
