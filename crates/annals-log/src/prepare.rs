//! Makes the next segment ahead of time.
//!
//! In: the header of the segment that will be needed. Out: the segment, already durable. In production a thread does
//! it, so that zeroing never stands in the way of a commit; in simulations it happens at once, so that runs repeat.
//!
//! Invariant: at most one segment is under way or waiting.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use crate::disk::Disk;
use crate::segment::{CreateError, Segment, SegmentHeader, create};

/// Where segments are made ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prepare {
    /// On a thread of its own.
    #[default]
    Thread,
    /// On the writer's thread, when half of the current segment is used.
    Inline,
}

#[derive(Debug)]
pub(crate) struct Preparer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    worker: Option<Worker>,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle,
    Ordered,
    Made(Result<Segment, CreateError>),
}

#[derive(Debug)]
struct Worker {
    orders: Option<Sender<SegmentHeader>>,
    made: Receiver<Result<Segment, CreateError>>,
    thread: Option<JoinHandle<()>>,
}

impl Preparer {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path, how: Prepare) -> Self {
        let worker = match how {
            Prepare::Thread => Worker::start(disk.clone(), dir.to_owned()),
            Prepare::Inline => None,
        };
        Self {
            disk,
            dir: dir.to_owned(),
            worker,
            state: State::Idle,
        }
    }

    /// Begins to make a segment, unless one is under way.
    pub(crate) fn order(&mut self, header: SegmentHeader) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        let sender = self.worker.as_ref().and_then(|worker| worker.orders.as_ref());
        let sent = sender.is_some_and(|orders| orders.send(header).is_ok());
        self.state = if sent {
            State::Ordered
        } else {
            State::Made(self.make(&header))
        };
    }

    /// The segment ordered, or a new one if none was, if it failed, or if it is too small.
    pub(crate) fn take(&mut self, header: SegmentHeader) -> Result<Segment, CreateError> {
        let made = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => None,
            State::Made(made) => Some(made),
            State::Ordered => self.worker.as_ref().and_then(|worker| worker.made.recv().ok()),
        };
        match made {
            Some(Ok(segment)) if segment.size >= header.size => Ok(segment),
            Some(Ok(small)) => {
                self.disk.remove(&small.path).map_err(CreateError::Allocate)?;
                self.make(&header)
            }
            Some(Err(CreateError::Allocate(_))) | None => self.make(&header),
            Some(Err(failed)) => Err(failed),
        }
    }

    fn make(&self, header: &SegmentHeader) -> Result<Segment, CreateError> {
        create(&*self.disk, &self.dir, header)
    }
}

impl Worker {
    /// `None` if the system gives no thread: segments are then made where they are needed.
    fn start(disk: Arc<dyn Disk>, dir: PathBuf) -> Option<Self> {
        let (orders, ordered) = channel::<SegmentHeader>();
        let (done, made) = channel();
        let work = move || {
            for header in ordered {
                if done.send(create(&*disk, &dir, &header)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("annals-segments".into())
            .spawn(work)
            .ok()?;
        Some(Self {
            orders: Some(orders),
            made,
            thread: Some(thread),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that makes segments panicked");
        }
    }
}
