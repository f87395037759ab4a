//! From a folder to a store that can be asked.
//!
//! In: a folder. Out: the index up to the durable end, and the log, to be written or only to be read. Files of the index are
//! used as far as they are of this log; what is behind them is read from the log in the pass that judges it. Nothing is
//! changed before everything was judged. Where much is missing, because the files were deleted, the rest is read once
//! more afterwards and becomes files on the way, so that memory stays bounded.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use annals_core::position::Position;
use annals_core::time::Timestamp;
use annals_log::disk::Disk;
use annals_log::{Beginning, Frame, FrameKind, Opening, Reader, RecoveryReport, Writer};
use tokio::sync::watch;

use crate::carried::{self, Carried};
use crate::core::Core;
use crate::fetch::{Weather, read_error};
use crate::index::{Active, Cache, Part, Parts, SealedPart};
use crate::keeper::Keeper;
use crate::mend::end_of;
use crate::options::{IndexOptions, OpenError, Options, WriterThread};
use crate::queue::Queue;
use crate::shelf::{Base, Shelf};
use crate::state::{SharedState, State, check_time, decode};

/// Parts of the index that are made in memory while the log is judged.
const JUDGED_PARTS_MAX: usize = 4;

/// What a store is made of.
pub(crate) struct Opened {
    pub(crate) core: Arc<Core>,
    pub(crate) report: RecoveryReport,
    pub(crate) end: watch::Sender<Position>,
}

/// Opens to write.
pub(crate) fn to_write(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: &Options,
) -> Result<(Opened, Writer, Arc<Keeper>), OpenError> {
    let lock = annals_log::lock(&*disk, dir)?;
    let mut opening = Opening::new(disk.clone(), dir, options.log())?;
    let cache = Arc::new(Cache::new(options.index.cache_bytes_max));
    let (known, base) = known(&mut opening, &disk, dir, &cache)?;
    let carried = known.parts.carried().cloned();
    let mut replay = Replay::new(known, options.index, JUDGED_PARTS_MAX);
    let log = opening.write(lock, &mut |frame| replay.frame(frame))?;
    sweep_carried(&*disk, dir, carried.as_deref());
    let shelf = Shelf::new(disk, dir, (log.reader.salt(), base), cache, true);
    let queue = Queue::new(options.queue_bytes_max);
    let cut = replay.cut;
    let (core, end) = core(replay.state, log.reader, shelf, queue, options.index);
    core.shelf.sweep(&core.state.read().parts);
    let keeper = Arc::new(Keeper::start(core.clone(), options.writer == WriterThread::Own));
    if cut {
        read_the_rest(&core, &keeper)?;
    }
    end.send_replace(Position::new(core.state.read().end()));
    let opened = Opened {
        core,
        report: log.report,
        end,
    };
    Ok((opened, log.writer, keeper))
}

/// Opens to read only.
pub(crate) fn to_read(disk: Arc<dyn Disk>, dir: &Path, options: &Options) -> Result<Opened, OpenError> {
    let mut opening = Opening::new(disk.clone(), dir, options.log())?;
    let cache = Arc::new(Cache::new(options.index.cache_bytes_max));
    let (known, base) = known(&mut opening, &disk, dir, &cache)?;
    let mut replay = Replay::new(known, options.index, usize::MAX);
    let (reader, report) = opening.read(&mut |frame| replay.frame(frame))?;
    let shelf = Shelf::new(disk, dir, (reader.salt(), base), cache, false);
    let queue = Queue::new(1);
    queue.close("it was opened to read only");
    let (core, end) = core(replay.state, reader, shelf, queue, options.index);
    end.send_replace(Position::new(core.state.read().end()));
    Ok(Opened { core, report, end })
}

fn core(
    state: State,
    reader: Reader,
    shelf: Shelf,
    queue: Queue,
    index: IndexOptions,
) -> (Arc<Core>, watch::Sender<Position>) {
    let end = watch::Sender::new(Position::ZERO);
    let core = Arc::new(Core {
        state: SharedState::new(state),
        reader,
        shelf,
        index,
        queue,
        end: end.subscribe(),
        weather: Weather::default(),
        mending: Mutex::default(),
        closed: AtomicBool::new(false),
        failed: AtomicBool::new(false),
    });
    (core, end)
}

