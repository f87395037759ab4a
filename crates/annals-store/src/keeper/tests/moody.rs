//! A disk that can be told to refuse files of the index, or to let whoever makes them wait.
//!
//! In: moods, one for each step of making these files. Out: what a simulated disk answers, or what the mood says, and who was
//! met. Everything else goes straight to the simulated disk.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use annals_log::disk::sim::SimDisk;
use annals_log::disk::{Access, Disk, File, Lock, LockError};

/// No test waits longer than this for what must come soon; on a busy machine that may be a while.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// A step of making index files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A file of one part is begun.
    Seal,
    /// A file of several is begun.
    Merge,
    /// A file of several is there and its name becomes durable.
    EndMerge,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Well,
    Refuses,
    /// Whoever comes waits until the mood is another one.
    Holds,
    Panics,
}

#[derive(Debug, Default)]
struct Moods {
    of: [Mood; 3],
    /// Who waits now, by step.
    held: [u32; 3],
    /// Who was refused so far, by step.
    refused: [u32; 3],
}

#[derive(Debug)]
pub(super) struct Moody {
    pub(super) disk: SimDisk,
    moods: Mutex<Moods>,
    changed: Condvar,
}

impl Moody {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            disk: SimDisk::new(1),
            moods: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn moods(&self) -> MutexGuard<'_, Moods> {
        self.moods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, step: Step, mood: Mood) {
        self.moods().of[step as usize] = mood;
        self.changed.notify_all();
    }

    /// Waits until somebody waits in this step.
    pub(super) fn until_held(&self, step: Step) {
        self.until(&format!("{step:?} is held"), |moods| {
            moods.held[step as usize] > 0
        });
    }

    /// Waits until somebody was refused in this step so many times.
    pub(super) fn until_refused(&self, step: Step, times: u32) {
        self.until(&format!("{step:?} is refused"), |moods| {
            moods.refused[step as usize] >= times
        });
    }

    fn until(&self, what: &str, reached: impl Fn(&Moods) -> bool) {
        let moods = self.moods();
        let waiting = self
            .changed
            .wait_timeout_while(moods, SOON, |moods| !reached(moods));
        let (_moods, waited) = waiting.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "it never came to this: {what}");
    }

    /// Meets the mood of a step.
    fn meet(&self, step: Step) -> io::Result<()> {
        let mut moods = self.moods();
        let until = Instant::now() + SOON * 2;
        moods.held[step as usize] += 1;
        while moods.of[step as usize] == Mood::Holds {
            self.changed.notify_all();
            assert!(Instant::now() < until, "nobody lets {step:?} go on");
            let waited = self.changed.wait_timeout(moods, SOON);
            moods = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        moods.held[step as usize] -= 1;
        match moods.of[step as usize] {
            Mood::Well | Mood::Holds => Ok(()),
            Mood::Panics => panic!("as the test wants"),
            Mood::Refuses => {
                moods.refused[step as usize] += 1;
                self.changed.notify_all();
                Err(io::Error::other("the index takes no files"))
            }
        }
    }
}

/// Of how many frames the file is that is begun with this name, if it is one of the index.
fn step_of(path: &Path) -> Option<Step> {
    let frames = path.file_name()?.to_str()?.strip_suffix(".idx.tmp")?;
    let (first, last) = frames.split_once('-')?;
    Some(if first == last { Step::Seal } else { Step::Merge })
}

impl Disk for Moody {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, LockError> {
        self.disk.lock(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        if let Some(step) = step_of(path) {
            self.meet(step)?;
        }
        self.disk.create(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn File>> {
        self.disk.open(path, access)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn flush_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.ends_with("index") {
            self.meet(Step::EndMerge)?;
        }
        self.disk.flush_dir(dir)
    }

    fn entropy(&self) -> u64 {
        self.disk.entropy()
    }
}
