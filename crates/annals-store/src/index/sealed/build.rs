//! From memory to a file.

use std::io;

use super::super::active::Active;
use super::super::term::TermKind;
use super::assembly::{Assembly, Part, Workshop, is_timed};
use super::marks;
use super::writer::Pause;

/// Comparisons between two pauses.
const STEPS: u32 = 1_024;

/// Whether the list of a term says where its events lie: most of those that are long are of types, and whoever asks for
/// many events finds their places beside each other.
fn is_placed(term: &[u8]) -> bool {
    term.first() != Some(&(TermKind::Type as u8))
}

/// Writes the file of a part that is in memory and has nothing pending. `marks_set` counts the marks that are set where
/// it ends, from the beginning of the log.
pub(crate) fn write(
    workshop: &Workshop<'_>,
    active: &Active,
    marks_set: u64,
    pause: Pause<'_>,
) -> io::Result<()> {
    let Some(stretch) = active.stretch() else {
        return Ok(());
    };
    let mut steps = 0;
    let mut step = || {
        steps += 1;
        if steps % STEPS == 0 {
            // Whoever ends the work ends it at the next page.
            pause().ok();
        }
    };
    let terms = active.sorted_terms(&mut step);
    let ids = active.sorted_ids(&mut step);
    let untimed = ids.iter().filter(|(id, _)| !is_timed(id)).count();
    let filtered = (active.entries() + untimed) as u64;
    let mut assembly = Assembly::begin(workshop, &stretch, filtered, pause)?;
    for (term, positions) in terms {
        let placed = is_placed(term);
        for position in positions {
            let span = placed.then(|| active.span(stretch.first + u64::from(*position)));
            assembly.position(*position, span.flatten().as_ref())?;
        }
        assembly.term(term)?;
    }
    assembly.end(Part::Terms)?;
    for (id, position) in &ids {
        assembly.id(id, *position)?;
    }
    assembly.end(Part::Ids)?;
    for (key, value) in active.marks() {
        assembly.mark(&marks::key_bytes(key), value.as_deref())?;
    }
    assembly.end(Part::Marks)?;
    for position in 0..stretch.events {
        let span = active.span(stretch.first + u64::from(position));
        assembly.span(span.expect("every durable event has a place"))?;
    }
    assembly.finish(workshop, stretch, 0, &active.types(), marks_set)
}
