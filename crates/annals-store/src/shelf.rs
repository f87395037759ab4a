//! Where the files of the index are.
//!
//! In: parts in memory, or several files. Out: files, and at opening those that together are of the log from its
//! beginning on. A file that cannot be used is passed over: it is made again. Knows nothing of what is asked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_log::Milestone;
use annals_log::disk::Disk;

use crate::index::{
    Active, Cache, Frames, MergeError, Part, Parts, Pause, SealedPart, Stretch, Trouble, UNFINISHED_ENDING,
    Workshop, merge, write,
};

/// The folder of the files, inside that of the log.
const FOLDER: &str = "index";

/// How often the folder is looked at while another process makes files and takes others away.
const LOOKS_MAX: u32 = 10;

#[derive(Debug)]
pub(crate) struct Shelf {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The log's; files of another log are none of ours.
    salt: u64,
    cache: Arc<Cache>,
    /// What the first part follows.
    base: Base,
    writable: bool,
}

/// Where a log begins, to its index: behind which frame and which events.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Base {
    pub(crate) after: Option<Milestone>,
    pub(crate) first: u64,
}

impl Shelf {
    /// The files beside the log in this folder.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        log: &Path,
        (salt, base): (u64, Base),
        cache: Arc<Cache>,
        writable: bool,
    ) -> Self {
        Self {
            disk,
            dir: log.join(FOLDER),
            salt,
            cache,
            base,
            writable,
        }
    }

    /// Whether files may be made.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    fn workshop(&self) -> Workshop<'_> {
        Workshop {
            disk: &*self.disk,
            dir: &self.dir,
            salt: self.salt,
        }
    }

    fn open(&self, frames: Frames) -> Result<Arc<SealedPart>, Trouble> {
        SealedPart::open(&*self.disk, &self.dir, frames, self.salt, &self.cache).map(Arc::new)
    }

    /// The names in the folder; none if there is no folder.
    fn names(&self) -> Vec<String> {
        self.disk.list(&self.dir).unwrap_or_default()
    }

    /// What is wrong with files that cannot be opened at all.
    pub(crate) fn unusable(&self) -> Vec<Trouble> {
        let frames = self.names().into_iter().filter_map(|name| Frames::of(&name));
        let troubles = frames.filter_map(|frames| self.open(frames).err());
        troubles
            .filter(|trouble| matches!(trouble, Trouble::Damaged { .. }))
            .collect()
    }

    /// The files that follow each other from the beginning of the log on, the largest ones first.
    pub(crate) fn parts(&self) -> Vec<Arc<SealedPart>> {
        for _ in 0..LOOKS_MAX {
            if let Some(parts) = self.look() {
                return parts;
            }
        }
        Vec::new()
    }

    /// One look at the folder; none if files were taken away meanwhile, because others have taken their place.
    fn look(&self) -> Option<Vec<Arc<SealedPart>>> {
        let mut names: Vec<Frames> = self.names().iter().filter_map(|name| Frames::of(name)).collect();
        names.sort_unstable_by_key(|frames| (frames.first, std::cmp::Reverse(frames.last)));
        let mut parts: Vec<Arc<SealedPart>> = Vec::new();
        loop {
            let last = parts.last().map(|part| *part.stretch());
            let before = last.map(|last| last.last).or(self.base.after);
            let first = before.map_or(0, |before| before.number + 1);
            let from = names.partition_point(|frames| frames.first < first);
            let mut next = None;
            for frames in names[from..].iter().take_while(|frames| frames.first == first) {
                next = match self.open(*frames) {
                    Ok(part) => Some(part).filter(|part| self.follows(part.stretch(), last.as_ref())),
                    Err(trouble) if is_gone(&trouble) => return None,
                    Err(trouble) => {
                        tracing::warn!(%trouble, "an index file is passed over");
                        None
                    }
                };
                if next.is_some() {
                    break;
                }
            }
            match next {
                Some(part) => parts.push(part),
                None => return Some(parts),
            }
        }
    }

    /// Whether a part begins where another one ends, or where the log begins.
    fn follows(&self, part: &Stretch, last: Option<&Stretch>) -> bool {
        let expected = match last {
            Some(last) => (Some(last.last), last.end()),
            None => (self.base.after, self.base.first),
        };
        (part.after, part.first) == expected
    }

    /// Makes the file of a part that is in memory.
    pub(crate) fn seal(
        &self,
        active: &Active,
        marks_set: u64,
        pause: Pause<'_>,
    ) -> Result<Arc<SealedPart>, MergeError> {
        let stretch = active
            .stretch()
            .ok_or_else(|| io::Error::other("nothing is in it"))?;
        self.disk.create_dir(&self.dir)?;
        let written = write(&self.workshop(), active, marks_set, pause).map_err(MergeError::from);
        self.finished(written, &stretch)
    }

    /// Makes one file of several. They are still there.
    pub(crate) fn merge(
        &self,
        parts: &[Arc<SealedPart>],
        level: u8,
        pause: Pause<'_>,
    ) -> Result<Arc<SealedPart>, MergeError> {
        let stretches: Vec<_> = parts.iter().map(|part| part.stretch()).collect();
        let stretch = crate::index::joined(&stretches)
            .ok_or_else(|| io::Error::other("they do not follow each other"))?;
        let written = merge(&self.workshop(), parts, level, pause).map(drop);
        let part = self.finished(written, &stretch)?;
        // Its name must be there before theirs are gone.
        self.disk.flush_dir(&self.dir)?;
        Ok(part)
    }

    fn finished(
        &self,
        written: Result<(), MergeError>,
        stretch: &Stretch,
    ) -> Result<Arc<SealedPart>, MergeError> {
        if let Err(error) = written {
            // Best effort: a leftover is taken away at the next opening.
            self.disk
                .remove(&self.dir.join(stretch.frames().unfinished_name()))
                .ok();
            return Err(error);
        }
        Ok(self.open(stretch.frames())?)
    }

    /// Takes a file away that is no longer used.
    pub(crate) fn discard(&self, path: &Path) {
        if let Err(error) = self.disk.remove(path) {
            tracing::debug!(path = %path.display(), %error, "an index file that is not used stays");
        }
    }

    /// Takes away what was left half-made and what none of these parts uses.
    pub(crate) fn sweep(&self, parts: &Parts) {
        let used: Vec<String> = parts
            .all()
            .iter()
            .filter_map(|part| match part {
                Part::Sealed(part) => Some(part.stretch().frames().name()),
                Part::Active(_) => None,
            })
            .collect();
        for name in self.names() {
            let ours = Frames::of(&name).is_some() || name.ends_with(UNFINISHED_ENDING);
            if ours && !used.contains(&name) {
                self.discard(&self.dir.join(name));
            }
        }
    }
}

fn is_gone(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
