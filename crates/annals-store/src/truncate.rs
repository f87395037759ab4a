//! Truncation: the oldest segments go to an archive, and only then go away.
//!
//! In: the folder of a store that nobody writes, a position, an archive. Out: a store that begins at a boundary at or before
//! that position, and an archive that is a backup of everything before. Every step may be interrupted and the whole repeated:
//!
//! 1. Every frame before the boundary is read and checked, and what must still be known of it is gathered.
//! 2. The segments are written to the archive, with a manifest at last, and read back from there, every byte compared.
//! 3. What was gathered is written beside the log.
//! 4. The log gets its new beginning, whole or not at all. Only here does anything change for those who read.
//! 5. The segments are taken away. What is left of them goes at the next opening.
//!
//! Invariant: an event is at any moment in the store, or in an archive that was read back, or in both.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_core::position::Position;
use annals_core::time::Timestamp;
use annals_log::disk::real::RealDisk;
use annals_log::disk::{Access, Disk};
use annals_log::{BEGINNING, Beginning, Checksum, Copied, Frame, Milestone, Reader, begin_at, remove_before};
use thiserror::Error;

use crate::archive::{Archive, PIECE_BYTES};
use crate::backup::{MANIFEST, Manifest};
use crate::carried::{Carried, archives_of, file_name, note};
use crate::gather::{Gather, GatherError};
use crate::opening::{self, Opened};
use crate::options::{OpenError, Options};
use crate::state::{check_time, decode};

/// What a truncation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncated {
    /// The first position that is still in the store.
    pub boundary: Position,
    /// Events that were archived by this truncation.
    pub events: u64,
    /// When the newest of them was recorded.
    pub newest: Timestamp,
    /// Segments that were archived.
    pub segments: u32,
    /// Their bytes.
    pub bytes: u64,
    /// The archive's address and the name of the set in it: its segments and the checksum of the last frame.
    pub archive: String,
}

/// Why a store was not truncated. Until the last step it is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TruncateError {
    /// The store cannot be opened; [`OpenError::InUse`] while a node runs on it. Stop the node.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No whole segment lies before the position. Name a later one, or wait until there is more.
    #[error(
        "no segment ends before position {asked}: the store begins at {begins}, its next segment {}",
        possible.map_or_else(|| "is still to come".to_owned(), |at| format!("at {at}"))
    )]
    Nothing {
        /// The position that was asked for.
        asked: Position,
        /// Where the store begins.
        begins: Position,
        /// The lowest boundary that is possible, if any is.
        possible: Option<Position>,
    },
    /// What was to be archived is damaged. Verify the store and restore it from a backup first.
    #[error("the store is damaged: {0}; nothing was archived away")]
    Corrupt(String),
    /// The archive did not take an object or give it back. Mend it and do it again.
    #[error("the archive {archive} failed with {name}: {source}; nothing was taken away")]
    Archive {
        /// Its address.
        archive: String,
        /// Which object.
        name: String,
        /// What it said.
        source: io::Error,
    },
    /// What the archive gave back is not what it was given. Do not trust it.
    #[error(
        "the archive {archive} gave back {name} with {found} instead of {expected}; nothing was taken away"
    )]
    Differs {
        /// Its address.
        archive: String,
        /// Which object.
        name: String,
        /// Bytes and checksum as written.
        expected: String,
        /// As read back.
        found: String,
    },
    /// A file of the store could not be read or written. Mend the disk and do it again.
    #[error("{}: {source}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Archives all whole segments before a position, and takes them away. The store must not be open. The boundary is where the
/// last segment begins whose first event is at or before the position.
///
/// # Errors
/// [`TruncateError`]. Doing it again, to the same archive, is safe after every one of them, and after a crash.
pub fn truncate(
    store: impl AsRef<Path>,
    before: Position,
    archive: &dyn Archive,
) -> Result<Truncated, TruncateError> {
    truncate_on(Arc::new(RealDisk), store.as_ref(), before, archive)
}

/// As [`truncate`], on any disk.
///
/// # Errors
/// As [`truncate`].
pub fn truncate_on(
    disk: Arc<dyn Disk>,
    store: &Path,
    before: Position,
    archive: &dyn Archive,
) -> Result<Truncated, TruncateError> {
    let (Opened { core, .. }, mut writer, keeper) =
        opening::to_write(disk.clone(), store, &Options::passing())?;
    keeper.close();
    // The writer keeps the folder locked until everything is done.
    writer
        .seal()
        .map_err(|error| OpenError::Disk(error.to_string()))?;
    let carried = core.carried();
    let kept = boundary(&core.reader, before)?;
    let run = Run {
        disk: &*disk,
        store,
        archive,
        reader: &core.reader,
        carried: carried.as_deref(),
    };
    let checked = run.check(&kept)?;
    let (set, files) = run.write_set(&kept, &checked)?;
    run.read_back(&set, &files)?;
    let done = run.finish(&kept, checked, &set, &files)?;
    drop(writer);
    Ok(done)
}

