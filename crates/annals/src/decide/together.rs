//! Several decisions as one append: each sees what those before it have decided, and all become durable together.
//!
//! The states are loaded once, up to one end of the store; every decision's events are taken into them before the next
//! one decides. The append depends on everything that was loaded.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use annals_core::condition::Condition;
use annals_core::event::{EventType, NewEvent};
use annals_core::id::EventId;
use annals_core::port::store::{Append, Appended, EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;

use crate::decide::cache::{Folded, StateCache};
use crate::decide::errand::Errand;
use crate::decide::fold::{FoldError, Step, apply, fold_to};
use crate::decide::outcome::{Answer, AnyRefusal, Done, ExecuteError};
use crate::decide::snapshots::Snapshots;
use crate::define::boundary::{Boundary, Fold, States, Wanted};
use crate::define::command::{Decide, Refusal};
use crate::define::context::Context;
use crate::define::event::{Draft, Drafts, EncodeError, IntoEvents};
use crate::ground::record::Recording;

/// One state that some decision of the batch reads.
struct Held {
    fold: Fold,
    folded: Folded,
}

/// What became of one errand of a batch, once the append has happened.
pub(crate) enum Decided<R: Refusal> {
    /// Whatever becomes of the append.
    Already(Result<Done, ExecuteError<R>>),
    /// These events, the last of them being number `upto` of the append.
    Events { ids: Vec<EventId>, upto: u64 },
    /// A refusal that is recorded.
    Refused(R),
}

/// The states and the append of one batch.
pub(crate) struct Batch<'a> {
    store: &'a dyn EventStore,
    recording: &'a Recording,
    cache: &'a StateCache,
    snapshots: &'a Snapshots,
    pub(crate) end: Position,
    held: BTreeMap<Tag, Vec<Held>>,
    pending: BTreeMap<Tag, Vec<usize>>,
    pub(crate) append: Append,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(
        store: &'a dyn EventStore,
        recording: &'a Recording,
        cache: &'a StateCache,
        snapshots: &'a Snapshots,
    ) -> Self {
        let end = store.end();
        let (held, pending) = (BTreeMap::new(), BTreeMap::new());
        Self {
            store,
            recording,
            cache,
            snapshots,
            end,
            held,
            pending,
            append: Append::default(),
        }
    }

    /// Whether there is anything to append.
    pub(crate) fn is_empty(&self) -> bool {
        self.append.events.is_empty() && self.append.marks.is_empty()
    }

    /// Lets one errand decide.
    pub(crate) async fn decide<C: Decide>(
        &mut self,
        errand: &Errand<C>,
        attempt: u32,
    ) -> Decided<C::Refusal> {
        if let Err(error) = self.hold(&errand.wanted).await {
            return Decided::Already(Err(ExecuteError::Fold(error)));
        }
        let states = States::new(errand.wanted.iter().map(|wanted| self.state(wanted)).collect());
        let context = Context {
            now: self.recording.world.now(),
            attempt,
            ids: Arc::clone(&self.recording.world.ids),
            request: errand.request.clone(),
        };
        let command = errand.command.clone();
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let models = C::Boundary::take(&errand.command, states);
            command.decide(&models, &context).map(|output| write(&output))
        }));
        match decided {
            Ok(Ok(Ok(drafts))) => self.events(errand, drafts, attempt),
            Ok(Ok(Err(error))) => Decided::Already(Err(ExecuteError::Encode(Arc::new(error)))),
            Ok(Err(refusal)) => self.refusal(errand, refusal),
            Err(_) => Decided::Already(Err(ExecuteError::Panicked { command: C::NAME })),
        }
    }

    fn events<C: Decide>(
        &mut self,
        errand: &Errand<C>,
        drafts: Vec<Draft>,
        attempt: u32,
    ) -> Decided<C::Refusal> {
        let occurred = errand.command.occurred().or(errand.how.occurred);
        let record = |draft| self.recording.event(draft, &errand.request, occurred);
        let events: Vec<NewEvent> = drafts.into_iter().map(record).collect();
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let marks = self.append.marks.len();
        errand.note_answer(Answer::Done { events: ids.clone() }, &mut self.append);
        if events.is_empty() && self.append.marks.len() == marks {
            let done = Done {
                events: ids,
                end: self.end,
                recorded: None,
                correlation: errand.request.correlation,
                repeated: false,
                attempts: attempt,
            };
            return Decided::Already(Ok(done));
        }
        for event in events {
            self.take_in(event);
        }
        Decided::Events {
            ids,
            upto: self.append.events.len() as u64,
        }
    }

    /// A refusal is kept where somebody waits for it: under the idempotency key, and as an event for the sender.
    fn refusal<C: Decide>(&mut self, errand: &Errand<C>, refusal: C::Refusal) -> Decided<C::Refusal> {
        let any = AnyRefusal::of(&refusal);
        if errand.how.message.is_some() {
            let event = errand.refused_event(&any, self.recording);
            self.take_in(event);
        }
        let marks = self.append.marks.len();
        errand.note_answer(Answer::Refused(any), &mut self.append);
        if self.append.marks.len() == marks {
            return Decided::Already(Err(ExecuteError::Refused(refusal)));
        }
        Decided::Refused(refusal)
    }

    /// Adds an event to the append and to every state it concerns.
    fn take_in(&mut self, event: NewEvent) {
        let at = self.append.events.len();
        for tag in &event.tags {
            self.pending.entry(tag.clone()).or_default().push(at);
            for held in self.held.get_mut(tag).into_iter().flatten() {
                take_into(held, tag, &event);
            }
        }
        self.append.events.push(event);
    }

    fn state(&self, wanted: &Wanted) -> crate::define::boundary::AnyState {
        let held = self.held.get(&wanted.tag).into_iter().flatten();
        let mut states = held.filter(|held| held.fold.model == wanted.fold.model);
        Arc::clone(&states.next().expect("what is wanted was loaded").folded.state)
    }

    /// Loads what is wanted and not there yet, up to the batch's end and with what the batch has decided so far.
    async fn hold(&mut self, wanted: &[Wanted]) -> Result<(), FoldError> {
        for wanted in wanted {
            let there = self.held.get(&wanted.tag).into_iter().flatten();
            if there.into_iter().any(|held| held.fold.model == wanted.fold.model) {
                continue;
            }
            let (model, tag) = (wanted.fold.model, &wanted.tag);
            let cached = self
                .cache
                .take(model, tag)
                .filter(|cached| cached.end <= self.end);
            let folded = match cached {
                Some(cached) => fold_to(self.store, &wanted.fold, tag, Some(cached), self.end).await?,
                None => self.snapshots.fold_to(&wanted.fold, tag, self.end).await?,
            };
            let mut held = Held {
                fold: wanted.fold,
                folded,
            };
            for at in self.pending.get(tag).into_iter().flatten() {
                take_into(&mut held, tag, &self.append.events[*at]);
            }
            self.held.entry(tag.clone()).or_default().push(held);
        }
        Ok(())
    }

    /// What the append depends on: everything that was loaded.
    pub(crate) fn depend(&mut self) {
        let deciding = |(tag, held): (&Tag, &Vec<Held>)| {
            let types = held
                .iter()
                .map(|held| held.fold.deciding)
                .filter(|types| !types.is_empty());
            types
                .map(|types| QueryItem::of(types, tag.clone()))
                .collect::<Vec<_>>()
        };
        let items: Vec<QueryItem> = self.held.iter().flat_map(deciding).collect();
        if !items.is_empty() {
            self.append.conditions.push(Condition::NoMatch {
                query: Query::any(items),
                from: self.end,
            });
        }
    }

    /// Gives the states back to the cache: as they are now if nothing was appended, else as they are after the append.
    ///
    /// The condition vouches for the types that decide; of those that commute, something may have come in between, and
    /// is taken in now.
    pub(crate) async fn give_back(self, appended: Option<Appended>) -> Result<(), ReadError> {
        let between = appended.map_or(self.end, |appended| appended.first);
        let end = appended.map_or(self.end, |appended| appended.end());
        for (tag, states) in self.held {
            for mut held in states {
                if between > self.end && !catch_up(self.store, &mut held, &tag, self.end, between).await? {
                    continue;
                }
                if held.folded.end != Position::MAX {
                    held.folded.end = end;
                    self.snapshots.offer(&held.fold, &tag, &mut held.folded);
                    self.cache.put(held.fold.model, tag.clone(), held.folded);
                }
            }
        }
        Ok(())
    }
}

