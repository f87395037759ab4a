//! Process managers: models that react to what they see with commands, timers and compensation.
//!
//! Effects are data. They are recorded in the same commit as the note that the input was seen, before anything is
//! sent; replaying a process therefore sends nothing again.

use std::time::Duration;

use annals_core::event::EventType;
use annals_core::tag::{Tag, TagError};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use thiserror::Error;

use crate::define::command::Command;
use crate::define::model::Model;

/// A command that was refused by the service that was asked, as the process which sent it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The name of the command: `stock.reserve`.
    pub command: SmolStr,
    /// The refusal's code: `out_of_stock`.
    pub code: String,
    /// The refusal in words.
    pub detail: String,
}

/// What a process is told. Its own state has already taken it in.
pub enum On<'a, E, T> {
    /// An event of its set.
    Event(&'a E),
    /// A timer it had set has run out.
    Timer(&'a T),
    /// A command it had sent was refused.
    Refused(&'a Refused),
}

/// A process manager (saga), one instance per key.
///
/// Its state is the fold of what it saw; `react` is pure and says what to do next. The framework records the effects,
/// sends the commands, keeps the timers across restarts, and runs the undo list when asked to compensate.
pub trait Process: Model {
    /// Its stable name; timers and records carry it.
    const NAME: &'static str;
    /// What its timers carry. An instance has at most one timer per kind: see [`Effects::after`].
    type Timer: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// What to do about it.
    fn react(&self, on: On<'_, Self::Event, Self::Timer>, effects: &mut Effects<Self::Timer>);

    /// Takes a timer into the state, if the state depends on it.
    fn on_timer(&mut self, _timer: &Self::Timer) {}

    /// Takes a refusal into the state, if the state depends on it.
    fn on_refused(&mut self, _refused: &Refused) {}
}

/// A command to be sent, written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// The command's name.
    pub command: SmolStr,
    /// The version of its shape.
    pub version: u16,
    /// The topic it travels on.
    pub topic: SmolStr,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The command as JSON text.
    pub data: String,
}

impl Sending {
    fn of<C: Command>(command: &C) -> Result<Self, EffectError> {
        let data = serde_json::to_string(command).map_err(|reason| EffectError::json(C::NAME, &reason))?;
        let tags = command.tags().map_err(|source| EffectError::Tag {
            command: C::NAME,
            source,
        })?;
        Ok(Self {
            command: SmolStr::new_static(C::NAME),
            version: C::VERSION,
            topic: format_smolstr!("{}.commands", C::service()),
            tags,
            data,
        })
    }

    pub(crate) fn event_type(&self) -> EventType {
        EventType::new(self.command.clone())
    }

    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::from(self.data.clone().into_bytes())
    }
}

/// Why an effect could not be written down. The process stops at this input; see `status`.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum EffectError {
    /// A key of a command makes no tag.
    #[error("the command {command} has a key that makes no tag: {source}")]
    Tag {
        /// Which command.
        command: &'static str,
        /// What is wrong with the tag.
        source: TagError,
    },
    /// A command or timer cannot be written as JSON.
    #[error("{what} cannot be written as JSON: {reason}")]
    Json {
        /// Which.
        what: &'static str,
        /// What the codec said.
        reason: String,
    },
}

impl EffectError {
    fn json(what: &'static str, reason: &serde_json::Error) -> Self {
        Self::Json {
            what,
            reason: reason.to_string(),
        }
    }
}

/// Commands that a test expects to be sent: one, a list, an array or a tuple of them; `()` for none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command or several",
    note = "a command, `Vec`, an array or a tuple of commands, or `()`"
)]
pub trait IntoCommands {
    /// Writes them down in order.
    ///
    /// # Errors
    /// [`EffectError`]: a key that makes no tag, or content that JSON cannot hold.
    fn write(&self, sendings: &mut Vec<Sending>) -> Result<(), EffectError>;
}

impl<C: Command> IntoCommands for C {
    fn write(&self, sendings: &mut Vec<Sending>) -> Result<(), EffectError> {
        sendings.push(Sending::of(self)?);
        Ok(())
    }
}

impl IntoCommands for () {
    fn write(&self, _: &mut Vec<Sending>) -> Result<(), EffectError> {
        Ok(())
    }
}

impl<T: IntoCommands> IntoCommands for Vec<T> {
    fn write(&self, sendings: &mut Vec<Sending>) -> Result<(), EffectError> {
        self.iter().try_for_each(|command| command.write(sendings))
    }
}

impl<T: IntoCommands, const N: usize> IntoCommands for [T; N] {
    fn write(&self, sendings: &mut Vec<Sending>) -> Result<(), EffectError> {
        self.iter().try_for_each(|command| command.write(sendings))
    }
}

