//! Problem documents (RFC 9457): what a client is told when its request is not carried out.
//!
//! In: errors of the rooms below. Out: one document with a stable `code`, a status and, where it helps, both sides
//! and the next step. The table from [`ErrorKind`] to HTTP status exists once, in [`Problem::of`].
//!
//! The path and the correlation of the request are filled in on the way out, where they are known.

use std::borrow::Cow;

use annals::{AnyRefusal, ExecuteError};
use annals_core::condition::Conflict;
use annals_core::kind::ErrorKind;
use annals_core::port::store::{AppendError, ReadError};
use annals_core::position::Revision;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What a handler answers: `T`, or a problem.
pub type Answer<T> = Result<T, Box<Problem>>;

/// A kind of problem: a line of the table that is served at `/problems`.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProblemKind {
    /// The stable word, also the end of the problem's `type`.
    pub slug: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The same for people.
    pub title: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

macro_rules! kinds {
    ($($name:ident, $slug:literal, $status:literal, $title:literal, $advice:literal;)*) => {
        $(#[doc = $title]
        pub static $name: ProblemKind =
            ProblemKind { slug: $slug, status: $status, title: $title, advice: $advice };)*

        /// Every kind of problem there is.
        pub static KINDS: &[&ProblemKind] = &[$(&$name),*];
    };
}

kinds! {
    BAD_REQUEST, "bad_request", 400, "The request is malformed", "Correct it; it will fail again unchanged.";
    IDEMPOTENCY_KEY_MISSING, "idempotency_key_missing", 400, "An idempotency key is required",
        "Send Idempotency-Key with a new key for a new request, and the same key when repeating it.";
    FORBIDDEN_ORIGIN, "forbidden_origin", 403, "The request comes from another site",
        "Send it from the node's own pages, or without a browser.";
    NOT_FOUND, "not_found", 404, "There is no such thing", "Look at /services and /openapi.json for what there is.";
    METHOD_NOT_ALLOWED, "method_not_allowed", 405, "This path has other methods", "Look at /openapi.json.";
    CONFLICT, "conflict", 409, "Somebody else was first", "Read again and decide again.";
    REFUSED, "refused", 409, "The rules of the domain say no",
        "It will be refused again while the state stays as it is; `code` says which rule.";
    GONE, "gone", 410, "This part of the history is not here",
        "Begin again without a position, or from the boundary that is named; what is before it may be in an archive.";
    PRECONDITION_FAILED, "precondition_failed", 412, "It has another revision than expected",
        "Read it again; ETag has the present revision.";
    TOO_LARGE, "too_large", 413, "The body is too large", "Send less at a time.";
    UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415, "The body is of another media type than expected",
        "Send Content-Type: application/json.";
    MISDIRECTED, "misdirected", 421, "This node does not answer for that host name",
        "Use the address the node printed at its start, or allow the name in its options.";
    INVALID, "invalid", 422, "The content is not valid", "Correct it; `errors` and `detail` say where.";
    IDEMPOTENCY_KEY_REUSED, "idempotency_key_reused", 422, "The idempotency key was used for another request",
        "Use a new key for a new request.";
    INTERNAL, "internal", 500, "The node failed", "Look at its log for the correlation id.";
    CORRUPT, "corrupt", 500, "Stored bytes are damaged", "Run verify on the store and restore from a backup.";
    UNAVAILABLE, "unavailable", 503, "It cannot be done just now", "Repeat it later, with the same ids.";
    CLOSED, "closed", 503, "The store takes no more work", "Restart the node; look at its log for the reason.";
    NOT_READY, "not_ready", 503, "The node is not ready", "`detail` lists what is missing.";
    STALE_BUILD, "stale_build", 503, "This build does not know all that happened",
        "Deploy a build that knows the type, or ask another node.";
    POSITION_NOT_REACHED, "position_not_reached", 503, "The position asked for is not there yet",
        "Repeat it, or wait longer with Prefer: wait=N.";
    UNKNOWN, "unknown", 504, "It is not known whether it happened", "Repeat it with the same idempotency key.";
}

/// A problem document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Where the kind of problem is explained: `/problems/{slug}`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The kind for people; the same for every problem of a kind.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// The path that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The stable word for programs: the kind's slug, or a refusal's own code.
    pub code: Cow<'static, str>,
    /// The request, as logs and traces know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlationid: Option<String>,
    /// What the request expected to find.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub expected: Option<Value>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub actual: Option<Value>,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What is wrong with single parts of the content.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<PartError>,
    /// Seconds after which a repetition makes sense; sent as `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

