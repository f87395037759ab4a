//! The judge: whether one order of everything explains what every client was told.
//!
//! Linearizability is exact here: positions give the order of appends and of complete reads, and the clock may not
//! contradict it. Conditions are decided again from the log: an append that was taken had nothing in its way, one that was
//! refused had. Refusals and pages that ended early have no place of their own; they must fit between two ends.

use std::collections::HashMap;

use annals_core::condition::{Condition, Conflict};
use annals_core::id::EventId;
use annals_core::mark::MarkKey;
use annals_core::position::{Position, Revision};
use bytes::Bytes;

use super::index::{Index, at};
use super::operation::{Asked, Logged, Operation, Place, Seen, What};
use super::order::{Order, Point, append_at, read_to};

/// How many of what were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Appends that were acknowledged.
    pub appended: u64,
    /// Of them, those that depended on something.
    pub conditional: u64,
    /// Appends that a condition refused.
    pub refused: u64,
    /// Appends that were there already.
    pub repeated: u64,
    /// Appends whose outcome nobody was told.
    pub unknown: u64,
    /// Of them, those that are in the log.
    pub unknown_there: u64,
    /// Reads.
    pub reads: u64,
    /// Events they saw.
    pub events_read: u64,
    /// Events of the log.
    pub events: u64,
}

/// Looks at everything and says what is wrong first.
///
/// # Errors
/// What no order explains, in words.
pub fn judge(log: &[Logged], operations: &[Operation]) -> Result<Counts, String> {
    let index = Index::of(log)?;
    let mut counts = Counts {
        events: index.end(),
        ..Counts::default()
    };
    let mut found = Places::default();
    // What nobody knows comes last: where it was repeated, the repetition may have the place.
    for is_known in [true, false] {
        for (number, operation) in operations.iter().enumerate() {
            if is_known != matches!(operation.what, What::Unknown(_)) {
                found
                    .add(&index, number, operation, &mut counts)
                    .map_err(|wrong| told(operations, number, &wrong))?;
            }
        }
    }
    let nobodys = (0..).zip(&found.owners).find(|(_, owner)| owner.is_none());
    if let Some((position, _)) = nobodys {
        return Err(format!("nobody asked for the event at position {}", at(position)));
    }
    let marks = Marks::of(operations, &found.appends);
    let order = Order::of(found.points);
    if let Some((earlier, later)) = order.contradiction() {
        return Err(format!(
            "the order contradicts the clock: {}; but {}",
            told(operations, earlier.operation, "is earlier in the order"),
            told(
                operations,
                later.operation,
                "is later in it and had returned before the other was called"
            )
        ));
    }
    for (number, first) in found.appends {
        if let What::Appended(asked, _) = &operations[number].what {
            let holds = asked
                .conditions
                .iter()
                .all(|one| holds(&index, &marks, one, first));
            if !holds {
                return Err(told(
                    operations,
                    number,
                    "was taken although a condition did not hold",
                ));
            }
        }
    }
    for (number, operation) in operations.iter().enumerate() {
        let (low, high) = order.ends(operation.called, operation.returned, index.end());
        let fits = match &operation.what {
            What::Refused(asked, conflict) => refused(&index, &marks, asked, conflict, low, high),
            What::Repeated(asked, _) => repeated(&index, asked, high),
            What::Read(seen) if !seen.finished && seen.next.get() > high => {
                Err("saw what had not happened".to_owned())
            }
            _ => Ok(()),
        };
        fits.map_err(|wrong| told(operations, number, &wrong))?;
    }
    Ok(counts)
}

fn told(operations: &[Operation], number: usize, wrong: &str) -> String {
    let Operation {
        called,
        returned,
        what,
    } = &operations[number];
    format!("operation {number}, called at {called} ns and returned at {returned} ns, {wrong}: {what:?}")
}

