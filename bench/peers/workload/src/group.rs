//! Group commit for stores that bring none: whatever queued up while the last commit ran is the next one.
//!
//! In: appends of many clients. Out: one transaction per group, then all answers. Positions are given out here, from 1.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use tokio::sync::oneshot;

use crate::fact::Fact;
use crate::peer::{Guard, Outcome};

/// Events after which a group takes no further append.
const GROUP_EVENTS_MAX: usize = 8_192;

/// What a store does for a group.
pub trait Table: Send + 'static {
    /// The position of the newest durable event of a tag.
    ///
    /// # Errors
    /// The store cannot be read.
    fn newest(&mut self, tag: &str) -> Result<Option<u64>>;

    /// Makes events durable in one transaction; the first gets this position, the others follow.
    ///
    /// # Errors
    /// The store did not commit.
    fn commit(&mut self, first: u64, facts: &[Fact]) -> Result<()>;
}

struct Job {
    facts: Vec<Fact>,
    guard: Option<Guard>,
    reply: oneshot::Sender<Result<Outcome>>,
}

/// A thread that commits for all clients. It has ended, and let its table go, when the last handle is gone.
#[derive(Clone)]
pub struct Group {
    // Before the thread, which ends when there is none left.
    jobs: Sender<Job>,
    _thread: Arc<Running>,
}

struct Running(Option<JoinHandle<()>>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("error: the group commit panicked");
        }
    }
}

impl Group {
    /// Starts it over a table whose next event gets position `next`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(table: impl Table, next: u64) -> Result<Self> {
        let (jobs, queue) = channel();
        let work = move || commit_all(table, next, &queue);
        let thread = thread::Builder::new().name("group-commit".into()).spawn(work);
        let thread = thread.context("the system gives no thread for the group commit")?;
        Ok(Self {
            jobs,
            _thread: Arc::new(Running(Some(thread))),
        })
    }

    /// Appends under a guard; answers when the group that it is in is durable.
    ///
    /// # Errors
    /// The store failed.
    pub async fn append(&self, facts: Vec<Fact>, guard: Option<Guard>) -> Result<Outcome> {
        let (reply, answer) = oneshot::channel();
        let job = Job { facts, guard, reply };
        self.jobs
            .send(job)
            .map_err(|_| anyhow!("the group commit has ended"))?;
        answer.await.context("the group commit has ended")?
    }
}

fn commit_all(mut table: impl Table, mut next: u64, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let mut events = first.facts.len();
        let mut jobs = vec![first];
        while events < GROUP_EVENTS_MAX
            && let Ok(job) = queue.try_recv()
        {
            events += job.facts.len();
            jobs.push(job);
        }
        commit(&mut table, &mut next, jobs);
    }
}

/// Decides every guard in order, commits what passed, answers all.
fn commit(table: &mut impl Table, next: &mut u64, jobs: Vec<Job>) {
    let guarded = jobs.iter().any(|job| job.guard.is_some());
    let (mut facts, mut replies, mut staged) = (Vec::new(), Vec::new(), HashSet::new());
    for job in jobs {
        let outcome = job
            .guard
            .map_or(Ok(Outcome::Durable), |guard| decide(table, &staged, &guard));
        if matches!(outcome, Ok(Outcome::Durable)) {
            if guarded {
                staged.extend(job.facts.iter().flat_map(|fact| fact.tags.iter().cloned()));
            }
            facts.extend(job.facts);
        }
        replies.push((job.reply, outcome));
    }
    let committed = if facts.is_empty() {
        Ok(())
    } else {
        table.commit(*next, &facts)
    };
    if committed.is_ok() {
        *next += facts.len() as u64;
    }
    for (reply, outcome) in replies {
        let answer = match (&committed, outcome) {
            (Err(error), Ok(Outcome::Durable)) => Err(anyhow!("the commit failed: {error:#}")),
            (_, outcome) => outcome,
        };
        // A client that went away needs no answer.
        drop(reply.send(answer));
    }
}

fn decide(table: &mut impl Table, staged: &HashSet<String>, guard: &Guard) -> Result<Outcome> {
    let moved = staged.contains(&guard.tag)
        || table
            .newest(&guard.tag)?
            .is_some_and(|newest| newest > guard.seen);
    Ok(if moved {
        Outcome::Conflict
    } else {
        Outcome::Durable
    })
}
