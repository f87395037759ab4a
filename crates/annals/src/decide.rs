//! Deciding: load, decide, append, and again if somebody else was first.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_core::condition::{Condition, Conflict};
use annals_core::event::{EventType, NewEvent};
use annals_core::id::EventId;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError, Appended, EventStore, Read, ReadError};
use annals_core::position::{Position, Revision};
use annals_core::query::Query;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;

use crate::boundary::{Boundary, States, Wanted};
use crate::cache::{Folded, StateCache};
use crate::command::{Decide, Refusal};
use crate::context::{Context, Request};
use crate::event::{Draft, Drafts, EncodeError, IntoEvents};
use crate::fold::{Step, apply, fold_to};
use crate::journal::{Entry, Journal};
use crate::lanes::Lanes;
use crate::outcome::{Answer, AnyRefusal, Done, ExecuteError, FirstAnswer, fingerprint};
use crate::process::Refused;
use crate::record::{COMMAND_REFUSED, Recording};
use crate::stale::KnownTypes;

/// A command that loses this many races in a row is given back as contended.
///
/// Two instances that fight over one key lose about every second race each: 32 in a row is then one in billions.
const ATTEMPTS_MAX: u32 = 32;
/// The mark space of idempotency keys.
const IDEMPOTENCY: &str = "idempotency";
/// The longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// How a command is to be carried out.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Answer a second command with the same key as the first was answered.
    pub idempotency_key: Option<String>,
    /// Who asks, and as a part of what.
    pub request: Request,
    /// When it happened in the world, if the command does not say so itself.
    pub occurred: Option<Timestamp>,
    /// Carry it out only if this tag is at this revision (`None`: has no event yet), as `If-Match` asks.
    pub expects: Option<(Tag, Option<Revision>)>,
    /// The message it came as: its refusal is recorded as an event, so that the sender hears of it.
    pub message: Option<MessageDone>,
}

/// The note that a message is handled; becomes durable together with its effect.
#[derive(Debug, Clone)]
pub struct MessageDone {
    /// The tags of the message: its refusal carries them too, so that it finds the instance that sent it.
    pub tags: Vec<Tag>,
    /// Must not be set yet.
    pub condition: Condition,
    /// Sets it, and whatever else goes with it.
    pub marks: Vec<Mark>,
}

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
    pub(crate) known: KnownTypes,
    pub(crate) cache: StateCache,
    pub(crate) lanes: Lanes,
    pub(crate) journal: Option<Journal>,
    pub(crate) counters: Counters,
}

/// A command on its way, with everything that stays the same when it is decided again.
struct Errand<'a, C: Decide> {
    command: &'a C,
    wanted: Vec<Wanted>,
    tags: Vec<Tag>,
    how: &'a How,
    request: Request,
    key: Option<(MarkKey, String)>,
}

enum Tried<R: Refusal> {
    Ended(Result<Done, ExecuteError<R>>),
    Lost(Conflict),
}

impl Decider {
    /// Carries one command out.
    ///
    /// # Errors
    /// [`ExecuteError`].
    ///
    /// # Cancel safety
    /// Dropping the future does not undo an append that is under way: the outcome is then unknown. Repeat the
    /// command with the same idempotency key.
    pub async fn execute<C: Decide>(&self, command: C, how: How) -> Result<Done, ExecuteError<C::Refusal>> {
        let errand = self.errand(&command, &how)?;
        let mut keys: Vec<Tag> = errand.wanted.iter().map(|wanted| wanted.tag.clone()).collect();
        keys.extend(
            how.idempotency_key
                .as_deref()
                .and_then(|key| Tag::of("idempotency", key).ok()),
        );
        let held = self.lanes.hold(keys).await;
        let mut attempt = 1;
        let outcome = loop {
            match self.attempt(&errand, attempt).await {
                Tried::Ended(outcome) => break outcome,
                Tried::Lost(last) => {
                    self.lost(&errand, attempt, &last);
                    if attempt == ATTEMPTS_MAX {
                        break Err(ExecuteError::Contended {
                            attempts: attempt,
                            last,
                        });
                    }
                    self.counters.redecisions.fetch_add(1, Ordering::Relaxed);
                    attempt += 1;
                }
            }
        };
        drop(held);
        self.count::<C>(&outcome);
        outcome
    }

