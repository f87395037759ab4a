//! One process: on this event it sends that, after so long the timer fires, and when all is done nothing is left.
//!
//! In: events, the passing of time, refusals. Out: nothing, or a panic that shows what was sent instead. The instance is
//! the framework's own: the same reading of records, the same `react`, the same undo list and timers, on a clock that
//! moves only when it is told to; no store and no runtime.
//!
//! A probe is strict: whatever the process sends must be looked at with [`Probe::sends`] before the next step.
//!
//! ```
//! # use annals::{Command, Effects, Event, Key, Model, On, Process};
//! # use annals_testkit::probe::process;
//! # use serde::{Deserialize, Serialize};
//! # use std::time::Duration;
//! # #[derive(Key)] #[key("door")] struct DoorId(String);
//! # #[derive(Event, Serialize, Deserialize)] #[event("door.opened")] struct Opened { #[tag] door: DoorId }
//! # #[derive(Command, Clone, Serialize, Deserialize)] #[named("doors.shut")] struct Shut { #[key] door: DoorId }
//! # #[derive(Default, Serialize)] struct Draught { door: Option<DoorId> }
//! # impl Model for Draught {
//! #     type Key = DoorId;
//! #     type Event = Opened;
//! #     fn apply(&mut self, opened: &Opened) { self.door = Some(opened.door.clone()); }
//! # }
//! # #[derive(Serialize, Deserialize)] struct LongEnough;
//! impl Process for Draught {
//!     const NAME: &'static str = "draught";
//!     type Timer = LongEnough;
//!
//!     fn react(&self, on: On<'_, Opened, LongEnough>, effects: &mut Effects<LongEnough>) {
//!         match on {
//!             On::Event(_) => effects.after(Duration::from_secs(60), LongEnough),
//!             On::Timer(_) => drop(self.door.clone().map(|door| effects.send(Shut { door }))),
//!             On::Refused(_) => {}
//!         }
//!     }
//! }
//!
//! let front = || DoorId::from("front");
//! process::<Draught>()
//!     .on(Opened { door: front() })
//!     .waits(Duration::from_secs(60), &LongEnough)
//!     .pass(Duration::from_secs(60))
//!     .sends(Shut { door: front() })
//!     .done();
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use annals::context::Request;
use annals::event::{Draft, Event};
use annals::ground::record::COMMAND_REFUSED;
use annals::process::{IntoCommands, Process, Refused, Sending};
use annals::react::instance::{Instance, Wanted, timer_fired};
use annals::{Command, Key, Recording, World};
use annals_core::event::{EventType, NewEvent, RecordedEvent, Visibility};
use annals_core::position::Position;
use annals_core::tag::Tag;
use annals_core::time::{Clock, Timestamp};
use smol_str::SmolStr;

use crate::drafts::{difference, line, written};
use crate::scenario::NOW;
use crate::seed::SeededIds;

/// Begins with an instance that was told nothing yet.
pub fn process<P: Process>() -> Probe<P> {
    let clock = Arc::new(Hands {
        micros: AtomicI64::new(NOW.as_micros()),
    });
    let world = World {
        clock: Arc::<Hands>::clone(&clock) as Arc<dyn Clock>,
        ids: Arc::new(SeededIds::new(0)),
    };
    Probe {
        clock,
        recording: Recording {
            service: SmolStr::new_static("probe"),
            world,
        },
        instance: Instance::default(),
        tag: None,
        position: Position::ZERO,
        timers: BTreeMap::new(),
        unseen: Vec::new(),
        sent: Vec::new(),
    }
}

/// A clock that is set by hand.
struct Hands {
    micros: AtomicI64,
}

