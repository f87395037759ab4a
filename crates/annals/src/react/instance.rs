//! One instance of a process: its state, and what the framework remembers for it.
//!
//! The state is the fold of what the instance saw; the undo list and the set of running timers are the fold of what
//! it wanted. Both can be folded again from the store at any time.

use std::collections::{BTreeSet, HashSet};

use annals_core::event::{EventType, NewEvent, RecordedEvent};
use annals_core::id::EventId;
use annals_core::port::store::{EventStore, Read};
use annals_core::position::Position;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use thiserror::Error;

use crate::decide::fold::FoldError;
use crate::define::event::EventSet;
use crate::define::message::DecodeError;
use crate::define::model::Model;
use crate::define::process::{Effect, EffectError, Effects, On, Process, Refused, Sending};
use crate::ground::record::{COMMAND_REFUSED, PROCESS_STEPPED, Recording, TIMER_FIRED};
use crate::react::timers::{Timer, process_tag};

/// What a process wanted at one step, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stepped {
    /// Which process.
    pub process: SmolStr,
    /// In order.
    pub effects: Vec<Effect>,
    /// The ids of the commands that followed, in order.
    pub sent: Vec<EventId>,
}

/// Why a process stops at a record.
#[derive(Debug, Error)]
pub enum StepError {
    /// The record cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// What it wants cannot be written down.
    #[error(transparent)]
    Effect(#[from] EffectError),
}

/// What an instance was told.
enum Input<E, T> {
    Event(E),
    Timer(T),
    Refused(Refused),
}

type InputOf<P> = Input<<P as Model>::Event, <P as Process>::Timer>;

/// One instance, folded up to some record.
pub struct Instance<P> {
    /// Its state.
    pub state: P,
    undo: Vec<Sending>,
    timers: BTreeSet<SmolStr>,
    /// Commands that were sent and not refused.
    sent: HashSet<EventId>,
}

/// What follows from a step.
#[derive(Default)]
pub struct Wanted {
    /// To be sent, in order.
    pub sends: Vec<Sending>,
    /// To be set: kind, microseconds from now, what it carries.
    pub set: Vec<(SmolStr, u64, String)>,
    /// To be removed.
    pub cancel: BTreeSet<SmolStr>,
}

impl<P: Process> Default for Instance<P> {
    /// Before it was told anything.
    fn default() -> Self {
        Self {
            state: P::default(),
            undo: Vec::new(),
            timers: BTreeSet::new(),
            sent: HashSet::new(),
        }
    }
}

impl<P: Process> Instance<P> {
    /// Folds an instance as it was before the input at a position.
    ///
    /// # Errors
    /// [`FoldError`]: the store does not answer, or a record cannot be read.
    pub async fn fold(store: &dyn EventStore, tag: &Tag, before: Position) -> Result<Self, FoldError> {
        let mut instance = Self::default();
        let steps = Self::steps(store, tag).await?;
        steps.iter().for_each(|stepped| instance.sent(&stepped.sent));
        let inputs = Query::any(inputs_of::<P>(tag));
        fold_pages(store, inputs, before, |event| {
            if !instance.is_told(event) {
                return Ok(());
            }
            match decode::<P>(event) {
                Ok(Some(input)) => instance.take_in(&input),
                Ok(None) => {}
                Err(source) => return Err(undecodable::<P>(tag, event, source)),
            }
            Ok(())
        })
        .await?;
        for stepped in &steps {
            instance.want(&stepped.effects);
        }
        Ok(instance)
    }

