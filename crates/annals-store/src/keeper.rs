//! Keeps the index small in memory and its files few.
//!
//! In: parts of the index that were closed. Out: their files, and one file instead of several. All of this happens on a
//! thread of its own, which gives way: parts that wait come first, and merging rests as long as it works, unless it is far
//! behind. In simulations it happens at once, so that runs repeat.
//!
//! Invariants: a part leaves memory only after its file was opened; files leave the folder only after the one that
//! replaces them is there for good; whatever fails is tried again later and costs nothing but memory.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::core::Core;
use crate::index::{Active, MergeError, Part, Parts, SealedPart, Trouble};
use crate::merging::{FILES_MANY, Merging, at_leisure, is_far_behind, while_busy};

/// The writer waits while more parts than these wait for their files.
const WAITING_MAX: usize = 1;
/// No append is taken while more parts than these cannot be written.
const REFUSED_AT: usize = 64;
/// After a failure the keeper tries again after this long.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// When no part was closed for so long, there is leisure for more merging: fewer than some 160,000 events come in a second then,
/// and what each costs at leisure, about 2 µs in all its life, is less than a third of a core.
const LEISURE_AFTER: Duration = Duration::from_millis(100);
/// A merge rests after so much work.
const REST_AFTER: Duration = Duration::from_millis(1);
/// The longest rest of a merge at once.
const REST_MAX: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Keeper {
    work: Arc<Work>,
    /// None: everything happens at once.
    thread: Mutex<Option<Running>>,
    threaded: bool,
}

#[derive(Debug)]
struct Running {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Work {
    core: Arc<Core>,
    /// Whether it has a thread, and so may rest.
    rests: AtomicBool,
    closing: AtomicBool,
    failing: AtomicBool,
    /// The writer waits.
    waited_for: AtomicBool,
    /// There are so many files that nothing else is more urgent.
    behind: AtomicBool,
    done: Mutex<()>,
    sealed: Condvar,
}

impl Keeper {
    /// Begins to keep the index of this store, on a thread if the system gives one.
    pub(crate) fn start(core: Arc<Core>, on_thread: bool) -> Self {
        let work = Arc::new(Work {
            core,
            rests: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            waited_for: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            done: Mutex::default(),
            sealed: Condvar::new(),
        });
        let running = on_thread.then(|| Running::start(work.clone())).flatten();
        work.rests.store(running.is_some(), Ordering::Release);
        let keeper = Self {
            work,
            threaded: running.is_some(),
            thread: Mutex::new(running),
        };
        keeper.wake();
        keeper
    }

    fn wake(&self) {
        match &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            // If it was woken already, it will see this too.
            Some(running) => drop(running.wake.try_send(())),
            None if self.threaded => {}
            None => self.work.all(),
        }
    }

    /// A part was closed: its file will be made. Waits where too many wait already.
    pub(crate) fn part_closed(&self) {
        self.wake();
        let mut done = self.work.done.lock().unwrap_or_else(PoisonError::into_inner);
        while self.threaded && self.work.waiting() > WAITING_MAX && !self.work.failing.load(Ordering::Acquire)
        {
            self.work.waited_for.store(true, Ordering::Release);
            let waited = self.work.sealed.wait_timeout(done, AGAIN_AFTER);
            done = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.work.waited_for.store(false, Ordering::Release);
    }

    /// Why no append can be taken, if so.
    pub(crate) fn overwhelmed(&self) -> Option<String> {
        let waiting = self.work.waiting();
        (waiting > REFUSED_AT).then(|| {
            format!(
                "{waiting} parts of the index wait in memory because their files cannot be written; \
                 make room or mend the folder `index`"
            )
        })
    }

    /// Without a thread: does what a thread does once no part was closed for a while.
    pub(crate) fn idle(&self) {
        if !self.threaded {
            self.work.leisure();
        }
    }

    /// Writes the files of what waits and ends.
    pub(crate) fn close(&self) {
        self.work.closing.store(true, Ordering::Release);
        let running = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { wake, thread }) = running else {
            return;
        };
        drop(wake);
        if thread.join().is_err() {
            tracing::error!("the thread that keeps the index panicked");
        }
    }
}

impl Running {
    fn start(work: Arc<Work>) -> Option<Self> {
        let (wake, woken) = sync_channel(1);
        let thread = thread::Builder::new().name("annals-index".into());
        let keep = move || {
            // Appends are not to wait for the processor because of it; where it falls behind, they wait for it.
            annals_log::give_way();
            work.run(&woken);
        };
        let thread = thread.spawn(keep).ok()?;
        Some(Self { wake, thread })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.close();
    }
}

/// Lets nobody wait for a thread that has ended, however it ended.
struct EndOfKeeping<'a>(&'a Work);

impl Drop for EndOfKeeping<'_> {
    fn drop(&mut self) {
        self.0.failing.store(true, Ordering::Release);
        self.0.tell();
    }
}