impl Hands {
    fn set(&self, now: Timestamp) {
        self.micros.store(now.as_micros(), Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

/// One instance of a process under test.
#[must_use = "end with `done` or `still_waiting`, or what was sent last is not looked at"]
pub struct Probe<P: Process> {
    clock: Arc<Hands>,
    recording: Recording,
    instance: Instance<P>,
    tag: Option<Tag>,
    position: Position,
    /// By kind: when it is due and what it carries.
    timers: BTreeMap<SmolStr, (Timestamp, String)>,
    /// Sent, and not yet looked at.
    unseen: Vec<Sending>,
    /// Sent and not refused.
    sent: Vec<NewEvent>,
}

impl<P: Process> Probe<P> {
    /// Tells it of an event. The first one says which instance this is.
    ///
    /// # Panics
    /// If the event is not of the process' set, does not carry the instance's key, or something was sent before and not
    /// looked at.
    #[track_caller]
    pub fn on<E: Event + annals::IntoEvents>(mut self, event: E) -> Self {
        self.all_seen();
        let draft = written(&event).remove(0);
        let types = <P::Event as annals::EventSet>::TYPES;
        assert!(
            types.contains(&draft.event_type),
            "{} is told of {types:?} only, not of {}",
            P::NAME,
            draft.event_type
        );
        let kind = <P::Key as Key>::KIND;
        let found = draft.tags.iter().find(|tag| tag.kind() == kind);
        let tag = self.tag.clone().or(found.cloned());
        let tag =
            tag.unwrap_or_else(|| panic!("{} has keys of the kind {kind}, not so {}", P::NAME, line(&draft)));
        assert!(
            draft.tags.contains(&tag),
            "this instance is {tag}, another one is told of {}",
            line(&draft)
        );
        self.tag = Some(tag);
        let record = self.recording.event(draft, &Request::default(), None);
        self.tell(record);
        self
    }

    /// Lets time pass: timers that are due fire at their moments, in order.
    ///
    /// # Panics
    /// If something was sent before and not looked at, or the process cannot read its own timer.
    #[track_caller]
    pub fn pass(mut self, duration: Duration) -> Self {
        self.all_seen();
        let end = self.clock.now().after(duration);
        while let Some((due, kind)) = self.next_due(end) {
            self.clock.set(due);
            let Some((_, data)) = self.timers.remove(&kind) else {
                break;
            };
            let fired = timer_fired::<P>(&self.recording, &self.instance_tag(), &kind, due, &data);
            self.tell(fired);
        }
        self.clock.set(end);
        self
    }

    /// Tells it that the newest command of this type it has sent was refused.
    ///
    /// # Panics
    /// If it sent no such command, or something was sent before and not looked at.
    #[track_caller]
    pub fn refused<C: Command>(mut self, code: &str) -> Self {
        self.all_seen();
        let newest = self
            .sent
            .iter()
            .rposition(|command| command.event_type == C::TYPE);
        let at =
            newest.unwrap_or_else(|| panic!("{} has sent no {} that could be refused", P::NAME, C::NAME));
        let command = self.sent.remove(at);
        let refused = Refused {
            command: SmolStr::new_static(C::NAME),
            code: code.to_owned(),
            detail: code.replace('_', " "),
        };
        let data = serde_json::to_vec(&refused).expect("a refusal is made of strings");
        let request = annals::ground::record::request_of(&command);
        let mut tags = command.tags;
        let tag = self.instance_tag();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        let record = self.recording.own(COMMAND_REFUSED, tags, data.into(), &request);
        self.tell(record);
        self
    }

    /// It has sent these commands since the last step, in this order, and no others.
    ///
    /// # Panics
    /// If not; the message shows the difference.
    #[track_caller]
    pub fn sends(mut self, commands: impl IntoCommands) -> Self {
        let mut expected = Vec::new();
        if let Err(error) = commands.write(&mut expected) {
            panic!("a command of this test cannot be written down: {error}");
        }
        let found = drafts(std::mem::take(&mut self.unseen));
        if let Some(difference) = difference(&drafts(expected), &found) {
            panic!("{} sends: {difference}", P::NAME);
        }
        self
    }

    /// It has sent nothing since the last step.
    ///
    /// # Panics
    /// If it has.
    #[track_caller]
    pub fn sends_nothing(self) -> Self {
        self.sends(())
    }

    /// A timer with this content is set and will fire after exactly this long.
    ///
    /// # Panics
    /// If there is none; the message lists the timers there are.
    #[track_caller]
    pub fn waits(self, duration: Duration, timer: &P::Timer) -> Self {
        let wanted =
            serde_json::to_string(timer).unwrap_or_else(|error| panic!("the timer is no JSON: {error}"));
        let due = self.clock.now().after(duration);
        let is_set = self.timers.values().any(|set| *set == (due, wanted.clone()));
        assert!(
            is_set,
            "{} has no timer {wanted} that fires in {duration:?}; it waits for: {}",
            P::NAME,
            self.pending()
        );
        self
    }

    /// Looks at the state.
    pub fn state(self, look: impl FnOnce(&P)) -> Self {
        look(&self.instance.state);
        self
    }

    /// Everything that was sent was looked at, and no timer is left.
    ///
    /// # Panics
    /// If not.
    #[track_caller]
    pub fn done(self) {
        self.all_seen();
        assert!(
            self.timers.is_empty(),
            "{} is not done, it waits for: {}",
            P::NAME,
            self.pending()
        );
    }

    /// Everything that was sent was looked at; timers are left.
    ///
    /// # Panics
    /// If not, or if no timer is left.
    #[track_caller]
    pub fn still_waiting(self) {
        self.all_seen();
        assert!(!self.timers.is_empty(), "{} waits for nothing", P::NAME);
    }

    #[track_caller]
    fn tell(&mut self, event: NewEvent) {
        let record = RecordedEvent {
            position: self.position,
            recorded: self.clock.now(),
            event,
        };
        self.position = self.position.next();
        let (_, wanted) = self
            .instance
            .tell(&record)
            .unwrap_or_else(|error| panic!("{} stops: {error}", P::NAME));
        self.follow(&record, wanted);
    }

    /// What the framework does with what a step wants.
    fn follow(&mut self, record: &NewEvent, wanted: Wanted) {
        let request = annals::ground::record::request_of(record);
        let commands = wanted
            .sends
            .iter()
            .map(|sending| self.recording.command(sending, &request));
        let commands: Vec<NewEvent> = commands.collect();
        let ids: Vec<_> = commands.iter().map(|command| command.id).collect();
        self.instance.sent(&ids);
        self.sent.extend(commands);
        self.unseen.extend(wanted.sends);
        wanted.cancel.iter().for_each(|kind| {
            self.timers.remove(kind);
        });
        let now = self.clock.now();
        for (kind, micros, data) in wanted.set {
            self.timers
                .insert(kind, (now.after(Duration::from_micros(micros)), data));
        }
    }

    fn next_due(&self, end: Timestamp) -> Option<(Timestamp, SmolStr)> {
        let due = self.timers.iter().map(|(kind, (due, _))| (*due, kind.clone()));
        due.filter(|(due, _)| *due <= end).min()
    }

    fn instance_tag(&self) -> Tag {
        self.tag
            .clone()
            .expect("an instance that was told something has a tag")
    }

    #[track_caller]
    fn all_seen(&self) {
        let unseen = drafts(self.unseen.clone());
        let lines: Vec<String> = unseen.iter().map(line).collect();
        assert!(
            lines.is_empty(),
            "{} has sent what nobody looked at: {}",
            P::NAME,
            lines.join("; ")
        );
    }

    fn pending(&self) -> String {
        let now = self.clock.now();
        let timers = self
            .timers
            .values()
            .map(|(due, data)| format!("{data} in {:?}", due.since(now)));
        let timers: Vec<String> = timers.collect();
        if timers.is_empty() {
            "nothing".to_owned()
        } else {
            timers.join(", ")
        }
    }
}

/// Commands, to be shown and compared as events are.
fn drafts(sendings: Vec<Sending>) -> Vec<Draft> {
    let draft = |sending: Sending| Draft {
        event_type: EventType::new(sending.command),
        version: sending.version,
        visibility: Visibility::Public,
        tags: sending.tags,
        data: sending.data.into(),
    };
    sendings.into_iter().map(draft).collect()
}