/// Where operations are.
#[derive(Default)]
struct Places {
    /// By position, whose event it is.
    owners: Vec<Option<usize>>,
    /// Appends that are in the log, and where they begin.
    appends: Vec<(usize, u64)>,
    points: Vec<Point>,
}

impl Places {
    fn add(
        &mut self,
        index: &Index<'_>,
        number: usize,
        operation: &Operation,
        counts: &mut Counts,
    ) -> Result<(), String> {
        self.owners.resize(index.log.len(), None);
        let mut point = |key, end, returned| {
            let called = operation.called;
            self.points.push(Point {
                key,
                end,
                called,
                returned,
                operation: number,
            });
        };
        match &operation.what {
            What::Appended(asked, place) => {
                counts.appended += 1;
                counts.conditional += u64::from(!asked.conditions.is_empty());
                if let Some(first) = side_by_side(index, &asked.ids, *place)? {
                    point(
                        append_at(first),
                        first + asked.ids.len() as u64,
                        operation.returned,
                    );
                    self.own(number, first, asked.ids.len())?;
                }
            }
            What::Unknown(asked) => {
                counts.unknown += 1;
                let there = asked.ids.iter().any(|id| index.position(*id).is_some());
                if there && let Some(first) = side_by_side(index, &asked.ids, Place::Before(Position::MAX))? {
                    counts.unknown_there += 1;
                    if self.owners[first as usize].is_none() {
                        point(append_at(first), first + asked.ids.len() as u64, u64::MAX);
                        self.own(number, first, asked.ids.len())?;
                    }
                }
            }
            What::Repeated(asked, place) => {
                counts.repeated += 1;
                side_by_side(index, &asked.ids, *place)?;
            }
            What::Refused(asked, _) => {
                counts.refused += 1;
                if let Some(id) = asked.ids.iter().find(|id| index.position(**id).is_some()) {
                    return Err(format!("was refused, but its event {id} is in the log"));
                }
            }
            What::Read(seen) => {
                counts.reads += 1;
                counts.events_read += seen.events.len() as u64;
                if seen.finished {
                    let end = seen.next.get();
                    point(read_to(end), end, operation.returned);
                }
                same(index, seen)?;
            }
        }
        Ok(())
    }

    fn own(&mut self, number: usize, first: u64, count: usize) -> Result<(), String> {
        for (at, owner) in (first..).zip(&mut self.owners[first as usize..][..count]) {
            if let Some(other) = owner.replace(number) {
                return Err(format!(
                    "is told to be first at position {at}, and so is operation {other}"
                ));
            }
        }
        self.appends.push((number, first));
        Ok(())
    }
}

/// Where these events begin; none if there are none.
fn side_by_side(index: &Index<'_>, ids: &[EventId], place: Place) -> Result<Option<u64>, String> {
    let Some(id) = ids.first() else { return Ok(None) };
    let missing = |id: &EventId| format!("event {id} is not in the log where it was said to be");
    let first = index.position(*id).ok_or_else(|| missing(id))?;
    for (expected, id) in (first..).zip(ids) {
        if index.position(*id) != Some(expected) {
            return Err(missing(id));
        }
    }
    let is_there = match place {
        Place::First(position) => position.get() == first,
        Place::Before(end) => first + ids.len() as u64 <= end.get(),
    };
    match is_there {
        true => Ok(Some(first)),
        false => Err(format!(
            "its events begin at position {first}, it was told {place:?}"
        )),
    }
}

fn same(index: &Index<'_>, seen: &Seen) -> Result<(), String> {
    if seen.next.get() > index.end() {
        return Err(format!("saw an end beyond the end {} of the log", index.end()));
    }
    let mut expected = index.matching(&seen.query, seen.from.get(), seen.next.get());
    for (position, id) in &seen.events {
        let there = expected.next();
        if there != Some(position.get()) || index.log[position.get() as usize].id != *id {
            return Err(format!("saw {id} at position {position}, expected {there:?}"));
        }
    }
    match expected.next() {
        None => Ok(()),
        Some(missed) => Err(format!("did not see the event at position {missed}")),
    }
}

