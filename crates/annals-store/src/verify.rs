//! Verification of a whole store: every byte of the log, every record, and the index against both.
//!
//! In: a folder, or an open store. Out: counts and findings; an empty list of findings means that everything that was
//! acknowledged can be read as it was written. Changes nothing and works beside a running node.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_core::port::store::ReadError;
use annals_log::disk::Disk;
use annals_log::disk::real::RealDisk;
use annals_log::{Batch, Frame, VerifyReport as LogReport};

use crate::embedded::EmbeddedStore;
use crate::fetch::read_error;
use crate::options::OpenError;
use crate::record;
use crate::state::decode;

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
/// [`OpenError::Disk`] if the folder cannot be read, [`OpenError::NewerFormat`] if a newer build wrote it. Damage is
/// no error but a finding.
pub fn verify(dir: impl AsRef<Path>) -> Result<VerifyReport, OpenError> {
    verify_on(Arc::new(RealDisk), dir.as_ref())
}

/// Checks a store on any disk, see [`verify`].
///
/// # Errors
/// As [`verify`].
pub fn verify_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<VerifyReport, OpenError> {
    let report = annals_log::inspect(disk, dir, &mut decode)?;
    Ok(VerifyReport::of(report))
}

impl EmbeddedStore {
    /// Checks everything that is durable now against the index that answers queries. Blocks while it reads; appends
    /// and reads go on meanwhile.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] if the disk does not answer. Damage is no error but a finding.
    pub fn verify(&self) -> Result<VerifyReport, ReadError> {
        let mut findings = Vec::new();
        let report = self
            .core()
            .reader
            .verify(&mut |frame| self.compare(frame, &mut findings))
            .map_err(read_error)?;
        let mut report = VerifyReport::of(report);
        report.findings.append(&mut findings);
        Ok(report)
    }

    /// Compares the events of a frame with what the index says of their positions.
    fn compare(&self, frame: &Frame, findings: &mut Vec<Finding>) -> Result<(), String> {
        decode(frame)?;
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
                    let expected = format!("{what} of position {position} to be {expected}");
                    let (file, found) = (PathBuf::new(), found.unwrap_or_else(|| "nothing".to_owned()));
                    findings.push(Finding {
                        file,
                        at: 0,
                        expected,
                        found,
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
                let counted = has(position + 1)?
                    .checked_sub(has(position)?)
                    .map(|count| count.to_string());
                expect(format!("entries of {tag}"), "1".into(), counted);
            }
        }
        Ok(())
    }
}
