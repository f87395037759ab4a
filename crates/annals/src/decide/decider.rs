//! Deciding: load, decide, append, and again if somebody else was first.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_core::condition::Conflict;
use annals_core::id::EventId;
use annals_core::port::store::{AppendError, Appended, EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::time::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::decide::cache::StateCache;
use crate::decide::combine::{Combiner, Waiting};
use crate::decide::errand::{Errand, How};
use crate::decide::journal::{Entry, Journal};
use crate::decide::lanes::Lanes;
use crate::decide::outcome::{Answer, AnyRefusal, Done, ExecuteError, FirstAnswer};
use crate::decide::snapshots::Snapshots;
use crate::decide::stale::KnownTypes;
use crate::decide::together::{Batch, Decided};
use crate::define::command::Decide;
use crate::ground::record::Recording;

/// A command that loses this many races in a row is given back as contended.
///
/// Two instances that fight over one key lose about every second race each: 32 in a row is then one in billions.
const ATTEMPTS_MAX: u32 = 32;

/// What the deciders of one service count.
#[derive(Debug, Default)]
pub struct Counters {
    /// Commands that were carried out.
    pub done: AtomicU64,
    /// Commands that the domain refused.
    pub refused: AtomicU64,
    /// Races that were lost.
    pub conflicts: AtomicU64,
    /// Decisions made again after a lost race.
    pub redecisions: AtomicU64,
}

/// Carries out the commands of one service.
pub struct Decider {
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) recording: Recording,
    pub(crate) known: Arc<KnownTypes>,
    pub(crate) cache: StateCache,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) lanes: Lanes,
    pub(crate) journal: Option<Journal>,
    pub(crate) counters: Counters,
    /// The combiner of each type of command.
    pub(crate) combiners: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    /// Whoever carries commands out just now.
    pub(crate) workers: Mutex<JoinSet<()>>,
}

type Outcome<C> = Result<Done, ExecuteError<<C as Decide>::Refusal>>;

/// An attempt at a batch: the outcomes in order, or the reason why it has to be made again.
enum Tried<C: Decide> {
    Ended(Vec<Outcome<C>>),
    Lost(Conflict),
    /// Together they are more than the store takes at once.
    TooMuch(AppendError),
}

impl Decider {
    /// Carries one command out, together with those of its type that wait at the same moment.
    ///
    /// # Errors
    /// [`ExecuteError`].
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the command: its outcome is then unknown. Repeat it with the same
    /// idempotency key.
    pub async fn execute<C: Decide>(self: &Arc<Self>, command: C, how: How) -> Outcome<C> {
        let errand = Errand::new(command, how, &self.recording)?;
        let (answer, outcome) = oneshot::channel();
        let combiner = self.combiner::<C>();
        if combiner.join(Waiting { errand, answer }) {
            let mut workers = self.workers();
            while workers.try_join_next().is_some() {}
            workers.spawn(Arc::clone(self).work(combiner));
        }
        let lost = || {
            ExecuteError::Append(AppendError::Unknown(
                "whoever carried it out has stopped".to_owned(),
            ))
        };
        outcome.await.unwrap_or_else(|_| Err(lost()))
    }

