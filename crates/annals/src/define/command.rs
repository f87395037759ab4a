//! Commands and the decisions that answer them.

use std::borrow::Cow;

use annals_core::tag::{Tag, TagError};
use annals_core::time::Timestamp;

use crate::define::boundary::Boundary;
use crate::define::context::Context;
use crate::define::event::IntoEvents;
use crate::define::message::Message;

/// A request to change something, with the keys of what it is about.
///
/// Derive it, with serde's derives and `Clone` beside it:
/// `#[derive(Command, Clone, Serialize, Deserialize)] #[named("orders.place")] struct PlaceOrder { #[key] order: OrderId }`.
///
/// Its name begins with the service that takes it: a command `orders.place` sent as a message travels on the topic
/// `orders.commands`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    note = "derive it: `#[derive(Command, Clone, Serialize, Deserialize)] #[named(\"orders.place\")] struct {Self} {{ .. }}`"
)]
pub trait Command: Message + Clone {
    /// The tags of all its keys, the first field's first, none twice. When it travels, the first orders it.
    ///
    /// # Errors
    /// A key that makes no tag.
    fn tags(&self) -> Result<Vec<Tag>, TagError>;

    /// When it happened in the world, if the command says so: its field marked `#[occurred]`.
    fn occurred(&self) -> Option<Timestamp> {
        None
    }

    /// The service that takes it: its name up to the first dot.
    fn service() -> &'static str
    where
        Self: Sized,
    {
        let name: &'static str = Self::NAME;
        name.split_once('.').map_or(name, |(service, _)| service)
    }

    /// Its stable name, as [`Message::TYPE`].
    const NAME: &'static str;
}

/// Why a decision said no. Derive it beside `thiserror::Error`: the code of a variant is its name in snake case.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a refusal",
    note = "derive it beside `thiserror::Error`: `#[derive(Debug, Error, Refusal)] enum {Self} {{ .. }}`"
)]
pub trait Refusal: std::error::Error + Send + Sync + 'static {
    /// A stable word for programs: `out_of_stock`.
    fn code(&self) -> Cow<'static, str>;
}

/// No decision of this kind ever refuses.
impl Refusal for std::convert::Infallible {
    fn code(&self) -> Cow<'static, str> {
        match *self {}
    }
}

/// The decision on a command. `#[command]` on a plain function writes this impl and leaves the function as it is.
#[diagnostic::on_unimplemented(
    message = "there is no working decision for the command `{Self}`",
    note = "if there is one, mend the errors at it first; else write one: \
            `#[command] fn decide(command: {Self}, model: &SomeModel) -> Result<SomeEvent, SomeRefusal> {{ .. }}`"
)]
pub trait Decide: Command {
    /// The models it reads.
    type Boundary: Boundary<Self>;
    /// The events it answers with.
    type Output: IntoEvents + Send;
    /// How it says no.
    type Refusal: Refusal;

    /// Pure: the same command, models and context give the same answer. Repeated when somebody else was first.
    ///
    /// # Errors
    /// The domain's refusal.
    fn decide(
        self,
        models: &<Self::Boundary as Boundary<Self>>::Loaded,
        context: &Context,
    ) -> Result<Self::Output, Self::Refusal>;
}
