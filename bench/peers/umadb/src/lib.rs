//! What the workload's things are called at UmaDB, in process and through its server.

use annals_bench_workload::{Fact, Guard, Outcome, Seen};
use anyhow::{Result, bail};
use umadb_dcb::{
    DcbAppendCondition, DcbError, DcbEvent, DcbQuery, DcbQueryItem, DcbResult, DcbSequencedEvent,
};

/// What is of one of these types, if any are named, and carries all these tags.
pub fn query(types: &[&str], tags: &[&str]) -> DcbQuery {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    DcbQuery {
        items: vec![DcbQueryItem {
            types: owned(types),
            tags: owned(tags),
        }],
    }
}

/// What carries this tag.
pub fn tag_query(tag: &str) -> DcbQuery {
    query(&[], &[tag])
}

/// An event to append.
pub fn event(fact: Fact) -> DcbEvent {
    DcbEvent {
        event_type: fact.kind.to_owned(),
        tags: fact.tags.into(),
        data: fact.data,
        ..DcbEvent::default()
    }
}

/// What was read.
///
/// # Errors
/// It has other than two tags.
pub fn seen(found: &DcbSequencedEvent) -> Result<Seen<'_>> {
    let [first, second] = found.event.tags.as_slice() else {
        bail!("an event without two tags at {}", found.position);
    };
    Ok(Seen {
        kind: &found.event.event_type,
        tags: [first, second],
        data: &found.event.data,
    })
}

/// A guard of an append.
pub fn condition(guard: Guard) -> DcbAppendCondition {
    DcbAppendCondition {
        fail_if_events_match: tag_query(&guard.tag),
        after: Some(guard.seen),
    }
}

/// What became of an append.
///
/// # Errors
/// The store failed.
pub fn outcome(answer: DcbResult<u64>) -> Result<Outcome> {
    match answer {
        Ok(_) => Ok(Outcome::Durable),
        Err(DcbError::IntegrityError(_)) => Ok(Outcome::Conflict),
        Err(error) => Err(error.into()),
    }
}
