//! Moments as people type them.
//!
//! In: `2026-01-03T10:00:00Z`, `10m` (ago), `10452`, `orders:10452`, `-3`. Out: which of these it is. A time means
//! everything recorded up to and at it; a position everything before it: the position that a command answers is the
//! moment just after that command.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use annals_core::time::{Clock, SystemClock, Timestamp};

/// A moment of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Of recorded time.
    Time(Timestamp),
    /// When this was the end of the store that is asked.
    Position(u64),
    /// When this was the end of a service's store.
    Of(String, u64),
    /// So many events back.
    Back(u64),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        if let Some(back) = text.strip_prefix('-').and_then(|back| back.parse().ok()) {
            return Ok(Self::Back(back));
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::Time(time));
        }
        if let Some(ago) = ago(text) {
            return Ok(Self::Time(SystemClock.now().before(ago)));
        }
        match text.rsplit_once(':') {
            Some((service, position)) if service.starts_with(|c: char| c.is_ascii_alphabetic()) => position
                .parse()
                .map(|position| Self::Of(service.to_owned(), position))
                .map_err(|_| wrong(text)),
            _ => Err(wrong(text)),
        }
    }
}

fn wrong(text: &str) -> String {
    format!(
        "expected a time (2026-01-03T10:00:00Z), a time span back from now (10m), a position (10452), a service's \
         position (orders:10452) or a number of events back (-3), found {text:?}"
    )
}

/// `90s`, `10m`, `2h`, `3d`.
fn ago(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(seconds)
        .map(Duration::from_secs)
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Position(position) => position.fmt(f),
            Self::Of(service, position) => write!(f, "{service}:{position}"),
            Self::Back(events) => write!(f, "-{events}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use annals_core::time::{Clock, SystemClock};

    use super::Moment;

    #[test]
    fn every_form_is_told_from_the_others() {
        let read = |text: &str| text.parse::<Moment>();
        assert_eq!(read("10452"), Ok(Moment::Position(10_452)));
        assert_eq!(read("orders:7"), Ok(Moment::Of("orders".into(), 7)));
        assert_eq!(read("-3"), Ok(Moment::Back(3)));
        let time = "2026-01-03T10:00:00+02:00".parse().unwrap();
        assert_eq!(read("2026-01-03T10:00:00+02:00"), Ok(Moment::Time(time)));
        for text in ["", "yesterday", "orders:", "12:30", "-x", "10y", "orders:x"] {
            assert!(read(text).unwrap_err().contains("expected a time"), "{text}");
        }
    }

    #[test]
    fn a_span_counts_back_from_now() {
        let before = SystemClock.now();
        let Ok(Moment::Time(time)) = "2h".parse() else {
            panic!("a time span is a time")
        };
        let gone = before.since(time).as_secs();
        assert!((7_199..=7_200).contains(&gone), "{gone}");
    }
}
