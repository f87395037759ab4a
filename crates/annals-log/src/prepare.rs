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

use crate::handles::Handles;
use crate::segment::{CreateError, OpenSegment, SegmentHeader, create};

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
    handles: Arc<Handles>,
    dir: PathBuf,
    worker: Option<Worker>,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle,
    Ordered,
    Made(Result<OpenSegment, CreateError>),
}

#[derive(Debug)]
struct Worker {
    orders: Option<Sender<SegmentHeader>>,
    made: Receiver<Result<OpenSegment, CreateError>>,
    thread: Option<JoinHandle<()>>,
}

impl Preparer {
    pub(crate) fn new(handles: Arc<Handles>, dir: &Path, how: Prepare) -> Self {
        let worker = match how {
            Prepare::Thread => Worker::start(handles.clone(), dir.to_owned()),
            Prepare::Inline => None,
        };
        Self {
            handles,
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
    pub(crate) fn take(&mut self, header: SegmentHeader) -> Result<OpenSegment, CreateError> {
        let made = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => None,
            State::Made(made) => Some(made),
            State::Ordered => self.worker.as_ref().and_then(|worker| worker.made.recv().ok()),
        };
        match made {
            Some(Ok(made)) if made.segment.size >= header.size => Ok(made),
            Some(Ok(small)) => {
                let path = &small.segment.path;
                self.handles.disk.remove(path).map_err(CreateError::Allocate)?;
                self.make(&header)
            }
            Some(Err(CreateError::Allocate(_))) | None => self.make(&header),
            Some(Err(failed)) => Err(failed),
        }
    }

    fn make(&self, header: &SegmentHeader) -> Result<OpenSegment, CreateError> {
        create(&self.handles, &self.dir, header)
    }
}

impl Worker {
    /// `None` if the system gives no thread: segments are then made where they are needed.
    fn start(handles: Arc<Handles>, dir: PathBuf) -> Option<Self> {
        let (orders, ordered) = channel::<SegmentHeader>();
        let (done, made) = channel();
        let work = move || {
            for header in ordered {
                if done.send(create(&handles, &dir, &header)).is_err() {
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
