//! Entity tags: the revision of a thing as HTTP says it, and the preconditions that name one (RFC 9110).
//!
//! In: `If-Match`, `If-None-Match`. Out: `ETag`, and whether a request may go on. A revision makes a strong tag.

use annals_core::position::Revision;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::problem::{Answer, BAD_REQUEST, PRECONDITION_FAILED, Problem};

/// The `ETag` of a thing at a revision: `"12"`.
pub fn of(revision: Revision) -> HeaderValue {
    quoted(&revision.to_string())
}

/// The `ETag` of something that is named by an id.
pub(crate) fn quoted(opaque: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{opaque}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What a request demands of the thing it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// `If-Match`: it must be one of these.
    pub matches: Option<Tags>,
    /// `If-None-Match`: it must be none of these.
    pub none_match: Option<Tags>,
}

/// A list of entity tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// `*`: any, as long as there is one.
    Any,
    /// These, each with whether it is weak.
    List(Vec<(String, bool)>),
}

impl Preconditions {
    /// Reads both headers.
    ///
    /// # Errors
    /// 400: a header is no list of entity tags.
    pub fn from_headers(headers: &HeaderMap) -> Answer<Self> {
        Ok(Self {
            matches: tags(headers, &header::IF_MATCH)?,
            none_match: tags(headers, &header::IF_NONE_MATCH)?,
        })
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.matches.is_none() && self.none_match.is_none()
    }

    /// The one revision they ask for, if they ask for exactly one: `If-Match: "12"` (`Some(12)`), or
    /// `If-None-Match: *` (`None`: it must not exist).
    pub fn exact(&self) -> Option<Option<Revision>> {
        match (&self.matches, &self.none_match) {
            (Some(Tags::List(list)), None) => match list.as_slice() {
                [(opaque, false)] => opaque.parse().ok().map(Some),
                _ => None,
            },
            (None, Some(Tags::Any)) => Some(None),
            _ => None,
        }
    }

    /// Whether a write to a thing at this revision may go on; `None`: it does not exist.
    ///
    /// # Errors
    /// 412 with both sides.
    pub fn check(&self, revision: Option<Revision>) -> Answer<()> {
        let opaque = revision.map(|at| at.to_string());
        if let Some(tags) = self
            .matches
            .as_ref()
            .filter(|tags| !tags.hold(opaque.as_deref(), false))
        {
            return Err(failed(tags.wanted("that it exists", "revision "), opaque));
        }
        if let Some(tags) = self
            .none_match
            .as_ref()
            .filter(|tags| tags.hold(opaque.as_deref(), true))
        {
            return Err(failed(
                tags.wanted("that it does not exist", "not revision "),
                opaque,
            ));
        }
        Ok(())
    }

    /// Whether a read of what has this tag can be answered with 304.
    pub fn is_known(&self, opaque: &str) -> bool {
        self.none_match
            .as_ref()
            .is_some_and(|tags| tags.hold(Some(opaque), true))
    }
}

fn failed(expected: String, opaque: Option<String>) -> Box<Problem> {
    let actual = opaque.map_or("it does not exist".to_owned(), |at| format!("revision {at}"));
    let detail = format!("expected {expected}, found: {actual}");
    Box::new(Problem::new(&PRECONDITION_FAILED, detail).sides(expected, actual))
}

impl Tags {
    fn wanted(&self, any: &str, one_of: &str) -> String {
        match self {
            Self::Any => any.to_owned(),
            Self::List(list) => {
                let list: Vec<_> = list.iter().map(|(opaque, _)| opaque.as_str()).collect();
                format!("{one_of}{}", list.join(" or "))
            }
        }
    }

    fn hold(&self, opaque: Option<&str>, weak_counts: bool) -> bool {
        match (self, opaque) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::List(list), Some(opaque)) => list
                .iter()
                .any(|(tag, weak)| tag == opaque && (weak_counts || !weak)),
        }
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Answer<Option<Tags>> {
    let mut list = Vec::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| malformed(name))?.trim();
        if text == "*" {
            return Ok(Some(Tags::Any));
        }
        for part in text.split(',') {
            list.push(tag(part.trim()).ok_or_else(|| malformed(name))?);
        }
    }
    Ok((!list.is_empty()).then_some(Tags::List(list)))
}

fn tag(text: &str) -> Option<(String, bool)> {
    let (text, weak) = text.strip_prefix("W/").map_or((text, false), |text| (text, true));
    let opaque = text.strip_prefix('"')?.strip_suffix('"')?;
    (!opaque.contains('"')).then(|| (opaque.to_owned(), weak))
}

fn malformed(name: &HeaderName) -> Box<Problem> {
    Box::new(Problem::new(
        &BAD_REQUEST,
        format!("expected entity tags such as \"12\" in {name}"),
    ))
}

#[cfg(test)]
mod tests;
