//! From several files to one.
//!
//! In: files of stretches that follow each other. Out: one file of all of them, which answers as they did together.
//! Everything is read from front to back and nothing is held but what is written next and the filter.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::super::stretch::Stretch;
use super::super::trouble::Trouble;
use super::assembly::{Assembly, Part, Workshop};
use super::beside::Base;
use super::file::PageFile;
use super::lists::{All, Stored};
use super::marks::Written;
use super::part::SealedPart;
use super::places::PlacesScan;
use super::table::{Root, Scan};
use super::varint;
use super::writer::Pause;

/// Why there is no new file.
#[derive(Debug, Error)]
pub(crate) enum MergeError {
    /// One of the files cannot be read.
    #[error(transparent)]
    Source(#[from] Trouble),
    /// The new one cannot be written.
    #[error("an index file cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// One of the files.
struct Input {
    scan: Scan,
    /// Read apart, so that the walk over the table is not disturbed.
    beside: PageFile,
    /// What the first place of its lists is told from.
    base: Base,
    /// What its positions grow by.
    shift: u32,
    more: bool,
}

impl Input {
    fn step(&mut self) -> Result<(), Trouble> {
        self.more = self.scan.step()?;
        Ok(())
    }
}

/// The stretch of several that follow each other.
pub(crate) fn joined(stretches: &[&Stretch]) -> Option<Stretch> {
    let (first, last) = (stretches.first()?, stretches.last()?);
    let follows = |pair: &[&Stretch]| pair[1].after == Some(pair[0].last) && pair[1].first == pair[0].end();
    let events = u32::try_from(last.end() - first.first).ok()?;
    stretches.windows(2).all(follows).then_some(Stretch {
        after: first.after,
        last: last.last,
        first: first.first,
        events,
        newest: last.newest,
        log_bytes: stretches.iter().map(|stretch| stretch.log_bytes).sum(),
    })
}

/// Writes the file of all these.
pub(crate) fn merge(
    workshop: &Workshop<'_>,
    parts: &[Arc<SealedPart>],
    level: u8,
    pause: Pause<'_>,
) -> Result<Stretch, MergeError> {
    let stretches: Vec<_> = parts.iter().map(|part| part.stretch()).collect();
    let stretch = joined(&stretches).ok_or_else(|| io::Error::other("they do not follow each other"))?;
    let last = parts
        .last()
        .ok_or_else(|| io::Error::other("there is nothing to merge"))?;
    let filtered = parts.iter().map(|part| part.header.filtered).sum();
    let mut assembly = Assembly::begin(workshop, &stretch, filtered, pause)?;
    terms(&mut assembly, inputs(parts, |part| part.header.terms)?)?;
    ids(&mut assembly, inputs(parts, |part| part.header.ids)?)?;
    let from_the_beginning = stretch.after.is_none();
    marks(
        &mut assembly,
        inputs(parts, |part| part.header.marks)?,
        from_the_beginning,
    )?;
    for part in parts {
        let mut places = PlacesScan::new(&part.file, part.header.places);
        loop {
            let spans = places.next()?;
            if spans.is_empty() {
                break;
            }
            for span in spans {
                assembly.span(span)?;
            }
        }
    }
    assembly.finish(workshop, stretch, level, &last.types()?, last.marks_set())?;
    Ok(stretch)
}

fn inputs(parts: &[Arc<SealedPart>], root: impl Fn(&SealedPart) -> Root) -> Result<Vec<Input>, Trouble> {
    let first = parts.first().map_or(0, |part| part.stretch().first);
    let input = |part: &Arc<SealedPart>| {
        let mut input = Input {
            scan: Scan::new(Arc::new(part.file.streaming()), root(part), &[])?,
            beside: part.file.streaming(),
            base: Base::of(part.stretch()),
            shift: (part.stretch().first - first) as u32,
            more: false,
        };
        input.step()?;
        Ok(input)
    };
    parts.iter().map(input).collect()
}

/// Copies the lowest key that is left; `false` if none is.
fn lowest(inputs: &[Input], key: &mut Vec<u8>) -> bool {
    key.clear();
    let left = inputs
        .iter()
        .filter(|input| input.more)
        .map(|input| input.scan.key());
    let Some(lowest) = left.min() else { return false };
    key.extend_from_slice(lowest);
    true
}

fn terms(assembly: &mut Assembly<'_>, mut inputs: Vec<Input>) -> Result<(), MergeError> {
    let mut key = Vec::new();
    while lowest(&inputs, &mut key) {
        for input in inputs.iter_mut().filter(|input| input.more) {
            if input.scan.key() != key {
                continue;
            }
            let stored =
                Stored::read(input.scan.value(), input.base).ok_or_else(|| input.scan.senseless())?;
            let mut all = All::new(stored);
            loop {
                let listed = all.next(&input.beside)?;
                if listed.positions.is_empty() {
                    break;
                }
                for (position, span) in listed.each() {
                    assembly.position(position + input.shift, span.as_ref())?;
                }
            }
            input.step()?;
        }
        assembly.term(&key)?;
    }
    Ok(assembly.end(Part::Terms)?)
}

fn ids(assembly: &mut Assembly<'_>, mut inputs: Vec<Input>) -> Result<(), MergeError> {
    let mut key = Vec::new();
    while lowest(&inputs, &mut key) {
        for input in inputs.iter_mut().filter(|input| input.more) {
            if input.scan.key() != key {
                continue;
            }
            let id = key.as_slice().try_into().ok();
            let position = varint::take_u32(input.scan.value(), &mut 0);
            let (id, position) = id.zip(position).ok_or_else(|| input.scan.senseless())?;
            assembly.id(id, position + input.shift)?;
            input.step()?;
        }
    }
    Ok(assembly.end(Part::Ids)?)
}

/// Of each key what was written last. A mark that was removed is left out where nothing older can show through.
fn marks(
    assembly: &mut Assembly<'_>,
    mut inputs: Vec<Input>,
    from_the_beginning: bool,
) -> Result<(), MergeError> {
    let mut key = Vec::new();
    while lowest(&inputs, &mut key) {
        let mut newest = None;
        for input in inputs.iter_mut().filter(|input| input.more) {
            if input.scan.key() != key {
                continue;
            }
            let written = Written::read(input.scan.value()).ok_or_else(|| input.scan.senseless())?;
            newest = Some(written.value(&input.beside)?);
            input.step()?;
        }
        match newest.flatten() {
            None if from_the_beginning => {}
            value => assembly.mark(&key, value.as_deref())?,
        }
    }
    Ok(assembly.end(Part::Marks)?)
}
