//! Verification of a whole store: every byte of the log, every record, and the index against both.
//!
//! In: a folder, or an open store. Out: counts and findings; an empty list of findings means that everything that was
//! acknowledged can be read as it was written. Changes nothing and works beside a running node. Of each file of the index
//! every page is read, and what it holds is counted and compared with what its stretch of the log holds.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_core::port::store::ReadError;
use annals_core::time::Timestamp;
use annals_log::disk::Disk;
use annals_log::disk::real::RealDisk;
use annals_log::{Batch, Frame, FrameKind, Place, VerifyReport as LogReport};

use crate::carried::{Carried, file_name};
use crate::embedded::EmbeddedStore;
use crate::fetch::read_error;
use crate::index::{Cache, Census, Part, SealedPart, Span, Trouble, TypeCounts};
use crate::opening;
use crate::options::{IndexOptions, OpenError};
use crate::record;
use crate::shelf::{Base, Shelf};
use crate::state::{decode, spot};

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which file; empty if the index disagrees with the log.
    pub file: PathBuf,
    /// At which byte of it.
    pub at: u64,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            at,
            expected,
            found,
        } = self;
        if file.as_os_str().is_empty() {
            return write!(f, "index: expected {expected}, found {found}");
        }
        write!(
            f,
            "{} at byte {at}: expected {expected}, found {found}",
            file.display()
        )
    }
}

/// What a verification saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Log segments walked.
    pub segments: u32,
    /// Valid commit groups, seals included.
    pub frames: u64,
    /// Events in them.
    pub events: u64,
    /// Writes of marks in them, overwritten ones included.
    pub mark_writes: u64,
    /// Bytes of valid commit groups.
    pub bytes: u64,
    /// Bytes of a torn write behind the last commit group: never acknowledged, cut off at the next opening.
    pub torn_bytes: u64,
    /// Everything that is not as it was written.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    fn of(log: LogReport) -> Self {
        let finding = |damage: annals_log::Damage| {
            let annals_log::Damage {
                file,
                at,
                expected,
                found,
            } = damage;
            Finding {
                file,
                at,
                expected,
                found,
            }
        };
        Self {
            segments: log.segments,
            frames: log.frames,
            events: log.numbered,
            mark_writes: log.unnumbered,
            bytes: log.bytes,
            torn_bytes: log.torn_bytes,
            findings: log.damage.into_iter().map(finding).collect(),
        }
    }
}

/// Checks the store in a folder, also one that is too damaged to open, also beside the node that writes it.
///
/// # Errors
/// [`OpenError::Disk`] if the folder cannot be read, [`OpenError::Format`] if a newer build wrote it. Damage is
/// no error but a finding.
pub fn verify(dir: impl AsRef<Path>) -> Result<VerifyReport, OpenError> {
    verify_on(Arc::new(RealDisk), dir.as_ref())
}

/// Checks a store on any disk, see [`verify`].
///
/// # Errors
/// As [`verify`].
pub fn verify_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<VerifyReport, OpenError> {
    let mut check = IndexCheck::default();
    if let Some(salt) = annals_log::salt_of(disk.clone(), dir)? {
        let cache = Arc::new(Cache::new(IndexOptions::default().cache_bytes_max));
        let base = check.carried(&*disk, dir)?;
        let shelf = Shelf::new(disk.clone(), dir, (salt, base), cache, false);
        check.parts = shelf.parts().into();
        check.findings.extend(shelf.unusable().iter().map(Finding::of));
    }
    let report = annals_log::inspect(disk, dir, &mut |frame| check.frame(frame).map(drop))?;
    let mut report = VerifyReport::of(report);
    report.findings.append(&mut check.findings);
    Ok(report)
}