/// The first frame that stays.
fn boundary(reader: &Reader, before: Position) -> Result<Frame, TruncateError> {
    let mut segments = reader.segment_numbers();
    let first = segments.next().unwrap_or_default();
    let begins = reader.first_frame(first).map_err(damaged)?;
    let begins = begins.map_or(0, |frame| frame.header.first);
    let (mut kept, mut possible) = (None, None);
    for number in segments {
        let Some(frame) = reader.first_frame(number).map_err(damaged)? else {
            continue;
        };
        let position = Position::new(frame.header.first);
        possible = possible.or(Some(position));
        if position > before {
            break;
        }
        kept = Some(frame);
    }
    kept.ok_or(TruncateError::Nothing {
        asked: before,
        begins: Position::new(begins),
        possible,
    })
}

fn damaged(error: annals_log::ReadError) -> TruncateError {
    TruncateError::Corrupt(error.to_string())
}

struct Run<'a> {
    disk: &'a dyn Disk,
    store: &'a Path,
    archive: &'a dyn Archive,
    reader: &'a Reader,
    carried: Option<&'a Carried>,
}

/// What is before the boundary.
struct Checked<'a> {
    gather: Gather<'a>,
    last: Milestone,
    events: u64,
}

impl<'a> Run<'a> {
    fn disk_error(&self, path: &Path) -> impl FnOnce(io::Error) -> TruncateError {
        let path = path.to_owned();
        move |source| TruncateError::Disk { path, source }
    }

    fn gather_error(&self, error: GatherError) -> TruncateError {
        match error {
            GatherError::Io(source) => self.disk_error(self.store)(source),
            other => TruncateError::Corrupt(other.to_string()),
        }
    }