macro_rules! tuple {
    ($($part:ident),+) => {
        impl<$($part: IntoCommands),+> IntoCommands for ($($part,)+) {
            #[allow(non_snake_case, reason = "the parts are named after their types")]
            fn write(&self, sendings: &mut Vec<Sending>) -> Result<(), EffectError> {
                let ($($part,)+) = self;
                $($part.write(sendings)?;)+
                Ok(())
            }
        }
    };
}

tuple!(A, B);
tuple!(A, B, C);
tuple!(A, B, C, D);

/// One thing a process wants, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Send a command; if there is an undo, it joins the undo list.
    Send {
        /// The command.
        send: Sending,
        /// What takes it back.
        undo: Option<Sending>,
    },
    /// Set a timer.
    After {
        /// Its kind; a newer one of the same kind replaces it.
        timer: SmolStr,
        /// How long from now, in microseconds.
        micros: u64,
        /// What it carries, as JSON text.
        data: String,
    },
    /// Cancel the timer of a kind, if it is set.
    Cancel {
        /// Its kind.
        timer: SmolStr,
    },
    /// Send the undo list, newest first, and empty it.
    Compensate,
    /// The process is done: its timers and undo list are dropped.
    Complete,
}

/// Collects what a process wants.
#[derive(Debug)]
pub struct Effects<T> {
    pub(crate) effects: Vec<Effect>,
    pub(crate) failed: Option<EffectError>,
    timer: std::marker::PhantomData<fn(T)>,
}

impl<T> Default for Effects<T> {
    fn default() -> Self {
        Self {
            effects: Vec::new(),
            failed: None,
            timer: std::marker::PhantomData,
        }
    }
}

impl<T: Serialize> Effects<T> {
    /// Sends a command to the service that takes it. Say `.undo(other)` on what this returns to name the command that
    /// takes it back; the undo is due whether or not an answer ever came, since a step without an answer may still
    /// have happened.
    pub fn send<C: Command>(&mut self, command: C) -> Undo<'_> {
        match Sending::of(&command) {
            Ok(send) => self.effects.push(Effect::Send { send, undo: None }),
            Err(failed) => self.failed = self.failed.take().or(Some(failed)),
        }
        Undo {
            effects: &mut self.effects,
            failed: &mut self.failed,
        }
    }

    /// Sets a timer. An instance has one timer per kind, and the kind is the shape of the timer: the variant's name
    /// for an enum, the type's name for a struct. Setting it again replaces it.
    pub fn after(&mut self, delay: Duration, timer: T) {
        match serde_json::to_value(&timer) {
            Ok(value) => self.effects.push(Effect::After {
                timer: kind_of::<T>(&value),
                micros: u64::try_from(delay.as_micros()).unwrap_or(u64::MAX),
                data: value.to_string(),
            }),
            Err(reason) => self.failed = self.failed.take().or(Some(EffectError::json("a timer", &reason))),
        }
    }

    /// Cancels the timer of the same kind as this one; what it carries does not matter.
    pub fn cancel(&mut self, timer: &T) {
        match serde_json::to_value(timer) {
            Ok(value) => self.effects.push(Effect::Cancel {
                timer: kind_of::<T>(&value),
            }),
            Err(reason) => self.failed = self.failed.take().or(Some(EffectError::json("a timer", &reason))),
        }
    }

    /// Sends the undo list, newest first.
    pub fn compensate(&mut self) {
        self.effects.push(Effect::Compensate);
    }

    /// The process has reached its end: timers and undo list are dropped.
    pub fn complete(&mut self) {
        self.effects.push(Effect::Complete);
    }

    /// What was collected, for tests.
    pub fn into_vec(self) -> Vec<Effect> {
        self.effects
    }
}

/// Serde writes an enum's variant as a bare name or as the only name of an object.
fn kind_of<T>(value: &serde_json::Value) -> SmolStr {
    match value {
        serde_json::Value::String(variant) => SmolStr::new(variant),
        serde_json::Value::Object(fields) if fields.len() == 1 => {
            fields.keys().next().map_or_else(SmolStr::default, SmolStr::new)
        }
        _ => SmolStr::new(std::any::type_name::<T>().rsplit("::").next().unwrap_or_default()),
    }
}

/// Names the command that takes back the one just sent.
pub struct Undo<'a> {
    effects: &'a mut Vec<Effect>,
    failed: &'a mut Option<EffectError>,
}

impl Undo<'_> {
    /// Joins this command to the undo list.
    pub fn undo<C: Command>(self, command: C) {
        match (Sending::of(&command), self.effects.last_mut()) {
            (Ok(sending), Some(Effect::Send { undo, .. })) => *undo = Some(sending),
            (Ok(_), _) => {}
            (Err(failed), _) => *self.failed = self.failed.take().or(Some(failed)),
        }
    }
}
