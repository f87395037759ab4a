//! Errands: commands on their way, with everything that stays the same when they are decided again.

use annals_core::condition::Condition;
use annals_core::event::NewEvent;
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::Append;
use annals_core::position::Revision;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;

use crate::decide::outcome::{Answer, AnyRefusal, ExecuteError, FirstAnswer, fingerprint};
use crate::define::boundary::{Boundary, Wanted};
use crate::define::command::Decide;
use crate::define::context::Request;
use crate::define::process::Refused;
use crate::ground::record::{COMMAND_REFUSED, Recording};

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
    /// The note itself: of two messages with one note, only the first has an effect.
    pub note: MarkKey,
    /// That the note is not there yet, and that whoever will write it still leads.
    pub conditions: Vec<Condition>,
    /// Sets it, and whatever else goes with it.
    pub marks: Vec<Mark>,
}

/// A command on its way.
pub(crate) struct Errand<C> {
    pub(crate) command: C,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) how: How,
    pub(crate) request: Request,
    /// Its idempotency key, and what tells another command under that key apart.
    pub(crate) key: Option<(MarkKey, String)>,
}

impl<C: Decide> Errand<C> {
    pub(crate) fn new(command: C, how: How, recording: &Recording) -> Result<Self, ExecuteError<C::Refusal>> {
        let wrong = |source| ExecuteError::Key {
            command: C::NAME,
            source,
        };
        let wanted = C::Boundary::want(&command).map_err(wrong)?;
        let tags = command.tags().map_err(wrong)?;
        if let Some(found) = how
            .idempotency_key
            .as_ref()
            .filter(|key| !is_idempotency_key(key))
        {
            return Err(ExecuteError::IdempotencyKey { bytes: found.len() });
        }
        let request = recording.correlated(&how.request);
        let key = how.idempotency_key.as_ref().map(|key| {
            let data = serde_json::to_vec(&command).unwrap_or_default();
            (
                MarkKey::new(IDEMPOTENCY, key.as_str()),
                fingerprint(C::NAME, &data),
            )
        });
        Ok(Self {
            command,
            wanted,
            tags,
            how,
            request,
            key,
        })
    }

    /// What nobody else may work on at the same time.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = Tag> {
        let key = self
            .key
            .as_ref()
            .and_then(|(key, _)| Tag::of(IDEMPOTENCY, &key.name).ok());
        self.wanted.iter().map(|wanted| wanted.tag.clone()).chain(key)
    }

    /// The marks that must not be set by two errands of one append.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &MarkKey> {
        let message = self.how.message.iter().map(|message| &message.note);
        message.chain(self.key.as_ref().map(|(key, _)| key))
    }

    /// Its refusal as an event, for whoever sent it.
    pub(crate) fn refused_event(&self, refusal: &AnyRefusal, recording: &Recording) -> NewEvent {
        let refused = Refused {
            command: C::NAME.into(),
            code: refusal.code.clone(),
            detail: refusal.detail.clone(),
        };
        let data = serde_json::to_vec(&refused)
            .expect("a refusal is made of strings")
            .into();
        let sent = self.how.message.iter().flat_map(|message| &message.tags);
        let mut tags = self.tags.clone();
        tags.extend(sent.filter(|tag| !self.tags.contains(tag)).cloned());
        recording.own(COMMAND_REFUSED, tags, data, &self.request)
    }

    /// Adds what goes with its answer besides events: what it expects, and its notes.
    pub(crate) fn note_answer(&self, answer: Answer, append: &mut Append) {
        if let Some((tag, expected)) = &self.how.expects {
            append.conditions.push(Condition::TagAt {
                tag: tag.clone(),
                expected: *expected,
            });
        }
        if let Some(message) = &self.how.message {
            let first = append.conditions.first().cloned();
            let new = message
                .conditions
                .iter()
                .filter(|condition| first.as_ref() != Some(*condition));
            append.conditions.extend(new.cloned());
            append.marks.extend(message.marks.iter().cloned());
        }
        if let Some((key, fingerprint)) = &self.key {
            let correlation = self.request.correlation;
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
    }

    /// Whether the message this command came as was found to be handled before, or to be handled by somebody else now.
    pub(crate) fn is_handled(&self, found: &MarkKey) -> bool {
        let conditions = self.how.message.iter().flat_map(|message| &message.conditions);
        let mut keys = conditions.filter_map(|condition| match condition {
            Condition::MarkIs { key, .. } => Some(key),
            _ => None,
        });
        keys.any(|key| key == found)
    }
}

fn is_idempotency_key(key: &str) -> bool {
    (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && !key.chars().any(char::is_control)
}