    /// Reads every frame before the first one that stays.
    fn check(&self, kept: &Frame) -> Result<Checked<'a>, TruncateError> {
        let mut gather = Gather::new(self.disk, self.store, self.reader.salt(), self.carried);
        let mut last: Option<Frame> = None;
        let (mut events, mut newest) = (0, Timestamp::from_micros(gather.newest()));
        for frame in self.reader.frames() {
            let frame = frame.map_err(damaged)?;
            let follows = last.as_ref().is_none_or(|last| {
                (last.checksum, last.header.end()) == (frame.header.previous, frame.header.first)
            });
            if !follows {
                let place = frame.milestone().frame;
                let expected = "a frame that continues the one before";
                return Err(damaged(self.reader.damaged(place, expected, "another one")));
            }
            if frame.header.number == kept.header.number {
                break;
            }
            let place = frame.milestone().frame;
            let senseless =
                |found: String| damaged(self.reader.damaged(place, "records that can be read", found));
            decode(&frame).map_err(senseless)?;
            if frame.header.numbered + frame.header.unnumbered > 0 {
                newest = check_time(&frame, newest).map_err(senseless)?;
            }
            gather.frame(&frame).map_err(|error| self.gather_error(error))?;
            events += u64::from(frame.header.numbered);
            last = Some(frame);
        }
        let last = last
            .map(|last| last.milestone())
            .ok_or_else(|| TruncateError::Corrupt("no frame is before the one that is to stay".to_owned()))?;
        Ok(Checked { gather, last, events })
    }

    /// Writes the set: the segments, how the log begins if it was truncated before, and the manifest.
    fn write_set(&self, kept: &Frame, checked: &Checked<'_>) -> Result<(String, Vec<Copied>), TruncateError> {
        let first = *self.reader.segment_numbers().start();
        let numbers = first..kept.header.segment;
        // The last checksum holds all before it: no other log, and no other course of this one, has a set of this name.
        let set = format!(
            "{first:010}-{:010}-{:08x}",
            kept.header.segment - 1,
            checked.last.checksum
        );
        let mut names: Vec<String> = Vec::new();
        if let Some(carried) = self.carried {
            names.extend([BEGINNING.to_owned(), carried.file_name()]);
        }
        names.extend(numbers.map(|number| format!("{number:010}.seg")));
        let mut files = Vec::new();
        for name in names {
            let copied = self.write_file(&set, &name)?;
            files.push(copied);
        }
        let manifest = Manifest {
            events: kept.header.first,
            newest: Timestamp::from_micros(checked.gather.newest()),
            files: files.clone(),
        };
        let text = manifest.text().into_bytes();
        files.push(Copied {
            name: MANIFEST.to_owned(),
            bytes: text.len() as u64,
            checksum: Checksum::new().with(&text).finish(),
        });
        let mut text = Some(text);
        let name = format!("{set}/{MANIFEST}");
        let written = self.archive.write(&name, &mut || Ok(text.take()));
        written.map_err(|source| self.archive_error(&name, source))?;
        Ok((set, files))
    }

    fn archive_error(&self, name: &str, source: io::Error) -> TruncateError {
        TruncateError::Archive {
            archive: self.archive.address(),
            name: name.to_owned(),
            source,
        }
    }

    fn write_file(&self, set: &str, name: &str) -> Result<Copied, TruncateError> {
        let path = self.store.join(name);
        let opened = self.disk.open(&path, Access::Read);
        let file = opened.map_err(self.disk_error(&path))?;
        let (mut checksum, mut at) = (Some(Checksum::new()), 0);
        let mut next = || {
            let mut piece = vec![0; PIECE_BYTES];
            let read = file.read_at(&mut piece, at)?;
            piece.truncate(read);
            at += read as u64;
            checksum = checksum.take().map(|checksum| checksum.with(&piece));
            Ok((read > 0).then_some(piece))
        };
        let object = format!("{set}/{name}");
        let written = self.archive.write(&object, &mut next);
        written.map_err(|source| self.archive_error(&object, source))?;
        Ok(Copied {
            name: name.to_owned(),
            bytes: at,
            checksum: checksum.map_or(0, Checksum::finish),
        })
    }

    /// Compares every byte of a set with what was written.
    fn read_back(&self, set: &str, files: &[Copied]) -> Result<(), TruncateError> {
        for file in files {
            let name = format!("{set}/{}", file.name);
            let (mut checksum, mut bytes) = (Some(Checksum::new()), 0);
            let read = self.archive.read(&name, &mut |piece| {
                checksum = checksum.take().map(|checksum| checksum.with(piece));
                bytes += piece.len() as u64;
                Ok(())
            });
            read.map_err(|source| self.archive_error(&name, source))?;
            let found = (bytes, checksum.map_or(0, Checksum::finish));
            if found != (file.bytes, file.checksum) {
                let told = |(bytes, sum): (u64, u32)| format!("{bytes} bytes and checksum {sum:08x}");
                return Err(TruncateError::Differs {
                    archive: self.archive.address(),
                    name,
                    expected: told((file.bytes, file.checksum)),
                    found: told(found),
                });
            }
        }
        Ok(())
    }

    /// Lets the log begin at the boundary, and takes away what is before.
    fn finish(
        &self,
        kept: &Frame,
        checked: Checked<'_>,
        set: &str,
        files: &[Copied],
    ) -> Result<Truncated, TruncateError> {
        let (boundary, segment) = (kept.header.first, kept.header.segment);
        let newest = Timestamp::from_micros(checked.gather.newest());
        let gathered = checked.gather.finish(self.carried, segment);
        gathered.map_err(|error| self.gather_error(error))?;
        let archive = format!("{}/{set}", self.archive.address());
        let mut archives = self
            .carried
            .map_or_else(Vec::new, |carried| carried.archives().to_vec());
        archives.push(archive.clone());
        let beginning = Beginning {
            salt: self.reader.salt(),
            segment,
            before: checked.last,
            first: boundary,
            note: note(&archives),
        };
        // What stands there must be what will be needed, before the events go.
        let opened = Carried::open(self.disk, self.store, &beginning).and_then(|carried| carried.check());
        opened.map_err(|error| TruncateError::Corrupt(error.to_string()))?;
        let wrap = |source| self.disk_error(self.store)(source);
        begin_at(self.disk, self.store, &beginning).map_err(wrap)?;
        let segments = remove_before(self.disk, self.store, &beginning).map_err(wrap)?;
        if let Some(carried) = self
            .carried
            .filter(|carried| carried.file_name() != file_name(segment))
        {
            self.disk
                .remove(&self.store.join(carried.file_name()))
                .map_err(wrap)?;
        }
        let bytes = files.iter().map(|file| file.bytes).sum();
        Ok(Truncated {
            boundary: Position::new(boundary),
            events: checked.events,
            newest,
            segments,
            bytes,
            archive,
        })
    }
}

/// Where a store begins and where what is before it was archived, oldest first; none if nothing was. Changes nothing and works
/// beside a running node.
///
/// # Errors
/// [`OpenError`] if that cannot be read.
pub fn archives(store: impl AsRef<Path>) -> Result<Option<(Position, Vec<String>)>, OpenError> {
    let beginning = annals_log::beginning(&RealDisk, store.as_ref())?;
    Ok(beginning.map(|beginning| (Position::new(beginning.first), archives_of(&beginning.note))))
}
