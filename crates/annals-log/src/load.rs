//! Loading: from a directory to the segments of a log.
//!
//! In: a directory. Out: its segments in order, the log's salt, and files that were never finished; or why the log
//! cannot be opened. Looks at the headers of the first segment and the last one and changes nothing: the others may be many,
//! and each frame tells by itself of which segment of which log it is. Whoever walks over a segment looks at its header.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::beginning::{BEGINNING, BEGINNING_BYTES_MAX, Beginning, NoBeginning, Start};
use crate::damage::Damage;
use crate::disk::{Access, Disk, LockError};
use crate::format::FormatError;
use crate::handles::Handles;
use crate::scan::Walk;
use crate::segment::{self, FIRST_FRAME, FileName, HeaderLook, Segment, SegmentHeader};

/// Why a log did not open. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Somebody writes to it. Only one may; stop the other one, or open to read only.
    #[error("{} is in use: {source}; a log has one writer", dir.display())]
    Locked {
        /// The log's directory.
        dir: PathBuf,
        /// Who has it.
        source: LockError,
    },
    /// Durable bytes are missing or changed. Verify, then restore from a copy.
    #[error("damage in {0}; nothing was changed")]
    Damaged(Damage),
    /// Another build wrote it.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The disk refused something. Mend it and open again.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Wraps what the system said.
pub(crate) fn io_failed<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| OpenError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// The files of a log; the headers of the first and the last one were checked.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) handles: Arc<Handles>,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) salt: u64,
    pub(crate) beginning: Option<Beginning>,
    /// What is to be taken away before anything is written: files that were never finished, and archived segments.
    pub(crate) unfinished: Vec<PathBuf>,
}

impl Files {
    fn none(handles: &Arc<Handles>) -> Self {
        Self {
            handles: handles.clone(),
            segments: Vec::new(),
            salt: 0,
            beginning: None,
            unfinished: Vec::new(),
        }
    }

    fn begin_at(&mut self, beginning: Option<Beginning>) {
        self.salt = beginning.as_ref().map_or(0, |beginning| beginning.salt);
        self.beginning = beginning;
    }

    /// What the first frame must continue.
    pub(crate) fn start(&self) -> Start {
        Start::of(self.beginning.as_ref())
    }

    /// The segment of this number.
    pub(crate) fn segment(&self, number: u32) -> Option<&Arc<Segment>> {
        let place = number.checked_sub(self.start().segment)?;
        self.segments.get(place as usize)
    }
}

pub(crate) fn load(handles: &Arc<Handles>, dir: &Path) -> Result<Files, OpenError> {
    loop {
        let begins = beginning(&*handles.disk, dir)?;
        let loaded = load_from(handles, dir, begins.clone());
        // Segments may have been archived while they were looked at; then the log begins elsewhere now.
        if loaded.is_ok() || beginning(&*handles.disk, dir)? == begins {
            return loaded;
        }
    }
}

fn load_from(handles: &Arc<Handles>, dir: &Path, beginning: Option<Beginning>) -> Result<Files, OpenError> {
    let mut files = Files::none(handles);
    files.begin_at(beginning);
    let first = files.start().segment;
    let mut numbers = Vec::new();
    for name in handles.disk.list(dir).map_err(io_failed("list", dir))? {
        match FileName::of(&name) {
            // It was archived, and its removal interrupted.
            FileName::Segment(number) if number < first => files.unfinished.push(dir.join(name)),
            FileName::Segment(number) => numbers.push(number),
            FileName::Unfinished => files.unfinished.push(dir.join(name)),
            FileName::Other => {}
        }
    }
    numbers.sort_unstable();
    for (place, number) in numbers.iter().enumerate() {
        let expected = first + place as u32;
        if *number != expected {
            let file = segment::path_of(dir, expected);
            return Err(damaged(
                file,
                0,
                format!("segment {expected}"),
                format!("no such file, but segment {number}"),
            ));
        }
        let last = place + 1 == numbers.len();
        if place == 0 || last {
            open_segment(dir, *number, last, &mut files)?;
        } else {
            let segment = segment_of(dir, *number, handles)?;
            files.segments.push(Arc::new(segment));
        }
    }
    if files.beginning.is_some() && files.segments.is_empty() {
        let expected = format!("segment {first}, where the log begins");
        return Err(damaged(
            segment::path_of(dir, first),
            0,
            expected,
            "no such file, or an empty one",
        ));
    }
    Ok(files)
}

/// Where the log in a directory begins, if something was taken away before that.
///
/// # Errors
/// [`OpenError::Damaged`] if that cannot be read any more, [`OpenError::Format`] and [`OpenError::Io`].
pub fn beginning(disk: &dyn Disk, dir: &Path) -> Result<Option<Beginning>, OpenError> {
    let path = dir.join(BEGINNING);
    let file = match disk.open(&path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io_failed("open", &path))?,
    };
    let size = file.size().map_err(io_failed("measure", &path))?;
    let mut bytes = vec![0; size.min(BEGINNING_BYTES_MAX) as usize];
    let read = file.read_at(&mut bytes, 0).map_err(io_failed("read", &path))?;
    match Beginning::read(&String::from_utf8_lossy(&bytes[..read])) {
        Ok(beginning) => Ok(Some(beginning)),
        Err(NoBeginning::Newer(found)) => Err(FormatError::newer(path, found).into()),
        Err(NoBeginning::Bad(found)) => Err(damaged(path, 0, "where the log begins", found)),
    }
}

