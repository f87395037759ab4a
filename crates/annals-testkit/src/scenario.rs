//! One decision: given these events, when this command comes, then these events follow.
//!
//! In: events and a command. Out: nothing, or a panic that shows what differs and which of the given events the decision
//! did not see. The boundary is loaded by the same fold as in a running service, from the JSON the events are stored as;
//! no store and no runtime is needed, so it works in a plain `#[test]`.
//!
//! ```
//! # use annals::{Command, Event, Key, Model, Refusal, command};
//! # use annals_testkit::scenario::given;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Key)] #[key("door")] struct DoorId(String);
//! # #[derive(Event, Serialize, Deserialize)] #[event("door.shut")] struct DoorShut { #[tag] door: DoorId }
//! # #[derive(Default, Serialize)] struct Door { shut: bool }
//! # impl Model for Door {
//! #     type Key = DoorId;
//! #     type Event = DoorShut;
//! #     fn apply(&mut self, _: &DoorShut) { self.shut = true; }
//! # }
//! # #[derive(Command, Clone, Serialize, Deserialize)] #[named("doors.shut")] struct Shut { #[key] door: DoorId }
//! # #[derive(Debug, thiserror::Error, Refusal)] enum DoorError { #[error("shut already")] AlreadyShut }
//! #[command]
//! fn shut(command: Shut, door: &Door) -> Result<DoorShut, DoorError> {
//!     if door.shut { Err(DoorError::AlreadyShut) } else { Ok(DoorShut { door: command.door }) }
//! }
//!
//! let front = || DoorId::from("front");
//! given(())
//!     .when(Shut { door: front() })
//!     .then(DoorShut { door: front() })
//!     .when(Shut { door: front() })
//!     .then_refused("already_shut");
//! ```

use std::fmt::Write;
use std::sync::Arc;

use annals::boundary::{Boundary, States, Wanted};
use annals::command::{Command, Decide, Refusal};
use annals::context::Request;
use annals::decide::cache::Folded;
use annals::decide::fold::{Step, apply};
use annals::event::{Draft, IntoEvents};
use annals_core::position::Position;
use annals_core::time::Timestamp;

use crate::drafts::{difference, line, written};
use crate::seed::SeededIds;

/// The present moment of a test that does not say when it is: 2024-01-01T00:00:00Z.
pub const NOW: Timestamp = Timestamp::from_micros(1_704_067_200_000_000);

/// Begins a scenario with what has happened: an event, a list, an array or a tuple of events; `()` for nothing.
///
/// # Panics
/// If an event cannot be written down.
#[track_caller]
pub fn given(events: impl IntoEvents) -> Given {
    Given {
        events: written(&events),
        now: NOW,
        ids: 0,
    }
}

/// What has happened before the command comes.
#[must_use = "a scenario tests nothing before `when` and `then`"]
pub struct Given {
    events: Vec<Draft>,
    now: Timestamp,
    ids: u64,
}

impl Given {
    /// More of what has happened, after the rest.
    ///
    /// # Panics
    /// As [`given`].
    #[track_caller]
    pub fn and(mut self, events: impl IntoEvents) -> Self {
        self.events.extend(written(&events));
        self
    }

    /// The moment that [`annals::Context::now`] tells; [`NOW`] unless said.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The seed of the ids that [`annals::Context::new_id`] makes; 0 unless said.
    pub fn with_ids(mut self, seed: u64) -> Self {
        self.ids = seed;
        self
    }

    /// Decides a command.
    ///
    /// The command takes the way through JSON that it takes as a message, and is decided twice: a decision that answers
    /// differently the second time is not pure, and repeating it after a lost race would do something else.
    ///
    /// # Panics
    /// If an event that the boundary selects cannot be read, if the command has a key that makes no tag, or if the
    /// decision is not pure.
    #[track_caller]
    pub fn when<C: Decide>(self, command: C) -> When<C> {
        let command = through_json(&command);
        let wanted =
            C::Boundary::want(&command).unwrap_or_else(|error| panic!("{} has a bad key: {error}", C::NAME));
        let outcome = self.decide(&command, &wanted);
        let again = self.decide(&command, &wanted);
        let (first, second) = (shown(&outcome), shown(&again));
        assert!(
            first == second,
            "the decision on {} is not pure, it gave two answers to one question\nfirst:  {first}\nsecond: {second}",
            C::NAME
        );
        let unseen = self.unseen(&wanted);
        When {
            given: self,
            outcome,
            unseen,
        }
    }

    fn decide<C: Decide>(&self, command: &C, wanted: &[Wanted]) -> Result<Vec<Draft>, C::Refusal> {
        let states = wanted.iter().map(|wanted| self.fold(wanted).state).collect();
        let models = C::Boundary::take(command, States::new(states));
        let ids = Arc::new(SeededIds::new(self.ids));
        let context = annals::Context::new(self.now, 1, ids, Request::default());
        let output = command.clone().decide(&models, &context)?;
        Ok(written(&output))
    }