/// A state that cannot take an event in is marked as lost: it is folded again when it is wanted.
fn take_into(held: &mut Held, tag: &Tag, event: &NewEvent) {
    if !held.fold.types.contains(&event.event_type) {
        return;
    }
    let step = Step {
        event_type: &event.event_type,
        version: event.version,
        data: &event.data,
    };
    let at = held.folded.end;
    if apply(&held.fold, tag, &mut held.folded, at, &step).is_err() {
        held.folded.end = Position::MAX;
    }
}

/// Takes in what commutes and came in between; `false`: the state is lost.
async fn catch_up(
    store: &dyn EventStore,
    held: &mut Held,
    tag: &Tag,
    from: Position,
    to: Position,
) -> Result<bool, ReadError> {
    let commutes = |name: &&EventType| !held.fold.deciding.contains(name);
    let types: Vec<EventType> = held.fold.types.iter().filter(commutes).cloned().collect();
    if types.is_empty() {
        return Ok(true);
    }
    let query = Query::any(vec![QueryItem::of(types, tag.clone())]);
    let page = store.read(Read::new(query, from).to(to)).await?;
    for event in &page.events {
        take_into(held, tag, event);
    }
    Ok(page.finished)
}

fn write<O: IntoEvents>(output: &O) -> Result<Vec<Draft>, EncodeError> {
    let mut drafts = Drafts::default();
    output.write(&mut drafts)?;
    Ok(drafts.into_vec())
}