    /// Everything an instance wanted so far.
    async fn steps(store: &dyn EventStore, tag: &Tag) -> Result<Vec<Stepped>, FoldError> {
        let mut found = Vec::new();
        let steps = Query::any(vec![QueryItem {
            types: vec![PROCESS_STEPPED].into(),
            tags: vec![tag.clone(), process_tag(P::NAME)],
            correlation: None,
        }]);
        fold_pages(store, steps, Position::MAX, |event| {
            let stepped: Stepped = serde_json::from_slice(&event.data)
                .map_err(|reason| DecodeError::malformed(PROCESS_STEPPED, event.version, reason))
                .map_err(|source| undecodable::<P>(tag, event, source))?;
            found.push(stepped);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Remembers what was sent.
    pub fn sent(&mut self, commands: &[EventId]) {
        self.sent.extend(commands);
    }

    /// Whether a record with the instance's tag is for it: a refusal only if it had sent the command. A timer that
    /// fired and a command that was refused are forgotten.
    fn is_told(&mut self, event: &RecordedEvent) -> bool {
        if event.event_type == TIMER_FIRED {
            self.forget_timer(event);
        }
        event.event_type != COMMAND_REFUSED
            || event
                .metadata
                .causation
                .is_some_and(|command| self.sent.remove(&command))
    }

    /// Tells the instance of a record with its tag: what it wants about it, and what follows from that. Nothing if the
    /// record is not for it.
    ///
    /// # Errors
    /// [`StepError`]: the process stops here.
    pub fn tell(&mut self, event: &RecordedEvent) -> Result<(Vec<Effect>, Wanted), StepError> {
        let input = decode::<P>(event)?;
        let Some(input) = input.filter(|_| self.is_told(event)) else {
            return Ok((Vec::new(), Wanted::default()));
        };
        let effects = self.step(&input)?;
        let wanted = self.want(&effects);
        Ok((effects, wanted))
    }

    fn step(&mut self, input: &InputOf<P>) -> Result<Vec<Effect>, EffectError> {
        self.take_in(input);
        let mut effects = Effects::default();
        match input {
            Input::Event(event) => self.state.react(On::Event(event), &mut effects),
            Input::Timer(timer) => self.state.react(On::Timer(timer), &mut effects),
            Input::Refused(refused) => self.state.react(On::Refused(refused), &mut effects),
        }
        match effects.failed {
            Some(failed) => Err(failed),
            None => Ok(effects.effects),
        }
    }

    fn take_in(&mut self, input: &InputOf<P>) {
        match input {
            Input::Event(event) => self.state.apply(event),
            Input::Timer(timer) => self.state.on_timer(timer),
            Input::Refused(refused) => self.state.on_refused(refused),
        }
    }

    fn forget_timer(&mut self, fired: &RecordedEvent) {
        if let Ok(timer) = serde_json::from_slice::<Timer>(&fired.data) {
            self.timers.remove(&timer.kind);
        }
    }

    /// Remembers effects and says what follows from them.
    fn want(&mut self, effects: &[Effect]) -> Wanted {
        let mut wanted = Wanted::default();
        for effect in effects {
            self.want_one(effect, &mut wanted);
        }
        wanted
    }

    fn want_one(&mut self, effect: &Effect, wanted: &mut Wanted) {
        match effect {
            Effect::Send { send, undo } => {
                wanted.sends.push(send.clone());
                self.undo.extend(undo.clone());
            }
            Effect::After { timer, micros, data } => {
                self.timers.insert(timer.clone());
                wanted.cancel.remove(timer);
                wanted.set.retain(|(kind, ..)| kind != timer);
                wanted.set.push((timer.clone(), *micros, data.clone()));
            }
            Effect::Cancel { timer } => {
                wanted.set.retain(|(kind, ..)| kind != timer);
                if self.timers.remove(timer) {
                    wanted.cancel.insert(timer.clone());
                }
            }
            Effect::Compensate => wanted.sends.extend(self.undo.drain(..).rev()),
            Effect::Complete => {
                self.undo.clear();
                wanted.set.clear();
                wanted.cancel.append(&mut self.timers);
            }
        }
    }
}

/// Everything an instance is told.
fn inputs_of<P: Process>(tag: &Tag) -> Vec<QueryItem> {
    let item = |types: Vec<EventType>, tags| QueryItem {
        types: types.into(),
        tags,
        correlation: None,
    };
    vec![
        QueryItem::of(P::Event::TYPES, tag.clone()),
        item(vec![TIMER_FIRED], vec![tag.clone(), process_tag(P::NAME)]),
        item(vec![COMMAND_REFUSED], vec![tag.clone()]),
    ]
}

/// Everything any instance of a process is told.
pub fn inputs<P: Process>() -> Query {
    let item = |types: Vec<EventType>, tags| QueryItem {
        types: types.into(),
        tags,
        correlation: None,
    };
    Query::any(vec![
        QueryItem {
            types: P::Event::TYPES.into(),
            ..QueryItem::default()
        },
        item(vec![TIMER_FIRED], vec![process_tag(P::NAME)]),
        item(vec![COMMAND_REFUSED], Vec::new()),
    ])
}

/// Reads a record as an input; `None` if it is none of this process.
fn decode<P: Process>(event: &RecordedEvent) -> Result<Option<InputOf<P>>, DecodeError> {
    let malformed =
        |reason: serde_json::Error| DecodeError::malformed(event.event_type.clone(), event.version, reason);
    if event.event_type == TIMER_FIRED {
        let timer: Timer = serde_json::from_slice(&event.data).map_err(malformed)?;
        return Ok(Some(Input::Timer(
            serde_json::from_str(&timer.data).map_err(malformed)?,
        )));
    }
    if event.event_type == COMMAND_REFUSED {
        return Ok(Some(Input::Refused(
            serde_json::from_slice(&event.data).map_err(malformed)?,
        )));
    }
    Ok(P::Event::decode(&event.event_type, event.version, &event.data)?.map(Input::Event))
}

fn undecodable<P: Process>(tag: &Tag, event: &RecordedEvent, source: DecodeError) -> FoldError {
    FoldError::Decode {
        model: P::NAME,
        tag: tag.clone(),
        position: event.position,
        source,
    }
}

async fn fold_pages(
    store: &dyn EventStore,
    query: Query,
    before: Position,
    mut take: impl FnMut(&RecordedEvent) -> Result<(), FoldError>,
) -> Result<(), FoldError> {
    let mut from = Position::ZERO;
    loop {
        let page = store.read(Read::new(query.clone(), from).to(before)).await?;
        page.events.iter().try_for_each(&mut take)?;
        if page.finished {
            return Ok(());
        }
        from = page.next;
    }
}

/// The record of a timer that ran out, as the clock of a running service writes it.
pub fn timer_fired<P: Process>(
    recording: &Recording,
    instance: &Tag,
    kind: &str,
    due: Timestamp,
    data: &str,
) -> NewEvent {
    let timer = Timer {
        process: SmolStr::new_static(P::NAME),
        instance: instance.clone(),
        kind: kind.into(),
        due,
        data: data.to_owned(),
        correlation: None,
        causation: None,
    };
    timer.fired(recording)
}
