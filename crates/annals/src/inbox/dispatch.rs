//! Dispatch: from a message's type name to the decision or handler that takes it, whatever its Rust type.

use std::marker::PhantomData;
use std::sync::Arc;

use annals_core::event::NewEvent;
use annals_core::kind::ErrorKind;
use annals_core::port::store::{Append, AppendError, BoxFuture};
use bytes::Bytes;

use crate::decide::decider::Decider;
use crate::decide::errand::{How, MessageDone};
use crate::decide::outcome::{AnyRefusal, Done, ExecuteError};
use crate::define::command::Decide;
use crate::define::context::Context;
use crate::define::event::{Drafts, IntoEvents};
use crate::define::handler::{Dependencies, Handle};
use crate::define::message::DecodeError;
use crate::ground::hub::Hub;
use crate::ground::record::request_of;

/// What became of one attempt at a message.
#[derive(Debug)]
pub(crate) enum Handled {
    /// Its effect, which may be a refusal, is durable together with the note that it is handled.
    Done,
    /// Try again later.
    Failed(String),
    /// Trying again is useless.
    Hopeless(String),
}

/// Takes messages of one type.
pub(crate) trait Taker: Send + Sync {
    fn take(&self, message: Arc<NewEvent>, done: MessageDone, attempt: u32) -> BoxFuture<'static, Handled>;

    /// How often a failing message is tried in all.
    fn attempts_max(&self) -> u32;
}

/// Takes commands as JSON from outside.
pub(crate) trait Caller: Send + Sync {
    fn call(&self, data: Bytes, how: How) -> BoxFuture<'static, Result<Done, CallError>>;
}

/// Why a command that came as JSON was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No command of this name is registered with the service.
    #[error("the service {service} takes no command {command}; it takes: {takes}")]
    NoSuchCommand {
        /// The service.
        service: String,
        /// The name that was asked for.
        command: String,
        /// The names it knows, separated by commas.
        takes: String,
    },
    /// The JSON does not have the shape of the command.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// As for commands in Rust.
    #[error(transparent)]
    Execute(#[from] ExecuteError<AnyRefusal>),
}

impl CallError {
    /// What this means in one word.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchCommand { .. } => ErrorKind::NotFound,
            Self::Decode(_) => ErrorKind::Invalid,
            Self::Execute(error) => error.kind(),
        }
    }
}

/// Commands that a decision answers.
pub(crate) struct Decision<C> {
    pub(crate) decider: Arc<Decider>,
    pub(crate) command: PhantomData<fn(C)>,
}

/// A command that meets trouble in its own service, such as a contended key, is tried this often.
const DECISION_ATTEMPTS_MAX: u32 = 10;

impl<C: Decide> Taker for Decision<C> {
    fn take(&self, message: Arc<NewEvent>, done: MessageDone, _: u32) -> BoxFuture<'static, Handled> {
        let decider = Arc::clone(&self.decider);
        Box::pin(async move {
            let command = match C::decode(message.version, &message.data) {
                Ok(command) => command,
                Err(error) => return Handled::Hopeless(error.to_string()),
            };
            let how = How {
                request: request_of(&message),
                message: Some(done),
                ..How::default()
            };
            match decider.execute(command, how).await {
                Ok(_) | Err(ExecuteError::Refused(_) | ExecuteError::RefusedBefore(_)) => Handled::Done,
                Err(error) if error.kind() == ErrorKind::Invalid => Handled::Hopeless(error.to_string()),
                Err(error) => Handled::Failed(error.to_string()),
            }
        })
    }

    fn attempts_max(&self) -> u32 {
        DECISION_ATTEMPTS_MAX
    }
}

impl<C: Decide> Caller for Decision<C> {
    fn call(&self, data: Bytes, how: How) -> BoxFuture<'static, Result<Done, CallError>> {
        let decider = Arc::clone(&self.decider);
        Box::pin(async move {
            let command = C::decode(C::VERSION, &data)?;
            Ok(decider.execute(command, how).await.map_err(ExecuteError::erase)?)
        })
    }
}

/// Messages that a handler answers.
pub(crate) struct Handling<H> {
    pub(crate) hub: Hub,
    pub(crate) dependencies: Dependencies,
    pub(crate) message: PhantomData<fn(H)>,
}

impl<H: Handle> Taker for Handling<H> {
    fn take(&self, message: Arc<NewEvent>, done: MessageDone, attempt: u32) -> BoxFuture<'static, Handled> {
        let hub = self.hub.clone();
        let dependencies = self.dependencies.clone();
        Box::pin(async move {
            let input = match H::decode(message.version, &message.data) {
                Ok(input) => input,
                Err(error) => return Handled::Hopeless(error.to_string()),
            };
            let request = hub.recording.correlated(&request_of(&message));
            let world = &hub.recording.world;
            let context = Context {
                now: world.now(),
                attempt,
                ids: Arc::clone(&world.ids),
                request: request.clone(),
            };
            let output = match input.handle(context, dependencies).await {
                Ok(output) => output,
                Err(error) => return Handled::Failed(error.to_string()),
            };
            let mut drafts = Drafts::default();
            if let Err(error) = output.write(&mut drafts) {
                return Handled::Hopeless(error.to_string());
            }
            let record = |draft| hub.recording.event(draft, &request, None);
            let events = drafts.into_vec().into_iter().map(record).collect();
            let append = Append {
                events,
                conditions: done.conditions,
                marks: done.marks,
            };
            match hub.append(append).await {
                // A conflict here can only be the mark: another attempt has handled it.
                Ok(_) | Err(AppendError::Conflict(_)) => Handled::Done,
                Err(error @ AppendError::Invalid(_)) => Handled::Hopeless(error.to_string()),
                Err(error) => Handled::Failed(error.to_string()),
            }
        })
    }

    fn attempts_max(&self) -> u32 {
        H::ATTEMPTS_MAX
    }
}
