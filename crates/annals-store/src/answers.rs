//! Answering callers.
//!
//! In: appends with their outcomes, after the flush. Out: their callers go on. To wake a caller takes about a microsecond;
//! where the next group waits already, a thread of its own wakes them while the writer decides and flushes that one. What waits there
//! still has its share of the queue's room.

use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use annals_core::port::store::{AppendError, Appended};

use crate::queue::Job;

/// So few are answered at once: to wake a thread for them costs as much.
const FEW: usize = 4;

/// An append and what became of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) job: Job,
    pub(crate) outcome: Result<Appended, AppendError>,
}

/// Answers on the writer's thread, or on its own. When it is dropped, everybody was answered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    thread: Option<Running>,
}

#[derive(Debug)]
struct Running {
    answers: Sender<Vec<Answer>>,
    thread: JoinHandle<()>,
}

impl Answers {
    /// With a thread, if the system gives one.
    pub(crate) fn on_thread() -> Self {
        let (sender, answers) = channel::<Vec<Answer>>();
        let thread = thread::Builder::new().name("annals-answers".into());
        let thread = thread.spawn(move || answers.into_iter().for_each(tell));
        let running = thread.map(|thread| Running {
            answers: sender,
            thread,
        });
        Self { thread: running.ok() }
    }

    /// Answers all of these, in the background where others wait already.
    pub(crate) fn give(&self, answers: Vec<Answer>, others_wait: bool) {
        match &self.thread {
            Some(running) if others_wait && answers.len() > FEW => {
                if let Err(back) = running.answers.send(answers) {
                    tell(back.0);
                }
            }
            _ => tell(answers),
        }
    }
}

/// A caller that is gone does not want its answer.
fn tell(answers: Vec<Answer>) {
    for Answer { job, outcome } in answers {
        job.reply.send(outcome).ok();
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if let Some(Running { answers, thread }) = self.thread.take() {
            drop(answers);
            if thread.join().is_err() {
                tracing::error!("the thread that answers panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests;