/// What of a directory can be opened, and what cannot.
pub(crate) struct Salvage {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) salt: u64,
    pub(crate) start: Start,
    pub(crate) damage: Vec<Damage>,
}

/// Opens what can be opened. Segments without a usable header are left out and told as damage.
pub(crate) fn salvage(handles: &Arc<Handles>, dir: &Path) -> Result<Salvage, OpenError> {
    let mut files = Files::none(handles);
    let mut damage = Vec::new();
    match beginning(&*handles.disk, dir) {
        Ok(beginning) => files.begin_at(beginning),
        Err(OpenError::Damaged(found)) => damage.push(found),
        Err(other) => return Err(other),
    }
    let first = files.start().segment;
    let mut numbers: Vec<u32> = Vec::new();
    for name in handles.disk.list(dir).map_err(io_failed("list", dir))? {
        if let FileName::Segment(number) = FileName::of(&name)
            && number >= first
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    for number in &numbers {
        let last = numbers.last() == Some(number);
        match open_segment(dir, *number, last, &mut files) {
            Err(OpenError::Damaged(found)) => damage.push(found),
            other => other?,
        }
    }
    Ok(Salvage {
        start: files.start(),
        segments: files.segments,
        salt: files.salt,
        damage,
    })
}

/// A segment as its file is; its header is not looked at.
fn segment_of(dir: &Path, number: u32, handles: &Arc<Handles>) -> Result<Segment, OpenError> {
    let path = segment::path_of(dir, number);
    let file = handles.get(number, &path).map_err(io_failed("open", &path))?;
    let size = file.size().map_err(io_failed("measure", &path))?;
    Ok(Segment {
        number,
        path,
        size,
        handles: handles.clone(),
    })
}

fn open_segment(dir: &Path, number: u32, last: bool, files: &mut Files) -> Result<(), OpenError> {
    let segment = segment_of(dir, number, &files.handles)?;
    let look = header_of(&segment)?;
    if last && look == HeaderLook::Blank && is_blank(&segment)? {
        files.unfinished.push(segment.path);
        return Ok(());
    }
    let is_known = !files.segments.is_empty() || files.beginning.is_some();
    files.salt = checked(look, &segment, is_known.then_some(files.salt))?;
    files.segments.push(Arc::new(segment));
    Ok(())
}

/// Refuses a segment whose header is not that of this place in this log.
pub(crate) fn check_header(segment: &Segment, salt: u64) -> Result<(), OpenError> {
    checked(header_of(segment)?, segment, Some(salt)).map(|_| ())
}

fn header_of(segment: &Segment) -> Result<HeaderLook, OpenError> {
    let path = &segment.path;
    let mut head = vec![0; FIRST_FRAME.min(segment.size) as usize];
    let file = segment.file().map_err(io_failed("open", path))?;
    file.read_at(&mut head, 0).map_err(io_failed("read", path))?;
    Ok(SegmentHeader::look(&head))
}

/// The salt that a header tells, if everything in it is what it should be.
fn checked(look: HeaderLook, segment: &Segment, salt: Option<u64>) -> Result<u64, OpenError> {
    let path = segment.path.clone();
    let header = match look {
        HeaderLook::Header(header) => header,
        HeaderLook::Foreign(foreign) => return Err(FormatError::foreign(path, foreign).into()),
        HeaderLook::Unreleased => return Err(FormatError::Unreleased { file: path }.into()),
        HeaderLook::Bad(expected, found) => return Err(damaged(path, 0, expected, found)),
        HeaderLook::Blank => {
            let expected = "a header beginning with annalog";
            return Err(damaged(path, 0, expected, "zeros before other bytes or segments"));
        }
    };
    let expected = SegmentHeader {
        number: segment.number,
        salt: salt.unwrap_or(header.salt),
        size: segment.size,
    };
    if header != expected {
        let found = format!(
            "segment {} of {} bytes, salt {:x}",
            header.number, header.size, header.salt
        );
        let expected = format!(
            "segment {} of the file's {} bytes, salt {:x}",
            expected.number, expected.size, expected.salt
        );
        return Err(damaged(path, 0, expected, found));
    }
    Ok(header.salt)
}

/// Whether nothing was ever written to a file.
fn is_blank(segment: &Segment) -> Result<bool, OpenError> {
    let survey = Walk::new(Arc::new(segment.clone()), 0, 0, segment.size).survey();
    let survey = survey.map_err(io_failed("read", &segment.path))?;
    Ok(survey.written_to.is_none())
}

/// An error that names a place.
pub(crate) fn damaged(
    file: PathBuf,
    at: u64,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> OpenError {
    OpenError::Damaged(Damage {
        file,
        at,
        expected: expected.into(),
        found: found.into(),
    })
}
