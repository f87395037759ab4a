//! What every service recorded, line by line: two runs of one seed give the same trace.

use std::fmt;

use annals_core::event::RecordedEvent;

/// Everything that was recorded, by service and position, with ids and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    lines: Vec<String>,
}

impl Trace {
    pub(super) fn new<'a>(histories: impl IntoIterator<Item = (&'a str, Vec<RecordedEvent>)>) -> Self {
        let lines = histories
            .into_iter()
            .flat_map(|(service, events)| events.into_iter().map(move |event| line(service, &event)));
        Self {
            lines: lines.collect(),
        }
    }

    /// The lines: service, position, time, id, type, tags.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The first line in which two traces differ, from both sides; `None` if they are the same.
    pub fn first_difference(&self, other: &Self) -> Option<(Option<String>, Option<String>)> {
        let longest = self.lines.len().max(other.lines.len());
        let sides = (0..longest).map(|at| (self.lines.get(at), other.lines.get(at)));
        let differs = |sides: &(Option<&String>, Option<&String>)| sides.0 != sides.1;
        sides
            .filter(differs)
            .map(|(left, right)| (left.cloned(), right.cloned()))
            .next()
    }
}

fn line(service: &str, event: &RecordedEvent) -> String {
    let tags: Vec<&str> = event.tags.iter().map(annals_core::tag::Tag::as_str).collect();
    format!(
        "{service}:{} {} {} {} [{}]",
        event.position,
        event.recorded,
        event.id,
        event.event_type,
        tags.join(", ")
    )
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