    fn fold(&self, wanted: &Wanted) -> Folded {
        let mut folded = Folded {
            state: (wanted.fold.empty)(),
            end: Position::ZERO,
            newer: 0,
        };
        for (at, event) in self
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| selects(wanted, event))
        {
            let step = Step {
                event_type: &event.event_type,
                version: event.version,
                data: &event.data,
            };
            apply(
                &wanted.fold,
                &wanted.tag,
                &mut folded,
                Position::new(at as u64),
                &step,
            )
            .unwrap_or_else(|error| panic!("{error}"));
        }
        folded
    }

    /// The given events that no model of the boundary folds.
    fn unseen(&self, wanted: &[Wanted]) -> String {
        let unseen = self
            .events
            .iter()
            .enumerate()
            .filter(|(_, event)| !wanted.iter().any(|w| selects(w, event)));
        let lines = unseen.fold(String::new(), |mut lines, (at, event)| {
            writeln!(lines, "    {at}: {}", line(event)).expect("a string takes every line");
            lines
        });
        let boundary = wanted
            .iter()
            .map(|wanted| format!("{} of {}", wanted.fold.name, wanted.tag));
        let boundary: Vec<String> = boundary.collect();
        if lines.is_empty() {
            format!(
                "the decision read: {}; it saw every given event",
                boundary.join(", ")
            )
        } else {
            format!(
                "the decision read: {}\n  given events it did not see:\n{lines}",
                boundary.join(", ")
            )
        }
    }
}

fn selects(wanted: &Wanted, event: &Draft) -> bool {
    wanted.fold.types.contains(&event.event_type) && event.tags.contains(&wanted.tag)
}

#[track_caller]
fn through_json<C: Command>(command: &C) -> C {
    let data = serde_json::to_vec(command)
        .unwrap_or_else(|error| panic!("{} cannot be written as JSON: {error}", C::NAME));
    C::decode(C::VERSION, &data).unwrap_or_else(|error| {
        panic!(
            "{} cannot be read from the JSON it is written as: {error}",
            C::NAME
        )
    })
}

fn shown<R: Refusal>(outcome: &Result<Vec<Draft>, R>) -> String {
    match outcome {
        Ok(drafts) => drafts.iter().map(line).collect::<Vec<_>>().join("; "),
        Err(refusal) => format!("refused as {}: {refusal}", refusal.code()),
    }
}

/// A command that was decided.
#[must_use = "a scenario tests nothing before `then`"]
pub struct When<C: Decide> {
    given: Given,
    outcome: Result<Vec<Draft>, C::Refusal>,
    unseen: String,
}

impl<C: Decide> When<C> {
    /// These events follow, in this order, and no others: type, version, tags and content are compared.
    ///
    /// Goes on as a scenario in which they have happened too.
    ///
    /// # Panics
    /// If the decision answered otherwise; the message shows the difference and the given events it did not see.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "a scenario may end here")]
    pub fn then(self, events: impl IntoEvents) -> Next {
        let expected = written(&events);
        match self.outcome {
            Ok(found) => {
                if let Some(difference) = difference(&expected, &found) {
                    panic!("{}: {difference}  {}", C::NAME, self.unseen);
                }
                self.given.after(found)
            }
            Err(refusal) => panic!(
                "{}: expected {} events, found it refused as {}: {refusal}\n  {}",
                C::NAME,
                expected.len(),
                refusal.code(),
                self.unseen
            ),
        }
    }

    /// No event follows: what was asked for held already.
    ///
    /// # Panics
    /// If the decision refused or answered with events.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "a scenario may end here")]
    pub fn then_nothing(self) -> Next {
        self.then(())
    }

    /// The command is refused with this code.
    ///
    /// # Panics
    /// If it was not, or for another reason.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "a scenario may end here")]
    pub fn then_refused(self, code: &str) -> Next {
        match &self.outcome {
            Err(refusal) if refusal.code() == code => self.given.after(Vec::new()),
            outcome => panic!(
                "{}: expected it refused as {code}, found {}\n  {}",
                C::NAME,
                match outcome {
                    Ok(_) => format!("these events: {}", shown(outcome)),
                    Err(_) => shown(outcome),
                },
                self.unseen
            ),
        }
    }

    /// The answer itself, for what the other methods cannot say.
    ///
    /// # Errors
    /// The refusal.
    pub fn outcome(self) -> Result<Vec<Draft>, C::Refusal> {
        self.outcome
    }
}

impl Given {
    fn after(mut self, events: Vec<Draft>) -> Next {
        self.events.extend(events);
        Next { given: self }
    }
}

/// A scenario that held so far; say `when` to go on with what it led to.
pub struct Next {
    given: Given,
}

impl Next {
    /// More that happens from outside before the next command.
    ///
    /// # Panics
    /// As [`given`].
    #[track_caller]
    pub fn and(self, events: impl IntoEvents) -> Given {
        self.given.and(events)
    }

    /// Moves the clock on to a moment.
    pub fn at(self, now: Timestamp) -> Given {
        self.given.at(now)
    }

    /// Decides the next command, with everything that happened so far.
    ///
    /// # Panics
    /// As [`Given::when`].
    #[track_caller]
    pub fn when<C: Decide>(self, command: C) -> When<C> {
        self.given.when(command)
    }
}