impl Finding {
    fn of(trouble: &Trouble) -> Self {
        let (file, at, found) = match trouble {
            Trouble::Damaged { file, at, what, .. } => (file, at, what.clone()),
            Trouble::Io { file, at, source } => (file, at, source.to_string()),
            // It is read and told by itself.
            Trouble::Carried(error) => (&PathBuf::new(), &0, error.to_string()),
        };
        Self {
            file: file.clone(),
            at: *at,
            expected: "an index that can be used, or none".to_owned(),
            found,
        }
    }
}

/// Compares files of the index with the frames they are of.
#[derive(Debug, Default)]
struct IndexCheck {
    /// Those whose last frame was not seen yet.
    parts: VecDeque<Arc<SealedPart>>,
    /// Of the first of them.
    census: Option<Census>,
    /// How many of its frames were seen.
    frames: u64,
    /// Of all events so far.
    types: TypeCounts,
    findings: Vec<Finding>,
}

impl IndexCheck {
    /// Reads what is known of archived events, and says where the log begins.
    fn carried(&mut self, disk: &dyn Disk, dir: &Path) -> Result<Base, OpenError> {
        let beginning = match annals_log::beginning(disk, dir) {
            // It is told with the log.
            Err(annals_log::OpenError::Damaged(_)) => None,
            other => other?,
        };
        let checked = opening::carried(disk, dir, beginning.as_ref()).and_then(|(carried, base)| {
            if let Some(carried) = &carried {
                carried.check()?;
                self.types = carried.types()?.into_iter().collect();
            }
            Ok(base)
        });
        match checked {
            Err(OpenError::Corrupt(found)) => {
                self.findings.push(Finding {
                    file: dir.join(beginning.map_or_else(String::new, |at| file_name(at.segment))),
                    at: 0,
                    expected: "what is known of archived events".to_owned(),
                    found,
                });
                Ok(Base::default())
            }
            other => other,
        }
    }

    /// Takes in a frame; whether a file is of it.
    fn frame(&mut self, frame: &Frame) -> Result<bool, String> {
        while self.is_behind(frame) {
            // Frames are missing, which is told elsewhere.
            self.parts.pop_front();
            (self.census, self.frames) = (None, 0);
        }
        let Some(part) = self.parts.front().cloned() else {
            decode(frame)?;
            return Ok(false);
        };
        let census = self.census.get_or_insert_with(|| Census::of(&part));
        self.frames += 1;
        if frame.header.kind == FrameKind::Records {
            count(census, &mut self.types, frame)?;
        }
        let stretch = part.stretch();
        if frame.header.number == stretch.last.number {
            let frames = stretch.frames();
            if self.frames == frames.last - frames.first + 1 {
                self.compare(&part, frame);
            }
            self.parts.pop_front();
            (self.census, self.frames) = (None, 0);
        }
        Ok(true)
    }

    fn is_behind(&self, frame: &Frame) -> bool {
        let last = self.parts.front().map(|part| part.stretch().last.number);
        last.is_some_and(|last| frame.header.number > last)
    }

    /// Compares what was counted with what the file holds.
    fn compare(&mut self, part: &SealedPart, last: &Frame) {
        let Some(counted) = self.census.take() else { return };
        let stretch = part.stretch();
        if last.milestone() != stretch.last {
            self.tell(part, "the last frame it is of", "another one");
            return;
        }
        let found = part.census().and_then(|census| Ok((census, part.types()?)));
        match found {
            Err(trouble) => self.findings.push(Finding::of(&trouble)),
            Ok((census, types)) => {
                if let Some(what) = counted.differs(&census, stretch.after.is_none()) {
                    self.tell(part, &format!("the {what} of its frames"), "others");
                }
                if types != self.types {
                    self.tell(part, "the counts of all types up to its end", "others");
                }
            }
        }
    }

    fn tell(&mut self, part: &SealedPart, expected: &str, found: &str) {
        self.findings.push(Finding {
            file: part.path().clone(),
            at: 0,
            expected: expected.to_owned(),
            found: found.to_owned(),
        });
    }
}