    fn workers(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets whoever carries commands out finish.
    pub(crate) async fn finish(&self) {
        let mut workers = std::mem::take(&mut *self.workers());
        while workers.join_next().await.is_some() {}
    }

    /// Ends whoever carries commands out where he stands.
    pub(crate) async fn kill(&self) {
        let mut workers = std::mem::take(&mut *self.workers());
        workers.shutdown().await;
    }

    fn combiner<C: Decide>(&self) -> Arc<Combiner<C>> {
        let mut combiners = self.combiners.lock().unwrap_or_else(PoisonError::into_inner);
        let combiner = combiners
            .entry(TypeId::of::<C>())
            .or_insert_with(|| Arc::new(Combiner::<C>::default()));
        let combiner = Arc::clone(combiner).downcast::<Combiner<C>>();
        combiner.expect("a combiner is kept under the type of its command")
    }

    /// Carries out what waits until nobody does.
    async fn work<C: Decide>(self: Arc<Self>, combiner: Arc<Combiner<C>>) {
        let watch = Watch { combiner: &combiner };
        while let Some(batch) = combiner.take() {
            self.batch(batch).await;
        }
        std::mem::forget(watch);
    }

    async fn batch<C: Decide>(&self, batch: Vec<Waiting<C>>) {
        let (errands, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|one| (one.errand, one.answer)).unzip();
        let held = self
            .lanes
            .hold(errands.iter().flat_map(Errand::lanes).collect())
            .await;
        let outcomes = match self.attempt(&errands, 1).await {
            Tried::Ended(outcomes) => outcomes,
            Tried::TooMuch(_) if errands.len() > 1 => self.one_by_one(&errands, None).await,
            Tried::TooMuch(error) => vec![Err(ExecuteError::Append(error))],
            Tried::Lost(conflict) => self.one_by_one(&errands, Some(&conflict)).await,
        };
        drop(held);
        for ((errand, answer), outcome) in errands.iter().zip(answers).zip(outcomes) {
            self.close(errand, &outcome);
            // Whoever asked may have gone.
            drop(answer.send(outcome));
        }
    }

    /// Carries out one after the other what could not be carried out together, because that was too much or because
    /// all of them have lost a race.
    async fn one_by_one<C: Decide>(&self, errands: &[Errand<C>], lost: Option<&Conflict>) -> Vec<Outcome<C>> {
        let mut outcomes = Vec::with_capacity(errands.len());
        for errand in errands {
            if let Some(conflict) = lost {
                self.lost(errand, 1, conflict);
            }
            outcomes.push(self.alone(errand, u32::from(lost.is_some())).await);
        }
        outcomes
    }

    /// Tries one errand until it has an answer, after so many lost races.
    async fn alone<C: Decide>(&self, errand: &Errand<C>, losses: u32) -> Outcome<C> {
        let mut attempt = losses;
        loop {
            attempt += 1;
            if attempt > 1 {
                self.counters.redecisions.fetch_add(1, Ordering::Relaxed);
            }
            match self.attempt(std::slice::from_ref(errand), attempt).await {
                Tried::Ended(mut outcomes) => return outcomes.remove(0),
                Tried::TooMuch(error) => return Err(ExecuteError::Append(error)),
                Tried::Lost(last) => {
                    self.lost(errand, attempt, &last);
                    if attempt >= ATTEMPTS_MAX {
                        return Err(ExecuteError::Contended {
                            attempts: attempt,
                            last,
                        });
                    }
                }
            }
        }
    }

    async fn attempt<C: Decide>(&self, errands: &[Errand<C>], attempt: u32) -> Tried<C> {
        let mut batch = Batch::new(&*self.store, &self.recording, &self.cache, &self.snapshots);
        let mut decided = Vec::with_capacity(errands.len());
        for errand in errands {
            decided.push(match self.before(errand, batch.end).await {
                Some(outcome) => Decided::Already(outcome),
                None => batch.decide(errand, attempt).await,
            });
        }
        if batch.is_empty() {
            return self.ended(batch, errands, decided, None, attempt).await;
        }
        batch.depend();
        match self.store.append(std::mem::take(&mut batch.append)).await {
            Ok(appended) => self.ended(batch, errands, decided, Some(appended), attempt).await,
            Err(error) => failed(errands, error, attempt),
        }
    }

    /// What answers an errand before it is decided: its first answer, or that this build must not decide.
    async fn before<C: Decide>(&self, errand: &Errand<C>, end: Position) -> Option<Outcome<C>> {
        match self.answered(errand).await {
            Ok(None) => {}
            Ok(Some(outcome)) => return Some(outcome),
            Err(error) => return Some(Err(error.into())),
        }
        if let Some((tag, expected)) = errand.how.expects.clone() {
            // Asked here too, since an answer without events is not appended.
            match self.store.revision(tag.clone(), end).await {
                Ok(found) if found == expected => {}
                Ok(found) => return Some(Err(ExecuteError::Moved { tag, expected, found })),
                Err(error) => return Some(Err(error.into())),
            }
        }
        match self.known.unknown_within(&*self.store, &errand.wanted, end).await {
            Ok(None) => None,
            Ok(Some(unknown)) => Some(Err(ExecuteError::StaleBuild {
                command: C::NAME,
                unknown,
            })),
            Err(error) => Some(Err(error.into())),
        }
    }

    async fn ended<C: Decide>(
        &self,
        batch: Batch<'_>,
        errands: &[Errand<C>],
        decided: Vec<Decided<C::Refusal>>,
        appended: Option<Appended>,
        attempt: u32,
    ) -> Tried<C> {
        let end = batch.end;
        if let Err(error) = batch.give_back(appended).await {
            // The states are lost and will be folded again; the answers stand.
            tracing::warn!(service = %self.recording.service, "states could not be kept: {error}");
        }
        let outcome = |(errand, decided): (&Errand<C>, Decided<C::Refusal>)| match decided {
            // What held already may hold because of what was decided just before, in the same append.
            Decided::Already(Ok(done)) if !done.repeated => Ok(Done {
                end: appended.map_or(done.end, |appended| appended.end()),
                ..done
            }),
            Decided::Already(outcome) => outcome,
            Decided::Refused(refusal) => Err(ExecuteError::Refused(refusal)),
            Decided::Events { ids, upto } => Ok(Done {
                end: appended.map_or(end, |appended| appended.first.plus(upto)),
                recorded: appended
                    .filter(|_| !ids.is_empty())
                    .map(|appended| appended.recorded),
                events: ids,
                correlation: errand.request.correlation,
                repeated: false,
                attempts: attempt,
            }),
        };
        Tried::Ended(errands.iter().zip(decided).map(outcome).collect())
    }

    /// The first answer under the command's idempotency key, if there is one.
    async fn answered<C: Decide>(&self, errand: &Errand<C>) -> Result<Option<Outcome<C>>, ReadError> {
        let Some((key, fingerprint)) = &errand.key else {
            return Ok(None);
        };
        let Some(value) = self.store.mark(key.clone()).await? else {
            return Ok(None);
        };
        let first: Option<FirstAnswer> = serde_json::from_slice(&value).ok();
        let Some(first) = first.filter(|first| first.fingerprint == *fingerprint) else {
            return Ok(Some(Err(ExecuteError::KeyReused {
                key: key.name.to_string(),
            })));
        };
        Ok(Some(match first.answer {
            Answer::Refused(refusal) => Err(ExecuteError::RefusedBefore(refusal)),
            Answer::Done { ref events } => {
                let found = self.find(&first, events).await?;
                let last = found.last();
                Ok(Done {
                    events: events.clone(),
                    end: last.map_or(self.store.end(), |(position, _)| position.next()),
                    recorded: last.map(|(_, recorded)| *recorded),
                    correlation: first.correlation,
                    repeated: true,
                    attempts: 0,
                })
            }
        }))
    }

    async fn find(
        &self,
        first: &FirstAnswer,
        ids: &[EventId],
    ) -> Result<Vec<(Position, Timestamp)>, ReadError> {
        let Some(correlation) = first.correlation.filter(|_| !ids.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut from = Position::ZERO;
        loop {
            let page = self
                .store
                .read(Read::new(Query::correlation(correlation), from))
                .await?;
            let ours = page.events.iter().filter(|event| ids.contains(&event.id));
            found.extend(ours.map(|event| (event.position, event.recorded)));
            if page.finished || found.len() == ids.len() {
                return Ok(found);
            }
            from = page.next;
        }
    }

    fn lost<C: Decide>(&self, errand: &Errand<C>, attempt: u32, conflict: &Conflict) {
        self.counters.conflicts.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("annals_conflicts_total", "service" => self.recording.service.to_string())
            .increment(1);
        if let Some(journal) = &self.journal {
            let entry = entry(errand, "lost_race", &conflict.to_string(), attempt);
            journal.lost_race(errand.tags.clone(), entry, &errand.request);
        }
    }

    /// Counts an outcome, and notes a refusal.
    fn close<C: Decide>(&self, errand: &Errand<C>, outcome: &Outcome<C>) {
        let label = match outcome {
            Ok(_) => {
                self.counters.done.fetch_add(1, Ordering::Relaxed);
                "done".to_owned()
            }
            Err(ExecuteError::Refused(refusal)) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                let any = AnyRefusal::of(refusal);
                self.note(errand, &any.code, &any.detail);
                "refused".to_owned()
            }
            Err(ExecuteError::RefusedBefore(_)) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                "refused".to_owned()
            }
            Err(error) => {
                if let ExecuteError::StaleBuild { .. } | ExecuteError::Panicked { .. } = error {
                    self.note(errand, &error.code(), &error.to_string());
                }
                error.kind().to_string()
            }
        };
        let service = self.recording.service.to_string();
        metrics::counter!("annals_commands_total", "service" => service, "command" => C::NAME, "outcome" => label)
            .increment(1);
    }

