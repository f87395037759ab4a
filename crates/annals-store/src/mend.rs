//! Asking the index until it answers: what is wrong with a file is mended from the log first.
//!
//! In: questions that may meet trouble. Out: answers, or why there is none. A damaged file is made again from its stretch
//! of the log while the question waits; other questions go on until they meet the same file. Where the log itself is
//! damaged there, that is what is told.

use std::sync::{Arc, PoisonError};

use annals_core::port::store::ReadError;
use annals_core::time::Timestamp;

use crate::carried::CarriedError;
use crate::core::Core;
use crate::fetch::read_error;
use crate::index::{Active, Part, Parts, SealedPart, Trouble, TypeCounts};
use crate::state::State;

/// How many files are mended for one question; more are damaged only where something else is wrong.
const MENDED_MAX: usize = 64;

/// Why a file is not mended yet.
enum Unmended {
    /// Another one is needed for it and damaged too.
    Needs(u32),
    Read(ReadError),
}

impl From<Trouble> for Unmended {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Damaged {
                opened: Some(opened), ..
            } => Self::Needs(opened),
            other => Self::Read(ReadError::Unavailable(other.to_string())),
        }
    }
}

impl From<annals_log::ReadError> for Unmended {
    fn from(error: annals_log::ReadError) -> Self {
        Self::Read(read_error(error))
    }
}

impl Core {
    /// What the index answers.
    pub(crate) fn ask<T>(&self, question: impl Fn(&Self) -> Result<T, Trouble>) -> Result<T, ReadError> {
        let mut mended = 0;
        loop {
            match question(self) {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Damaged {
                    opened: Some(opened), ..
                }) if mended < MENDED_MAX => {
                    mended += 1;
                    self.mend(opened)?;
                }
                Err(Trouble::Carried(lost @ CarriedError::Damaged { .. })) => {
                    return Err(ReadError::Corrupt(lost.to_string()));
                }
                Err(trouble) => return Err(ReadError::Unavailable(trouble.to_string())),
            }
        }
    }

    /// Makes a damaged file of the index again, unless somebody else did, and first those it needs.
    pub(crate) fn mend(&self, opened: u32) -> Result<(), ReadError> {
        let _one_at_a_time = self.mending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut damaged = vec![opened];
        while let Some(opened) = damaged.last() {
            match self.mend_one(*opened) {
                Ok(()) => drop(damaged.pop()),
                Err(Unmended::Needs(other)) if !damaged.contains(&other) => {
                    damaged.push(other);
                }
                Err(Unmended::Needs(_)) => {
                    let reason = "files of the index cannot be made again: each is needed for the other";
                    return Err(ReadError::Unavailable(reason.to_owned()));
                }
                Err(Unmended::Read(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn mend_one(&self, opened: u32) -> Result<(), Unmended> {
        let parts = self.state.read().parts.clone();
        let is_it = |part: &Part| matches!(part, Part::Sealed(part) if part.opened() == opened);
        let mut places = parts.all().iter().enumerate();
        let found = places.find_map(|(number, part)| match part {
            Part::Sealed(part) if part.opened() == opened => Some((number, part)),
            _ => None,
        });
        let Some((number, damaged)) = found else {
            return Ok(());
        };
        let file = damaged.path();
        tracing::warn!(file = %file.display(), "an index file is damaged and is made again from the log");
        let again = self.read_again(&parts, number, damaged)?;
        let kept = again
            .iter()
            .any(|part| matches!(part, Part::Sealed(part) if part.path() == file));
        let mut state = self.state.write();
        if let Some(number) = state.parts.all().iter().position(is_it) {
            state.parts.replace(number..number + 1, again);
        }
        drop(state);
        if self.shelf.is_writable() && !kept {
            self.shelf.discard(file);
        }
        Ok(())
    }

    /// The parts of a stretch, made from the log.
    fn read_again(&self, parts: &Parts, number: usize, damaged: &SealedPart) -> Result<Vec<Part>, Unmended> {
        let stretch = damaged.stretch();
        let before = Parts::new(parts.carried().cloned(), parts.all()[..number].to_vec());
        let (types, newest) = end_of(&before)?;
        let current = Active::after(stretch.after, stretch.first, newest, Arc::new(types));
        let mut state = State::behind(before, current);
        let frames = match &stretch.after {
            Some(after) => self.reader.frames_after(after)?,
            None => self.reader.frames(),
        };
        for frame in frames {
            let frame = frame?;
            let place = frame.milestone().frame;
            let damaged = |found| self.reader.damaged(place, "records that can be read", found);
            state.replay(&frame).map_err(damaged)?;
            let last = frame.header.number >= stretch.last.number;
            if last || self.index.is_full(&state.current) {
                state.close_part();
                self.seal_last(&mut state)?;
            }
            if last {
                break;
            }
        }
        Ok(state.parts.all()[number..].to_vec())
    }

    /// Writes the file of the part that was closed last, if files may be written.
    fn seal_last(&self, state: &mut State) -> Result<(), Trouble> {
        let number = state.parts.all().len() - 1;
        let Part::Active(active) = state.parts.all()[number].clone() else {
            return Ok(());
        };
        if !self.shelf.is_writable() {
            return Ok(());
        }
        let marks_set = state.parts.marks_set(number, active.marks())?;
        match self.shelf.seal(&active, marks_set, &mut || Ok(())) {
            Ok(sealed) => state
                .parts
                .replace(number..number + 1, vec![Part::Sealed(sealed)]),
            // It stays in memory and is written with those that wait.
            Err(error) => tracing::warn!(%error, "an index file cannot be made again"),
        }
        Ok(())
    }
}

/// Types and time where these parts end.
pub(crate) fn end_of(parts: &Parts) -> Result<(TypeCounts, Timestamp), Trouble> {
    match parts.all().last() {
        None => match parts.carried() {
            None => Ok((TypeCounts::new(), Timestamp::EPOCH)),
            Some(carried) => Ok((carried.types()?.into_iter().collect(), carried.newest())),
        },
        Some(Part::Active(part)) => Ok((part.types(), part.newest())),
        Some(Part::Sealed(part)) => Ok((part.types()?, part.stretch().newest)),
    }
}

#[cfg(test)]
mod tests;
