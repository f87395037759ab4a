//! The `Idempotency-Key` header: repeating a request with the same key gets the first answer again.
//!
//! In: the header, as the structured-field string of the IETF draft (`"8e03978e"`) or bare (`8e03978e`). Out: the
//! key. What a key remembers is the business of the service that carries the request out.

use axum::http::HeaderMap;

use crate::problem::{Answer, BAD_REQUEST, IDEMPOTENCY_KEY_MISSING, Problem};

/// The name of the header.
pub const HEADER: &str = "idempotency-key";

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;

/// The key of a request: 1 to [`KEY_BYTES_MAX`] printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads the header, if it is there.
    ///
    /// # Errors
    /// 400: it is there twice, empty, too long, or neither a quoted string nor a bare key.
    pub fn from_headers(headers: &HeaderMap) -> Answer<Option<Self>> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(bad("expected Idempotency-Key once, found it several times"));
        }
        let text = value
            .to_str()
            .map_err(|_| bad("expected printable ASCII in Idempotency-Key"))?
            .trim();
        let key = if text.starts_with('"') {
            quoted(text)
        } else {
            bare(text)
        };
        let key = key.ok_or_else(|| bad("expected a key such as \"8e03978e\" in Idempotency-Key"))?;
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(bad("expected an Idempotency-Key of 1 to 255 bytes"));
        }
        Ok(Some(Self(key)))
    }

    /// Reads the header where it must be there.
    ///
    /// # Errors
    /// 400: as [`IdempotencyKey::from_headers`], or it is missing.
    pub fn required(headers: &HeaderMap) -> Answer<Self> {
        let missing = || {
            Box::new(Problem::new(
                &IDEMPOTENCY_KEY_MISSING,
                "there is no Idempotency-Key header",
            ))
        };
        Self::from_headers(headers)?.ok_or_else(missing)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// A structured-field string, with parameters that are ignored.
fn quoted(text: &str) -> Option<String> {
    let mut key = String::new();
    let mut rest = text.strip_prefix('"')?.chars();
    loop {
        match rest.next()? {
            '"' => break,
            '\\' => key.push(rest.next().filter(|c| matches!(c, '"' | '\\'))?),
            c @ ' '..='~' => key.push(c),
            _ => return None,
        }
    }
    let parameters = rest.as_str().trim_start();
    (parameters.is_empty() || parameters.starts_with(';')).then_some(key)
}

fn bare(text: &str) -> Option<String> {
    let fits = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b',' | b';');
    text.bytes().all(fits).then(|| text.to_owned())
}

fn bad(detail: &str) -> Box<Problem> {
    Box::new(Problem::new(&BAD_REQUEST, detail))
}

#[cfg(test)]
mod tests;