impl Work {
    fn run(&self, woken: &Receiver<()>) {
        let _end = EndOfKeeping(self);
        loop {
            let failing = self.failing.load(Ordering::Acquire);
            let next = match failing {
                true => woken.recv_timeout(AGAIN_AFTER),
                false if self.for_leisure(&self.parts()).is_some() => woken.recv_timeout(LEISURE_AFTER),
                false => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Err(RecvTimeoutError::Timeout) if !failing => self.leisure(),
                _ => self.all(),
            }
            if next == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    fn parts(&self) -> Parts {
        self.core.state.read().parts.clone()
    }

    fn waiting(&self) -> usize {
        self.core.state.read().parts.waiting()
    }

    /// Everything there is to do.
    fn all(&self) {
        self.seal_waiting();
        self.merge_all(while_busy);
    }

    /// What there is to do besides when there is time.
    fn leisure(&self) {
        self.merge_all(|parts| self.for_leisure(parts));
    }

    /// What is worth merging at leisure. Nothing once the writer has failed: then nothing is written that need not be.
    fn for_leisure(&self, parts: &Parts) -> Option<Merging> {
        match self.core.failed.load(Ordering::Acquire) {
            true => None,
            false => at_leisure(parts),
        }
    }

    fn merge_all(&self, choose: impl Fn(&Parts) -> Option<Merging>) {
        while !self.closing.load(Ordering::Acquire) {
            let parts = self.parts();
            self.behind.store(is_far_behind(&parts), Ordering::Release);
            let Some(merging) = choose(&parts) else { return };
            if let Err(error) = self.merge(&parts, &merging) {
                if !self.closing.load(Ordering::Acquire) {
                    self.failed(&error);
                }
                return;
            }
        }
    }

    /// Wakes the writer, if it waits.
    fn tell(&self) {
        let _done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        self.sealed.notify_all();
    }

    /// Makes the files of all parts that wait.
    fn seal_waiting(&self) {
        loop {
            let parts = self.core.state.read().parts.clone();
            let mut places = parts.all().iter().enumerate();
            let waiting = places.find_map(|(number, part)| match part {
                Part::Active(active) => Some((number, active)),
                Part::Sealed(_) => None,
            });
            let sealed = waiting.map(|(number, active)| self.seal(&parts, number, active));
            match sealed {
                None => self.failing.store(false, Ordering::Release),
                Some(Ok(())) => {
                    self.tell();
                    continue;
                }
                Some(Err(error)) => {
                    self.failed(&error);
                    self.tell();
                }
            }
            return;
        }
    }

    fn seal(&self, parts: &Parts, number: usize, active: &Arc<Active>) -> Result<(), MergeError> {
        let marks_set = parts.marks_set(number, active.marks())?;
        let mut pause = || {
            self.give_way();
            Ok(())
        };
        let sealed = self.core.shelf.seal(active, marks_set, &mut pause)?;
        let mut state = self.core.state.write();
        let is_it = |part: &Part| matches!(part, Part::Active(other) if Arc::ptr_eq(other, active));
        if let Some(number) = state.parts.all().iter().position(is_it) {
            state
                .parts
                .replace(number..number + 1, vec![Part::Sealed(sealed)]);
        }
        Ok(())
    }

    fn merge(&self, parts: &Parts, merging: &Merging) -> Result<(), MergeError> {
        let files = parts.all()[merging.places.clone()].iter();
        let merged: Vec<Arc<SealedPart>> = files.filter_map(sealed).collect();
        let mut last = Instant::now();
        let mut pause = || {
            if self.closing.load(Ordering::Acquire) {
                return Err(io::Error::from(io::ErrorKind::Interrupted));
            }
            self.give_way();
            let worked = last.elapsed();
            if worked < REST_AFTER && self.rests.load(Ordering::Acquire) {
                return Ok(());
            }
            self.rest(worked);
            self.seal_waiting();
            last = Instant::now();
            Ok(())
        };
        let part = self.core.shelf.merge(&merged, merging.level, &mut pause)?;
        let mut state = self.core.state.write();
        let is_first = |part: &Part| matches!(part, Part::Sealed(other) if Arc::ptr_eq(other, &merged[0]));
        let first = state.parts.all().iter().position(is_first);
        let places = first.map(|first| first..first + merged.len());
        let same = places.filter(|places| {
            let found = state.parts.all().get(places.clone());
            found.is_some_and(|found| found.iter().zip(&merged).all(|(part, merged)| is(part, merged)))
        });
        let Some(places) = same else {
            // One of them was made again meanwhile.
            drop(state);
            self.core.shelf.discard(part.path());
            return Ok(());
        };
        state.parts.replace(places, vec![Part::Sealed(part)]);
        drop(state);
        merged
            .iter()
            .for_each(|part| self.core.shelf.discard(part.path()));
        Ok(())
    }

    /// Lets others have the processor, unless the writer waits for this thread or it is far behind. Without it the writer, woken
    /// by the disk, waits up to three milliseconds for a core on which this thread works, however low its priority is.
    fn give_way(&self) {
        let is = |flag: &AtomicBool| flag.load(Ordering::Acquire);
        if is(&self.rests) && !is(&self.waited_for) && !is(&self.behind) {
            thread::yield_now();
        }
    }

    /// Rests as long as it worked; less where merging is late, and not at all where it is far behind or a part waits.
    fn rest(&self, worked: Duration) {
        let parts = self.parts();
        let behind = is_far_behind(&parts);
        self.behind.store(behind, Ordering::Release);
        if parts.waiting() == 0 && !behind && self.rests.load(Ordering::Acquire) {
            let late = parts.all().len() > FILES_MANY;
            let rest = if late { worked / 8 } else { worked };
            thread::sleep(rest.min(REST_MAX));
        }
    }

    fn failed(&self, error: &MergeError) {
        if let MergeError::Source(Trouble::Damaged {
            opened: Some(opened), ..
        }) = error
            && let Err(error) = self.core.mend(*opened)
        {
            tracing::warn!(%error, "a damaged index file cannot be made again");
        }
        let first = !self.failing.swap(true, Ordering::AcqRel);
        if first {
            tracing::warn!(%error, "the index cannot be kept in files for now");
        }
    }
}

fn is(part: &Part, sealed: &Arc<SealedPart>) -> bool {
    matches!(part, Part::Sealed(other) if Arc::ptr_eq(other, sealed))
}

fn sealed(part: &Part) -> Option<Arc<SealedPart>> {
    match part {
        Part::Sealed(part) => Some(part.clone()),
        Part::Active(_) => None,
    }
}

#[cfg(test)]
mod tests;