/// The values of marks by the appends that set them.
struct Marks<'a> {
    /// Position of the append, and the value from then on.
    values: HashMap<&'a MarkKey, Vec<(u64, Option<&'a Bytes>)>>,
}

impl<'a> Marks<'a> {
    fn of(operations: &'a [Operation], appends: &[(usize, u64)]) -> Self {
        let mut values: HashMap<_, Vec<_>> = HashMap::new();
        for (number, first) in appends {
            if let What::Appended(asked, _) | What::Unknown(asked) = &operations[*number].what {
                for mark in &asked.marks {
                    let of = values.entry(&mark.key).or_default();
                    of.push((*first, mark.value.as_ref()));
                }
            }
        }
        for of in values.values_mut() {
            of.sort_by_key(|(first, _)| *first);
        }
        Self { values }
    }

    /// The value when the log ended there.
    fn value(&self, key: &MarkKey, end: u64) -> Option<&'a Bytes> {
        let of = self.values.get(key)?;
        let set = of.partition_point(|(first, _)| *first < end).checked_sub(1)?;
        of[set].1
    }

    /// Whether it was different from what is expected, and as found, at some end of these.
    fn was(&self, key: &MarkKey, found: Option<&Bytes>, low: u64, high: u64) -> bool {
        let between = self.values.get(key).into_iter().flatten();
        let mut between = between.filter(|(first, _)| (low..high).contains(first));
        self.value(key, low) == found || between.any(|(_, value)| *value == found)
    }
}

/// Whether a condition holds for an append that begins at a position.
fn holds(index: &Index<'_>, marks: &Marks<'_>, condition: &Condition, first: u64) -> bool {
    match condition {
        Condition::NoMatch { query, from } => index.first(query, from.get(), first).is_none(),
        Condition::TagAt { tag, expected } => revision(index.tagged(tag, first)) == *expected,
        Condition::MarkIs { key, expected } => marks.value(key, first) == expected.as_ref(),
    }
}

fn revision(events: u64) -> Option<Revision> {
    events.checked_sub(1).map(Revision::new)
}

/// Whether a refusal is true at some end it may have met.
fn refused(
    index: &Index<'_>,
    marks: &Marks<'_>,
    asked: &Asked,
    conflict: &Conflict,
    low: u64,
    high: u64,
) -> Result<(), String> {
    let is_true = match conflict {
        Conflict::Match {
            condition,
            from,
            position,
            id,
            ..
        } => match asked.conditions.get(*condition) {
            Some(Condition::NoMatch { query, from: asked }) => {
                from == asked
                    && index.position(*id) == Some(position.get())
                    && index.first(query, from.get(), high) == Some(position.get())
            }
            _ => false,
        },
        Conflict::Tag { condition, found, .. } => match asked.conditions.get(*condition) {
            Some(Condition::TagAt { tag, expected }) => {
                let seen = found.map_or(0, |revision| revision.get() + 1);
                let range = index.tagged(tag, low)..=index.tagged(tag, high);
                found != expected && range.contains(&seen)
            }
            _ => false,
        },
        Conflict::Mark { condition, found, .. } => match asked.conditions.get(*condition) {
            Some(Condition::MarkIs { key, expected }) => {
                found != expected && marks.was(key, found.as_ref(), low, high)
            }
            _ => false,
        },
        _ => false,
    };
    match is_true {
        true => Ok(()),
        false => Err(format!(
            "was refused by what was not there at any end from {low} to {high}"
        )),
    }
}

fn repeated(index: &Index<'_>, asked: &Asked, high: u64) -> Result<(), String> {
    let last = asked.ids.last().and_then(|id| index.position(*id));
    match last.is_none_or(|last| last < high) {
        true => Ok(()),
        false => Err("was told that it is there before anybody had asked for it".to_owned()),
    }
}

#[cfg(test)]
mod tests;
