use std::sync::Arc;

use annals_core::id::{IdSource, uuid_v7};
use annals_core::time::{SystemClock, Timestamp};
use axum::http::HeaderValue;

use super::*;

const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Counting(std::sync::atomic::AtomicU8);

impl IdSource for Counting {
    fn next(&self, at: Timestamp) -> Uuid {
        uuid_v7(
            at,
            [self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed); 10],
        )
    }
}

fn world() -> World {
    World {
        clock: Arc::new(SystemClock),
        ids: Arc::new(Counting(1.into())),
    }
}

fn asked(pairs: &[(&'static str, &str)]) -> Asked {
    let value = |text: &str| HeaderValue::from_str(text).unwrap();
    let headers = pairs
        .iter()
        .map(|(name, text)| (name.parse().unwrap(), value(text)))
        .collect();
    Asked::from_headers(&headers, &world())
}

#[test]
fn a_trace_is_continued_with_a_new_parent() {
    let parent = asked(&[(TRACE_PARENT, TEXT)]).trace_parent;
    let text = parent.to_string();
    assert!(
        text.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && text.ends_with("-01"),
        "{text}"
    );
    assert!(!text.contains("00f067aa0ba902b7"), "{text}");
    assert_eq!(text.parse(), Ok(parent));
    assert!(parent.is_sampled());
}

#[test]
fn what_is_malformed_begins_anew() {
    for text in [
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
        "é0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        assert_eq!(text.parse::<TraceParent>(), Err(TraceParentError), "{text}");
        let begun = asked(&[(TRACE_PARENT, text)]).trace_parent.to_string();
        assert!(
            begun.parse::<TraceParent>().is_ok() && !begun.contains("4bf9"),
            "{begun}"
        );
    }
    let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what-the-future-adds";
    assert!(!later.parse::<TraceParent>().unwrap().is_sampled());
}

#[test]
fn a_correlation_is_kept_or_made() {
    let id = "0199a0b0-0000-7000-8000-000000000001";
    assert_eq!(asked(&[(CORRELATION, id)]).correlation.to_string(), id);
    let made = asked(&[(CORRELATION, "mine")]).correlation;
    assert_ne!(
        made,
        asked(&[])
            .correlation
            .to_string()
            .replace('0', "1")
            .parse()
            .unwrap()
    );
    assert_eq!(made.as_uuid().get_version_num(), 7);
}
