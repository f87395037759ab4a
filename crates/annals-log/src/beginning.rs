//! Where a log begins whose older segments were archived and taken away.
//!
//! In: the last frame that was taken away, and what the owner of the log wants to remember with it. Out: a small file, put in
//! place whole or not at all; from then on the log begins with a segment other than the first. Numbers of frames, records
//! and segments go on as if nothing had been taken away.
//!
//! ```text
//! annals beginning 1
//! log 910a2dec89025cc1
//! segment 3
//! before 2 8000 41 0f3a9c11
//! first 1234
//! whatever the owner of the log wants to remember
//! sum 7be2d0a4
//! ```
//!
//! Invariant: the file is there before the first segment is taken away, so a segment that is missing without it is damage.

use std::fmt::Write;
use std::io;
use std::path::Path;

use crate::checksum::Checksum;
use crate::disk::Disk;
use crate::place::{Milestone, Place};
use crate::segment::{FileName, path_of};

/// The name of the file, and the one it has until it is finished.
pub const BEGINNING: &str = "BEGINNING";
const UNFINISHED: &str = "BEGINNING.tmp";
const HEADING: &str = "annals beginning ";
const FORMAT: u16 = 1;
/// The longest file that is read, in bytes.
pub(crate) const BEGINNING_BYTES_MAX: u64 = 64 << 10;

/// Where a log begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The number that tells the log from others.
    pub salt: u64,
    /// Its first segment.
    pub segment: u32,
    /// The last frame before it.
    pub before: Milestone,
    /// The number of the first record that is there.
    pub first: u64,
    /// Lines that the owner of the log wants to find again; none begins with `sum `.
    pub note: String,
}

/// What the first frame of a log must continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) segment: u32,
    pub(crate) frames: u64,
    pub(crate) first: u64,
    pub(crate) previous: u32,
}

/// What the bytes of the file turn out to be instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoBeginning {
    Newer(u16),
    Bad(String),
}

impl Start {
    /// Of a log from which nothing was taken away.
    pub(crate) const WHOLE: Self = Self {
        segment: 0,
        frames: 0,
        first: 0,
        previous: 0,
    };

    pub(crate) fn of(beginning: Option<&Beginning>) -> Self {
        beginning.map_or(Self::WHOLE, |beginning| Self {
            segment: beginning.segment,
            frames: beginning.before.number + 1,
            first: beginning.first,
            previous: beginning.before.checksum,
        })
    }
}

impl Beginning {
    fn text(&self) -> String {
        let Milestone {
            frame,
            number,
            checksum,
        } = self.before;
        let mut text = format!(
            "{HEADING}{FORMAT}\nlog {:016x}\nsegment {}\nbefore {} {} {number} {checksum:08x}\nfirst {}\n",
            self.salt, self.segment, frame.segment, frame.at, self.first
        );
        for line in self.note.lines() {
            writeln!(text, "{line}").expect("writing to a string cannot fail");
        }
        let sum = Checksum::new().with(text.as_bytes()).finish();
        writeln!(text, "sum {sum:08x}").expect("writing to a string cannot fail");
        text
    }

    pub(crate) fn read(text: &str) -> Result<Self, NoBeginning> {
        let bad = |found: String| NoBeginning::Bad(found);
        let heading = text.lines().next().unwrap_or_default();
        let format = heading
            .strip_prefix(HEADING)
            .and_then(|format| format.parse().ok())
            .ok_or_else(|| bad(format!("the heading {heading:?}")))?;
        if format > FORMAT {
            return Err(NoBeginning::Newer(format));
        }
        let sum = text
            .strip_suffix('\n')
            .and_then(|text| text.rsplit_once("\nsum "));
        let (body, sum) = sum.ok_or_else(|| bad("no sum at its end".to_owned()))?;
        let body = format!("{body}\n");
        let found = Checksum::new().with(body.as_bytes()).finish();
        if format != FORMAT || u32::from_str_radix(sum, 16) != Ok(found) {
            return Err(bad(format!("the sum {sum} over what sums up to {found:08x}")));
        }
        Self::fields(&body).ok_or_else(|| bad("fields that make no sense".to_owned()))
    }

    fn fields(body: &str) -> Option<Self> {
        let mut rest = body.split_once('\n')?.1;
        let mut field = |name: &str| {
            let (line, after) = rest.split_once('\n')?;
            rest = after;
            line.strip_prefix(name)?.strip_prefix(' ')
        };
        let salt = u64::from_str_radix(field("log")?, 16).ok()?;
        let segment = field("segment")?.parse().ok()?;
        let before: Vec<&str> = field("before")?.split(' ').collect();
        let first = field("first")?.parse().ok()?;
        let [of, at, number, checksum] = before[..] else {
            return None;
        };
        let frame = Place {
            segment: of.parse().ok()?,
            at: at.parse().ok()?,
        };
        let before = Milestone {
            frame,
            number: number.parse().ok()?,
            checksum: u32::from_str_radix(checksum, 16).ok()?,
        };
        (frame.segment < segment && before.number < u64::MAX).then(|| Self {
            salt,
            segment,
            before,
            first,
            note: rest.to_owned(),
        })
    }
}

/// Lets a log begin here. Whoever calls this holds the log's lock, and opens the log anew afterwards. Until it returns well,
/// the log may begin here or where it began before; every segment is still there.
///
/// # Errors
/// What the disk said.
pub fn begin_at(disk: &dyn Disk, dir: &Path, beginning: &Beginning) -> io::Result<()> {
    let unfinished = dir.join(UNFINISHED);
    match disk.remove(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&unfinished)?;
    file.write_at(beginning.text().as_bytes(), 0)?;
    file.flush()?;
    disk.rename(&unfinished, &dir.join(BEGINNING))?;
    disk.flush_dir(dir)
}

/// Takes away the segments before the beginning, those of the lowest numbers first, and says how many they were. What a
/// failure leaves is taken away when the log is opened the next time.
///
/// # Errors
/// What the disk said.
pub fn remove_before(disk: &dyn Disk, dir: &Path, beginning: &Beginning) -> io::Result<u32> {
    let names = disk.list(dir)?.into_iter();
    let mut numbers: Vec<u32> = names
        .filter_map(|name| match FileName::of(&name) {
            FileName::Segment(number) if number < beginning.segment => Some(number),
            _ => None,
        })
        .collect();
    numbers.sort_unstable();
    for number in &numbers {
        disk.remove(&path_of(dir, *number))?;
    }
    disk.flush_dir(dir)?;
    Ok(numbers.len() as u32)
}

#[cfg(test)]
mod tests;
