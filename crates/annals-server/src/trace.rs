//! Where a request comes from: W3C trace context and the correlation of everything that follows.
//!
//! In: `traceparent` and `Annals-Correlation`. Out: both, continued if they were well-formed, else begun here. What
//! is malformed is ignored, as the trace context specification demands. `tracestate` is not carried on.

use std::fmt::{self, Write};
use std::str::FromStr;

use annals::{Request, World};
use annals_core::id::CorrelationId;
use axum::http::HeaderMap;
use thiserror::Error;
use uuid::Uuid;

/// The header of the trace context.
pub const TRACE_PARENT: &str = "traceparent";
/// The header of the correlation, taken and returned.
pub const CORRELATION: &str = "annals-correlation";

/// A position in a trace: `00-<trace>-<parent>-<flags>`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 16],
    parent: [u8; 8],
    flags: u8,
}

/// A text that is no trace parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a traceparent such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
pub struct TraceParentError;

/// A request as logs, traces and events know it. Handlers get it as an extension of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What everything that follows from it has in common.
    pub correlation: CorrelationId,
    /// Its place in the trace: the caller's trace, and this request as the parent of what follows.
    pub trace_parent: TraceParent,
}

impl Asked {
    /// Continues what the headers name, or begins anew.
    pub fn from_headers(headers: &HeaderMap, world: &World) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let correlation = text(CORRELATION).and_then(|text| text.trim().parse().ok());
        let came = text(TRACE_PARENT).and_then(|text| text.trim().parse().ok());
        Self {
            correlation: correlation.unwrap_or_else(|| CorrelationId::from_uuid(next(world))),
            trace_parent: came.unwrap_or_else(|| TraceParent::begin(world)).child(world),
        }
    }
}

/// Eight bytes of the random half of an id.
fn span(world: &World) -> [u8; 8] {
    let mut span = [0; 8];
    span.copy_from_slice(&next(world).as_bytes()[8..]);
    span
}

fn next(world: &World) -> Uuid {
    world.ids.next(world.now())
}

impl TraceParent {
    fn begin(world: &World) -> Self {
        Self {
            trace: *next(world).as_bytes(),
            parent: span(world),
            flags: 1,
        }
    }

    /// The same trace, with a new parent.
    #[must_use]
    pub fn child(self, world: &World) -> Self {
        Self {
            parent: span(world),
            ..self
        }
    }

    /// Whether the caller keeps this trace.
    pub fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }
}

impl Asked {
    /// The same as the framework has it; nobody is known yet, so there is no actor.
    pub fn request(&self) -> Request {
        Request {
            correlation: Some(self.correlation),
            causation: None,
            trace_parent: Some(smol_str::format_smolstr!("{}", self.trace_parent)),
            actor: None,
        }
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let (known, later) = text.split_at_checked(55).ok_or(TraceParentError)?;
        let mut parts = known.split('-');
        let mut part = || parts.next().ok_or(TraceParentError);
        let [version] = hex(part()?)?;
        let parent = Self {
            trace: hex(part()?)?,
            parent: hex(part()?)?,
            flags: hex::<1>(part()?)?[0],
        };
        let ends_well = if version == 0 {
            later.is_empty()
        } else {
            later.is_empty() || later.starts_with('-')
        };
        let empty = parent.trace == [0; 16] || parent.parent == [0; 8];
        if version == 0xff || !ends_well || empty {
            Err(TraceParentError)
        } else {
            Ok(parent)
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_char('-')?;
        self.parent.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", self.flags)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Lower-case hexadecimal of exactly this many bytes.
fn hex<const BYTES: usize>(text: &str) -> Result<[u8; BYTES], TraceParentError> {
    let digits = text.as_bytes();
    if digits.len() != 2 * BYTES {
        return Err(TraceParentError);
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

fn digit(byte: u8) -> Result<u8, TraceParentError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(TraceParentError),
    }
}

#[cfg(test)]
mod tests;