    fn note<C: Decide>(&self, errand: &Errand<C>, code: &str, detail: &str) {
        if let Some(journal) = &self.journal {
            journal.refused(
                errand.tags.clone(),
                entry(errand, code, detail, 1),
                &errand.request,
            );
        }
    }
}

/// Sees to it that nobody waits for a worker that has failed.
struct Watch<'a, C: Decide> {
    combiner: &'a Combiner<C>,
}

impl<C: Decide> Drop for Watch<'_, C> {
    fn drop(&mut self) {
        self.combiner.abandon();
    }
}

fn entry<C: Decide>(errand: &Errand<C>, code: &str, detail: &str, attempt: u32) -> Entry {
    Entry {
        command: C::NAME.to_owned(),
        code: code.to_owned(),
        detail: detail.to_owned(),
        attempt,
        data: serde_json::to_value(&errand.command).unwrap_or_default(),
    }
}

/// What a failed append means for the errands of a batch.
fn failed<C: Decide>(errands: &[Errand<C>], error: AppendError, attempt: u32) -> Tried<C> {
    let [errand] = errands else {
        return match error {
            AppendError::Conflict(conflict) => Tried::Lost(conflict),
            error @ AppendError::Invalid(_) => Tried::TooMuch(error),
            error => Tried::Ended(
                errands
                    .iter()
                    .map(|_| Err(ExecuteError::Append(error.clone())))
                    .collect(),
            ),
        };
    };
    match error {
        AppendError::Conflict(Conflict::Mark { ref key, .. }) if errand.is_handled(key) => {
            let done = Done {
                events: Vec::new(),
                end: Position::ZERO,
                recorded: None,
                correlation: errand.request.correlation,
                repeated: true,
                attempts: attempt,
            };
            Tried::Ended(vec![Ok(done)])
        }
        AppendError::Conflict(Conflict::Tag {
            tag, expected, found, ..
        }) => Tried::Ended(vec![Err(ExecuteError::Moved { tag, expected, found })]),
        AppendError::Conflict(conflict) => Tried::Lost(conflict),
        error => Tried::Ended(vec![Err(ExecuteError::Append(error))]),
    }
}