/// What the files of the index know of this log; the frames up to there are left out of the opening.
fn known(
    opening: &mut Opening,
    disk: &Arc<dyn Disk>,
    dir: &Path,
    cache: &Arc<Cache>,
) -> Result<(State, Base), OpenError> {
    let Some(salt) = opening.salt() else {
        return Ok((State::default(), Base::default()));
    };
    let (carried, base) = carried(&**disk, dir, opening.beginning())?;
    let shelf = Shelf::new(disk.clone(), dir, (salt, base), cache.clone(), false);
    let mut parts: Vec<Arc<SealedPart>> = shelf.parts();
    while let Some(last) = parts.last() {
        if opening.skip_to(&last.stretch().last)? {
            let sealed = parts.iter().cloned().map(Part::Sealed).collect();
            let known = Parts::new(carried.clone(), sealed);
            match end_of(&known) {
                Ok((types, newest)) => {
                    let (after, first) = (Some(last.stretch().last), last.stretch().end());
                    let current = Active::after(after, first, newest, Arc::new(types));
                    return Ok((State::behind(known, current), base));
                }
                Err(trouble) => tracing::warn!(%trouble, "an index file is passed over"),
            }
        }
        parts.pop();
    }
    opening.skip_nothing();
    let nothing = Parts::new(carried, Vec::new());
    let (types, newest) = end_of(&nothing).map_err(|trouble| OpenError::Corrupt(trouble.to_string()))?;
    let current = Active::after(base.after, base.first, newest, Arc::new(types));
    Ok((State::behind(nothing, current), base))
}

/// What is known of archived events, and where the log begins.
pub(crate) fn carried(
    disk: &dyn Disk,
    dir: &Path,
    beginning: Option<&Beginning>,
) -> Result<(Option<Arc<Carried>>, Base), OpenError> {
    let Some(beginning) = beginning else {
        return Ok((None, Base::default()));
    };
    let carried = Carried::open(disk, dir, beginning)?;
    let base = Base {
        after: Some(beginning.before),
        first: beginning.first,
    };
    Ok((Some(Arc::new(carried)), base))
}

/// Takes away what an interrupted truncation left, and what was carried before the last one.
fn sweep_carried(disk: &dyn Disk, dir: &Path, used: Option<&Carried>) {
    let used = used.map(Carried::file_name);
    for name in disk.list(dir).unwrap_or_default() {
        if carried::is_ours(&name) && Some(&name) != used.as_ref() {
            // Best effort: it is looked for again at the next opening.
            disk.remove(&dir.join(name)).ok();
        }
    }
}

/// Makes parts of the index of frames that are judged.
struct Replay {
    state: State,
    index: IndexOptions,
    /// How many parts are made.
    parts_max: usize,
    /// There were more; what is behind them was only looked at.
    cut: bool,
    newest: Timestamp,
}

impl Replay {
    fn new(state: State, index: IndexOptions, parts_max: usize) -> Self {
        Self {
            newest: state.newest(),
            state,
            index,
            parts_max,
            cut: false,
        }
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), String> {
        if self.cut {
            if frame.header.kind == FrameKind::Records {
                self.newest = check_time(frame, self.newest)?;
            }
            return decode(frame);
        }
        self.state.replay(frame)?;
        self.newest = self.state.newest();
        if self.index.is_full(&self.state.current) {
            self.state.close_part();
            self.cut = self.state.parts.waiting() >= self.parts_max;
        }
        Ok(())
    }
}

/// Reads what was only looked at, and makes files of it on the way.
fn read_the_rest(core: &Core, keeper: &Keeper) -> Result<(), OpenError> {
    let failed = |error: annals_log::ReadError| match read_error(error) {
        annals_core::port::store::ReadError::Corrupt(reason) => OpenError::Corrupt(reason),
        other => OpenError::Disk(other.to_string()),
    };
    let last = core.state.read().current.last();
    let frames = match &last {
        Some(last) => core.reader.frames_after(last).map_err(failed)?,
        None => core.reader.frames(),
    };
    for frame in frames {
        let frame = frame.map_err(failed)?;
        let mut state = core.state.write();
        if let Err(found) = state.replay(&frame) {
            let place = frame.milestone().frame;
            return Err(failed(core.reader.damaged(
                place,
                "records that can be read",
                found,
            )));
        }
        if core.index.is_full(&state.current) {
            state.close_part();
            drop(state);
            keeper.part_closed();
        }
    }
    Ok(())
}
