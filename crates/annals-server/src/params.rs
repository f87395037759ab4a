//! Query parameters.
//!
//! In: the text after `?`. Out: names and values, repeated ones in order. A name the route does not know is refused,
//! with the nearest that it does know: a filter that is silently ignored answers another question.

use annals_core::port::store::Direction;
use percent_encoding::percent_decode_str;

use crate::problem::{Answer, BAD_REQUEST, Problem};

/// More parameters than this are refused.
const PARAMS_MAX: usize = 256;

/// The parameters of one request.
#[derive(Debug)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Reads the text after `?`; only names in `known` are taken.
    ///
    /// # Errors
    /// 400: an unknown name, more than 256 parameters, or text that is not UTF-8.
    pub fn parse(query: Option<&str>, known: &[&str]) -> Answer<Self> {
        let parts = query
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty());
        let pairs: Vec<_> = parts.take(PARAMS_MAX + 1).map(pair).collect::<Answer<_>>()?;
        if pairs.len() > PARAMS_MAX {
            return Err(bad(format!("expected at most {PARAMS_MAX} parameters")));
        }
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(unknown(name, known)),
            None => Ok(Self { pairs }),
        }
    }

    /// The value of a parameter that is given at most once.
    ///
    /// # Errors
    /// 400: it is given several times.
    pub fn one<'a>(&'a self, name: &'a str) -> Answer<Option<&'a str>> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(bad(format!(
                "expected the parameter {name} once, found it several times"
            )));
        }
        Ok(first)
    }

    /// The value of a parameter, read as a `T`.
    ///
    /// # Errors
    /// 400: it cannot be read, or it is given several times.
    pub fn read<T: std::str::FromStr>(&self, name: &str) -> Answer<Option<T>>
    where
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|error| bad(format!("the parameter {name} is {text:?}: {error}")))
    }

    /// The parameter `direction`; forward if it is not there.
    ///
    /// # Errors
    /// 400: it is neither `forward` nor `backward`.
    pub fn direction(&self) -> Answer<Direction> {
        match self.one("direction")? {
            None | Some("forward") => Ok(Direction::Forward),
            Some("backward") => Ok(Direction::Backward),
            Some(other) => Err(bad(format!(
                "expected direction forward or backward, found {other:?}"
            ))),
        }
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }
}

/// Encodes a value so that [`Params::parse`] gives it back.
pub fn encode(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn pair(part: &str) -> Answer<(String, String)> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    Ok((decode(name)?, decode(value)?))
}

fn decode(text: &str) -> Answer<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(String::from)
        .map_err(|_| bad(format!("the parameter {text:?} is not UTF-8")))
}

fn unknown(name: &str, known: &[&str]) -> Box<Problem> {
    let nearest = known.iter().min_by_key(|candidate| distance(name, candidate));
    let close = nearest.filter(|candidate| distance(name, candidate) <= 2);
    let hint = match close {
        Some(close) => format!("did you mean {close}?"),
        None => format!("this path takes {}", known.join(", ")),
    };
    Box::new(Problem::new(&BAD_REQUEST, format!("unknown parameter {name:?}")).hint(hint))
}

fn bad(detail: String) -> Box<Problem> {
    Box::new(Problem::new(&BAD_REQUEST, detail))
}

/// How many letters must be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