/// What is wrong with one part of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartError {
    /// What is wrong.
    pub detail: String,
    /// A JSON Pointer to the part: `/lines/0/quantity`.
    pub pointer: String,
}

impl Problem {
    /// A problem of a kind; `detail` says what is wrong this time.
    pub fn new(kind: &'static ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            type_: format!("/problems/{}", kind.slug),
            title: kind.title.into(),
            status: kind.status,
            detail: detail.into(),
            instance: None,
            code: kind.slug.into(),
            correlationid: None,
            expected: None,
            actual: None,
            hint: Some(kind.advice.to_owned()),
            errors: Vec::new(),
            retry_after: (kind.status == 503).then_some(1),
        }
    }

    /// The one table from an error's meaning to a problem.
    pub fn of(kind: ErrorKind, detail: impl Into<String>) -> Self {
        let kind = match kind {
            ErrorKind::Conflict => &CONFLICT,
            ErrorKind::Refused => &REFUSED,
            ErrorKind::Invalid => &INVALID,
            ErrorKind::NotFound => &NOT_FOUND,
            ErrorKind::Gone => &GONE,
            ErrorKind::Unavailable => &UNAVAILABLE,
            ErrorKind::Unknown => &UNKNOWN,
            ErrorKind::Corrupt => &CORRUPT,
            ErrorKind::Closed => &CLOSED,
            _ => &INTERNAL,
        };
        Self::new(kind, detail)
    }

    /// The kind that goes with a status that some layer chose by itself.
    pub fn of_status(status: StatusCode, detail: impl Into<String>) -> Self {
        let kind = KINDS.iter().copied().find(|kind| kind.status == status.as_u16());
        let mut problem = Self::new(
            kind.unwrap_or(if status.is_server_error() {
                &INTERNAL
            } else {
                &BAD_REQUEST
            }),
            detail,
        );
        problem.status = status.as_u16();
        problem
    }

    /// A domain's refusal: its own code, its own words.
    pub fn refused(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code: Cow::Owned(code.into()),
            ..Self::new(&REFUSED, detail)
        }
    }

    /// Both sides of what did not match.
    #[must_use]
    pub fn sides(mut self, expected: impl Into<Value>, actual: impl Into<Value>) -> Self {
        self.expected = Some(expected.into());
        self.actual = Some(actual.into());
        self
    }

    /// Another next step than the kind's.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names a wrong part of the content.
    #[must_use]
    pub fn part(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(PartError {
            detail: detail.into(),
            pointer: pointer.into(),
        });
        self
    }

    /// The status; 500 if somebody set an impossible one.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Box<Problem> {
    fn into_response(self) -> Response {
        (*self).into_response()
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::of(error.kind(), error.to_string())
    }
}

impl From<ReadError> for Box<Problem> {
    fn from(error: ReadError) -> Self {
        Box::new(error.into())
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        match &error {
            AppendError::Conflict(conflict) => conflict.into(),
            other => Self::of(other.kind(), other.to_string()),
        }
    }
}

impl From<AppendError> for Box<Problem> {
    fn from(error: AppendError) -> Self {
        Box::new(error.into())
    }
}

impl From<&ExecuteError<AnyRefusal>> for Problem {
    fn from(error: &ExecuteError<AnyRefusal>) -> Self {
        let detail = error.to_string();
        let at = |revision: &Option<Revision>| revision.map(Revision::get);
        match error {
            ExecuteError::Moved { expected, found, .. } => {
                Self::new(&PRECONDITION_FAILED, detail).sides(at(expected), at(found))
            }
            ExecuteError::KeyReused { .. } => Self::new(&IDEMPOTENCY_KEY_REUSED, detail),
            ExecuteError::StaleBuild { .. } => Self::new(&STALE_BUILD, detail),
            ExecuteError::Append(append) => append.clone().into(),
            other if other.kind() == ErrorKind::Refused => Self::refused(other.code(), detail),
            other => Self::of(other.kind(), detail),
        }
    }
}

impl From<&Conflict> for Problem {
    fn from(conflict: &Conflict) -> Self {
        let problem = Self::of(ErrorKind::Conflict, conflict.to_string());
        match conflict {
            Conflict::Match { from, position, .. } => problem.sides(
                format!("no matching event from position {from} on"),
                format!("one at position {position}"),
            ),
            Conflict::Tag { expected, found, .. } => {
                problem.sides(expected.map(|at| at.get()), found.map(|at| at.get()))
            }
            _ => problem,
        }
    }
}

#[cfg(test)]
mod tests;