    fn errand<'a, C: Decide>(
        &self,
        command: &'a C,
        how: &'a How,
    ) -> Result<Errand<'a, C>, ExecuteError<C::Refusal>> {
        let wrong = |source| ExecuteError::Key {
            command: C::NAME,
            source,
        };
        let wanted = C::Boundary::want(command).map_err(wrong)?;
        let tags = command.tags().map_err(wrong)?;
        let request = self.recording.correlated(&how.request);
        let key = how.idempotency_key.as_ref().map(|key| {
            let data = serde_json::to_vec(command).unwrap_or_default();
            (
                MarkKey::new(IDEMPOTENCY, key.as_str()),
                fingerprint(C::NAME, &data),
            )
        });
        Ok(Errand {
            command,
            wanted,
            tags,
            how,
            request,
            key,
        })
    }

    async fn attempt<C: Decide>(&self, errand: &Errand<'_, C>, attempt: u32) -> Tried<C::Refusal> {
        match self.answered(errand).await {
            Ok(None) => {}
            Ok(Some(outcome)) => return Tried::Ended(outcome),
            Err(error) => return Tried::Ended(Err(error)),
        }
        let (mut folded, end) = match self.load(errand).await {
            Ok(loaded) => loaded,
            Err(error) => {
                if let ExecuteError::StaleBuild { .. } = &error {
                    self.note(errand, &error.code(), &error.to_string(), attempt);
                }
                return Tried::Ended(Err(error));
            }
        };
        let context = Context {
            now: self.recording.world.now(),
            attempt,
            ids: Arc::clone(&self.recording.world.ids),
            request: errand.request.clone(),
        };
        let states = States::new(folded.iter().map(|folded| Arc::clone(&folded.state)).collect());
        let models = C::Boundary::take(errand.command, states);
        let decided = errand
            .command
            .clone()
            .decide(&models, &context)
            .map(|output| write(&output));
        drop(models);
        let tried = match decided {
            Ok(drafts) => self.record(errand, &mut folded, end, attempt, drafts).await,
            Err(refusal) => self.refuse(errand, end, attempt, refusal).await,
        };
        for (wanted, folded) in errand.wanted.iter().zip(folded) {
            self.cache.put(wanted.fold.model, wanted.tag.clone(), folded);
        }
        tried
    }

    /// The first answer under the command's idempotency key, if there is one.
    async fn answered<C: Decide>(
        &self,
        errand: &Errand<'_, C>,
    ) -> Result<Option<Result<Done, ExecuteError<C::Refusal>>>, ExecuteError<C::Refusal>> {
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
                let end = found
                    .last()
                    .map_or(self.store.end(), |(position, _)| position.next());
                let recorded = found.last().map(|(_, recorded)| *recorded);
                let correlation = first.correlation;
                Ok(Done {
                    events: events.clone(),
                    end,
                    recorded,
                    correlation,
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

    async fn load<C: Decide>(
        &self,
        errand: &Errand<'_, C>,
    ) -> Result<(Vec<Folded>, Position), ExecuteError<C::Refusal>> {
        let end = self.store.end();
        if let Some((tag, expected)) = errand.how.expects.clone() {
            // Asked here too, since an answer without events is not appended.
            let found = self.store.revision(tag.clone(), end).await?;
            if found != expected {
                return Err(ExecuteError::Moved { tag, expected, found });
            }
        }
        if let Some(unknown) = self
            .known
            .unknown_within(&*self.store, &errand.wanted, end)
            .await?
        {
            return Err(ExecuteError::StaleBuild {
                command: C::NAME,
                unknown,
            });
        }
        let mut folded = Vec::with_capacity(errand.wanted.len());
        for wanted in &errand.wanted {
            let cached = self
                .cache
                .take(wanted.fold.model, &wanted.tag)
                .filter(|cached| cached.end <= end);
            folded.push(fold_to(&*self.store, &wanted.fold, &wanted.tag, cached, end).await?);
        }
        Ok((folded, end))
    }

    async fn record<C: Decide>(
        &self,
        errand: &Errand<'_, C>,
        folded: &mut [Folded],
        end: Position,
        attempt: u32,
        drafts: Result<Vec<Draft>, EncodeError>,
    ) -> Tried<C::Refusal> {
        let drafts = match drafts {
            Ok(drafts) => drafts,
            Err(error) => return Tried::Ended(Err(ExecuteError::Encode(Arc::new(error)))),
        };
        let occurred = errand.command.occurred().or(errand.how.occurred);
        let record = |draft| self.recording.event(draft, &errand.request, occurred);
        let events: Vec<NewEvent> = drafts.into_iter().map(record).collect();
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let append = self.append(errand, end, events.clone(), Answer::Done { events: ids.clone() });
        if append.events.is_empty() && append.marks.is_empty() {
            return Tried::Ended(Ok(self.done(errand, ids, end, None, attempt)));
        }
        match self.store.append(append).await {
            Ok(appended) => {
                advance(&errand.wanted, folded, &events, end, &appended);
                let recorded = (!ids.is_empty()).then_some(appended.recorded);
                Tried::Ended(Ok(self.done(errand, ids, appended.end(), recorded, attempt)))
            }
            Err(error) => self.not_appended(errand, attempt, error),
        }
    }

    /// A refusal is kept where somebody waits for it: under the idempotency key, and as an event for the sender.
    async fn refuse<C: Decide>(
        &self,
        errand: &Errand<'_, C>,
        end: Position,
        attempt: u32,
        refusal: C::Refusal,
    ) -> Tried<C::Refusal> {
        let any = AnyRefusal::of(&refusal);
        let events = if errand.how.message.is_some() {
            vec![self.refused_event(errand, &any)]
        } else {
            Vec::new()
        };
        let append = self.append(errand, end, events, Answer::Refused(any.clone()));
        if !(append.events.is_empty() && append.marks.is_empty())
            && let Err(error) = self.store.append(append).await
        {
            return self.not_appended(errand, attempt, error);
        }
        self.note(errand, &any.code, &any.detail, attempt);
        Tried::Ended(Err(ExecuteError::Refused(refusal)))
    }

    fn refused_event<C: Decide>(&self, errand: &Errand<'_, C>, refusal: &AnyRefusal) -> NewEvent {
        let refused = Refused {
            command: C::NAME.into(),
            code: refusal.code.clone(),
            detail: refusal.detail.clone(),
        };
        let data = serde_json::to_vec(&refused)
            .expect("a refusal is made of strings")
            .into();
        let sent = errand.how.message.iter().flat_map(|message| &message.tags);
        let mut tags = errand.tags.clone();
        tags.extend(sent.filter(|tag| !errand.tags.contains(tag)).cloned());
        self.recording.own(COMMAND_REFUSED, tags, data, &errand.request)
    }

    fn append<C: Decide>(
        &self,
        errand: &Errand<'_, C>,
        end: Position,
        events: Vec<NewEvent>,
        answer: Answer,
    ) -> Append {
        let mut append = Append {
            events,
            ..Append::default()
        };
        let items: Vec<_> = errand
            .wanted
            .iter()
            .filter(|w| !w.fold.deciding.is_empty())
            .map(Wanted::deciding)
            .collect();
        if !items.is_empty() {
            append.conditions.push(Condition::NoMatch {
                query: Query::any(items),
                from: end,
            });
        }
        if let Some((tag, expected)) = &errand.how.expects {
            append.conditions.push(Condition::TagAt {
                tag: tag.clone(),
                expected: *expected,
            });
        }
        if let Some(message) = &errand.how.message {
            append.conditions.push(message.condition.clone());
            append.marks.extend(message.marks.iter().cloned());
        }
        if let Some((key, fingerprint)) = &errand.key {
            let correlation = errand.request.correlation;
            let first = FirstAnswer {
                fingerprint: fingerprint.clone(),
                correlation,
                answer,
            };
            let value = serde_json::to_vec(&first).expect("an answer is made of ids and strings");
            append.conditions.push(Condition::MarkIs {
                key: key.clone(),
                expected: None,
            });
            append.marks.push(Mark::set(key.clone(), value));
        }
        append
    }

    fn not_appended<C: Decide>(
        &self,
        errand: &Errand<'_, C>,
        attempt: u32,
        error: AppendError,
    ) -> Tried<C::Refusal> {
        match error {
            AppendError::Conflict(Conflict::Mark { ref key, .. }) if self.is_handled(errand, key) => {
                let end = self.store.end();
                let done = Done {
                    repeated: true,
                    ..self.done(errand, Vec::new(), end, None, attempt)
                };
                Tried::Ended(Ok(done))
            }
            AppendError::Conflict(Conflict::Tag {
                tag, expected, found, ..
            }) => Tried::Ended(Err(ExecuteError::Moved { tag, expected, found })),
            AppendError::Conflict(conflict) => Tried::Lost(conflict),
            other => Tried::Ended(Err(ExecuteError::Append(other))),
        }
    }

    /// The message this command came as was handled before; there is nothing left to do.
    fn is_handled<C: Decide>(&self, errand: &Errand<'_, C>, found: &MarkKey) -> bool {
        errand.how.message.as_ref().is_some_and(
            |message| matches!(&message.condition, Condition::MarkIs { key, .. } if key == found),
        )
    }

    fn done<C: Decide>(
        &self,
        errand: &Errand<'_, C>,
        events: Vec<EventId>,
        end: Position,
        recorded: Option<Timestamp>,
        attempts: u32,
    ) -> Done {
        Done {
            events,
            end,
            recorded,
            correlation: errand.request.correlation,
            repeated: false,
            attempts,
        }
    }

    fn lost<C: Decide>(&self, errand: &Errand<'_, C>, attempt: u32, conflict: &Conflict) {
        self.counters.conflicts.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("annals_conflicts_total", "service" => self.recording.service.to_string())
            .increment(1);
        if let Some(journal) = &self.journal {
            let entry = entry(errand, "lost_race", &conflict.to_string(), attempt);
            journal.lost_race(errand.tags.clone(), entry, &errand.request);
        }
    }

    fn note<C: Decide>(&self, errand: &Errand<'_, C>, code: &str, detail: &str, attempt: u32) {
        if let Some(journal) = &self.journal {
            journal.refused(
                errand.tags.clone(),
                entry(errand, code, detail, attempt),
                &errand.request,
            );
        }
    }

    fn count<C: Decide>(&self, outcome: &Result<Done, ExecuteError<C::Refusal>>) {
        let label = match outcome {
            Ok(_) => {
                self.counters.done.fetch_add(1, Ordering::Relaxed);
                "done".to_owned()
            }
            Err(ExecuteError::Refused(_) | ExecuteError::RefusedBefore(_)) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                "refused".to_owned()
            }
            Err(error) => error.kind().to_string(),
        };
        let service = self.recording.service.to_string();
        metrics::counter!("annals_commands_total", "service" => service, "command" => C::NAME, "outcome" => label)
            .increment(1);
    }
}

fn write<O: IntoEvents>(output: &O) -> Result<Vec<Draft>, EncodeError> {
    let mut drafts = Drafts::default();
    output.write(&mut drafts)?;
    Ok(drafts.into_vec())
}

fn entry<C: Decide>(errand: &Errand<'_, C>, code: &str, detail: &str, attempt: u32) -> Entry {
    Entry {
        command: C::NAME.to_owned(),
        code: code.to_owned(),
        detail: detail.to_owned(),
        attempt,
        data: serde_json::to_value(errand.command).unwrap_or_default(),
    }
}

/// Takes the new events into the states they came from, so that the next decision need not read them.
///
/// Allowed only where the condition vouches for every type of the fold: then nothing of it lies between the end that
/// was loaded and the first new event.
fn advance(
    wanted: &[Wanted],
    folded: &mut [Folded],
    events: &[NewEvent],
    end: Position,
    appended: &Appended,
) {
    if appended.duplicate {
        return;
    }
    let mut by_tag: HashMap<&Tag, Vec<&NewEvent>> = HashMap::new();
    for event in events {
        event
            .tags
            .iter()
            .for_each(|tag| by_tag.entry(tag).or_default().push(event));
    }
    for (wanted, folded) in wanted.iter().zip(folded) {
        let vouched = appended.first == end || same(wanted.fold.types, wanted.fold.deciding);
        if !vouched {
            continue;
        }
        let tagged = by_tag.get(&wanted.tag).into_iter().flatten();
        let ours = tagged.filter(|event| wanted.fold.types.contains(&event.event_type));
        let applied = ours.into_iter().try_for_each(|event| {
            let step = Step {
                event_type: &event.event_type,
                version: event.version,
                data: &event.data,
            };
            apply(&wanted.fold, &wanted.tag, folded, appended.first, &step)
        });
        match applied {
            Ok(()) => folded.end = appended.end(),
            Err(_) => {
                *folded = Folded {
                    state: (wanted.fold.empty)(),
                    end: Position::ZERO,
                }
            }
        }
    }
}

fn same(types: &[EventType], deciding: &[EventType]) -> bool {
    types.len() == deciding.len()
}
