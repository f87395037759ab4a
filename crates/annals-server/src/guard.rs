//! Keeps other sites out: a page in a browser of this machine can reach a loopback address, too.
//!
//! In: `Host` and `Origin`. Out: the request, or a refusal. A node on loopback answers only for loopback names and
//! names it was told, so that a foreign name that resolves to this machine (DNS rebinding) gets nowhere; what changes
//! something is taken from a browser only if the page came from the same host.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::problem::{Answer, FORBIDDEN_ORIGIN, MISDIRECTED, Problem};

/// The host names a node answers for.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// `None`: every name.
    pub(crate) names: Option<Vec<String>>,
}

pub(crate) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Answer<Response> {
    guard.judge(request.method(), request.uri(), request.headers())?;
    Ok(next.run(request).await)
}

impl Guard {
    fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Answer<()> {
        let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let Some(host) = uri.authority().map(|authority| authority.as_str()).or(named) else {
            return Err(Box::new(Problem::new(&MISDIRECTED, "there is no Host header")));
        };
        if !self.answers_for(name_of(host)) {
            return Err(Box::new(Problem::new(
                &MISDIRECTED,
                format!("this node does not answer for {host:?}"),
            )));
        }
        let origin = headers.get(header::ORIGIN).filter(|_| !method.is_safe());
        let Some(origin) = origin else { return Ok(()) };
        let site = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        if site.is_some_and(|(_, site)| site.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        let detail = format!("expected Origin to be {host}, found {origin:?}");
        Err(Box::new(Problem::new(&FORBIDDEN_ORIGIN, detail)))
    }

    fn answers_for(&self, name: &str) -> bool {
        let Some(names) = &self.names else { return true };
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
        address.is_ok_and(|address| address.is_loopback())
            || name.eq_ignore_ascii_case("localhost")
            || names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