fn count(census: &mut Census, types: &mut TypeCounts, frame: &Frame) -> Result<(), String> {
    let header = &frame.header;
    let payload_at = header.place as u32 + annals_log::FRAME_HEADER_BYTES as u32;
    let mut position = header.first;
    for found in Batch::records(&frame.payload) {
        let body = frame.payload.slice(found.body..found.end);
        if !found.is_numbered {
            census.mark(&record::read_mark(&body)?);
            continue;
        }
        let event = record::read_event(&body)?;
        let spot = spot(&frame.payload, &found, payload_at + found.body as u32);
        let span = Span {
            place: Place {
                segment: header.segment,
                at: u64::from(spot.at),
            },
            bytes: spot.bytes,
            checksum: spot.checksum,
            recorded: Timestamp::from_micros(header.time),
        };
        census.event(position, &event, &span);
        *types.entry(event.event_type).or_default() += 1;
        position += 1;
    }
    Ok(())
}

fn core_types(carried: &Carried) -> Result<TypeCounts, ReadError> {
    let types = carried.check().and_then(|()| carried.types());
    match types {
        Ok(types) => Ok(types.into_iter().collect()),
        Err(error) => Err(ReadError::Corrupt(error.to_string())),
    }
}

impl EmbeddedStore {
    /// Checks everything that is durable now against the index that answers queries. Blocks while it reads; appends
    /// and reads go on meanwhile.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] if the disk does not answer. Damage is no error but a finding.
    pub fn verify(&self) -> Result<VerifyReport, ReadError> {
        let parts = self.core().state.read().parts.clone();
        let sealed = parts.all().iter().map_while(|part| match part {
            Part::Sealed(part) => Some(part.clone()),
            Part::Active(_) => None,
        });
        let mut check = IndexCheck {
            parts: sealed.collect(),
            types: match parts.carried() {
                Some(carried) => core_types(carried)?,
                None => TypeCounts::new(),
            },
            ..IndexCheck::default()
        };
        let mut findings = Vec::new();
        let report = self.core().reader.verify(&mut |frame| match check.frame(frame)? {
            true => Ok(()),
            false => self.compare(frame, &mut findings),
        });
        let mut report = VerifyReport::of(report.map_err(read_error)?);
        report.findings.append(&mut check.findings);
        report.findings.append(&mut findings);
        Ok(report)
    }

    /// Compares the events of a frame with what the index in memory says of them.
    fn compare(&self, frame: &Frame, findings: &mut Vec<Finding>) -> Result<(), String> {
        let core = self.core();
        let told = |error: ReadError| error.to_string();
        let bodies = Batch::records(&frame.payload).filter(|found| found.is_numbered);
        for (position, found) in (frame.header.first..).zip(bodies) {
            let event = record::read_event(&frame.payload.slice(found.body..found.end))?;
            if position >= core.state.read().end() {
                // Durable in the log and about to be announced.
                return Ok(());
            }
            let mut expect = |what: String, expected: String, found: Option<String>| {
                if found.as_ref() != Some(&expected) {
                    findings.push(Finding {
                        file: PathBuf::new(),
                        at: 0,
                        expected: format!("{what} of position {position} to be {expected}"),
                        found: found.unwrap_or_else(|| "nothing".to_owned()),
                    });
                }
            };
            let back = core.ask(|core| core.position_of(event.id)).map_err(told)?;
            expect(
                "the place of the id".into(),
                position.to_string(),
                back.map(|at| at.to_string()),
            );
            let wanted = core.ask(|core| core.wanted(&[position])).map_err(told)?;
            let recorded = wanted
                .first()
                .map(|wanted| wanted.span.recorded.as_micros().to_string());
            expect("the time".into(), frame.header.time.to_string(), recorded);
            for tag in &event.tags {
                let has = |to| core.ask(|core| core.tagged(tag, to)).map_err(told);
                let counted = has(position + 1)?.checked_sub(has(position)?);
                expect(
                    format!("entries of {tag}"),
                    "1".into(),
                    counted.map(|count| count.to_string()),
                );
            }
        }
        Ok(())
    }
}
