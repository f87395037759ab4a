//! Message handlers: asynchronous, with dependencies on the outside world.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use thiserror::Error;

use crate::define::context::Context;
use crate::define::event::IntoEvents;
use crate::define::message::Message;

/// Something outside: a payment provider, a mail server. Everything outside reaches a handler through this, so that
/// it can be withheld in a dry run and replaced in a test.
pub struct Dep<T>(pub Arc<T>);

impl<T> Deref for Dep<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Dep<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// One dependency a handler asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    id: TypeId,
    name: &'static str,
}

impl Needs {
    /// A value of this type.
    pub fn of<T: 'static>() -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
        }
    }
}

/// A handler asks for something that the service was not given.
#[derive(Debug, Error)]
#[error(
    "a handler needs a {needs}, which this service was not given: add `.provide(..)` where the service is built"
)]
pub struct MissingDependency {
    needs: &'static str,
}

/// What a service provides to its handlers, by type.
#[derive(Clone, Default)]
pub struct Dependencies {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Dependencies {
    /// Provides a value; a later one of the same type replaces it.
    pub fn provide<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.values.insert(TypeId::of::<T>(), value);
    }

    /// Hands out the value of a type.
    ///
    /// # Errors
    /// [`MissingDependency`]; checked when the service starts.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<Dep<T>, MissingDependency> {
        let value = self.values.get(&TypeId::of::<T>()).cloned();
        let value = value.and_then(|value| value.downcast::<T>().ok());
        value.map(Dep).ok_or(MissingDependency {
            needs: type_name::<T>(),
        })
    }

    /// Whether everything is there that a handler needs.
    ///
    /// # Errors
    /// The first thing that is missing.
    pub fn check(&self, needs: &[Needs]) -> Result<(), MissingDependency> {
        match needs.iter().find(|needs| !self.values.contains_key(&needs.id)) {
            Some(missing) => Err(MissingDependency { needs: missing.name }),
            None => Ok(()),
        }
    }
}

/// The handler of a message, an event or a command of another service. `#[handler]` on an `async fn` writes this
/// impl and leaves the function as it is.
///
/// Its events and the note that the message is handled become durable together. It may run again after a crash in
/// between: hand [`Context::idempotency_key`] to whatever is outside.
#[diagnostic::on_unimplemented(
    message = "there is no handler for the message `{Self}`",
    note = "write one: `#[handler] async fn handle(message: {Self}, cx: Context) -> Result<SomeEvent, SomeError> {{ .. }}`"
)]
pub trait Handle: Message {
    /// The events it answers with.
    type Output: IntoEvents + Send;
    /// Why an attempt failed. It is tried again, with back-off; after the last attempt the message is parked.
    type Error: std::error::Error + Send + Sync + 'static;
    /// How often it is tried in all; `#[handler(retry = 5)]` tries six times. From 1.
    const ATTEMPTS_MAX: u32;

    /// What it needs from outside.
    fn needs() -> Vec<Needs>;

    /// Handles one message.
    fn handle(
        self,
        context: Context,
        dependencies: Dependencies,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}
