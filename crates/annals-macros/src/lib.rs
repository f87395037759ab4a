//! The derives and attributes of annals. Use them through the crate `annals`, which exports each beside its trait.
//!
//! Data is derived ([`macro@Key`], [`macro@Event`], [`macro@Events`], [`macro@Command`], [`macro@Refusal`],
//! [`macro@Boundary`]), decisions and handlers are plain functions with an attribute ([`macro@command`],
//! [`macro@handler`]).
//!
//! In: syntax. Out: impls of the traits of `annals`, beside what was written.
//!
//! 1. What the user wrote is never changed: functions stay functions that anyone can call.
//! 2. Nothing is stored under a name that was not written out: Rust names may change at any time.
//! 3. An error points at the part that is wrong and says what to write instead.
//!
//! This crate sees syntax only. Whether a type is a key, an event or a model is said by the compiler, through the
//! traits and through assertions that the macros put beside their impls.

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, ItemFn, Result, parse_macro_input};

mod word;
mod shape;
mod message;
mod tags;
mod key;
mod event;
mod events;
mod command;
mod refusal;
mod boundary;
mod signature;
mod decide;
mod handle;

fn derive(input: TokenStream, write: fn(&DeriveInput) -> Result<proc_macro2::TokenStream>) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    write(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Derives `Key` for a struct around one value: a typed id that is also a tag.
///
/// `#[key("kind")]` names the kind: lower-case letters, digits, `_` and `-`, beginning with a letter, at most 64 bytes.
/// The value inside must implement `Clone`, `Ord`, `Hash`, `Display`, `FromStr`, `Serialize` and `Deserialize`.
///
/// Written beside `Key`: `Clone`, `Debug` (`OrderId(42)`), `Display` and `FromStr` (as the value), `PartialEq`, `Eq`,
/// `PartialOrd`, `Ord`, `Hash`, `Serialize` and `Deserialize` (transparent), `From` of the value, of `&str` too if the
/// value is a `String` or `SmolStr`, and `get`, which lends the value and is as visible as the key. Do not derive these
/// again; `Copy` may be added.
///
/// ```
/// use annals::Key;
///
/// #[derive(Key, Copy)]
/// #[key("order")]
/// struct OrderId(u64);
///
/// #[derive(Key)]
/// #[key("sku")]
/// struct Sku(String);
///
/// let order = OrderId::from(42);
/// assert_eq!(order.tag()?.as_str(), "order:42");
/// assert_eq!(OrderId::parse("42"), Some(order));
/// assert_eq!(Sku::from("85123A").get(), "85123A");
/// # Ok::<(), annals::core::tag::TagError>(())
/// ```
#[proc_macro_derive(Key, attributes(key))]
pub fn derive_key(input: TokenStream) -> TokenStream {
    derive(input, key::derive)
}

/// Derives `Event` for a struct: a fact with a name that is stored for ever, a version, and tags.
///
/// `#[event("order.placed")]` names it: two or more lower-case words with dots between them, at most 255 bytes. Behind the
/// name, in any order:
///
/// - `version = 2, from = OrderPlacedV1`: the shape has changed. The older struct stays, with its own derive, and
///   `From<OrderPlacedV1>` lifts it when it is read. Versions rise by one; that the older struct has the same name and the
///   version before is checked when compiling. Content of a version above this one is `DecodeError::Newer`.
/// - `private`: the relay does not publish it.
///
/// At least one field is marked as a key; none of the tags is there twice, the first stays:
///
/// - `#[tag]` on a key, an `Option` of one (no tag if `None`) or a `Vec` of them (one tag each);
/// - `#[tag(each = sku)]` on a list whose items have a key in the field `sku`;
/// - `#[tag(partition)]` on one plain key whose tag goes first and orders the event's message. Without it the first tag
///   does. An event whose only tags are in options and lists may end up without any, which no store takes.
///
/// Written beside `Event`: `Message`, `EventSet` of this one event, and `IntoEvents`. Serde's derives belong to the user.
/// `Message` and `EventSet` both have a `decode`: name the trait where both are imported.
///
/// ```
/// use annals::{Event, Key, Message};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Key)]
/// #[key("order")]
/// struct OrderId(u64);
///
/// #[derive(Key)]
/// #[key("sku")]
/// struct Sku(String);
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event("order.placed")]
/// struct OrderPlacedV1 {
///     #[tag]
///     order: OrderId,
///     sku: Sku,
/// }
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event("order.placed", version = 2, from = OrderPlacedV1)]
/// struct OrderPlaced {
///     #[tag]
///     skus: Vec<Sku>,
///     #[tag(partition)]
///     order: OrderId,
/// }
///
/// impl From<OrderPlacedV1> for OrderPlaced {
///     fn from(old: OrderPlacedV1) -> Self {
///         Self { order: old.order, skus: vec![old.sku] }
///     }
/// }
///
/// let placed = OrderPlaced::decode(1, br#"{"order":42,"sku":"85123A"}"#)?;
/// let tags = placed.tags()?;
/// assert_eq!(tags[0].as_str(), "order:42");
/// assert_eq!(tags[1].as_str(), "sku:85123A");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[proc_macro_derive(Event, attributes(event, tag))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    derive(input, event::derive)
}

/// Derives `EventSet` for an enum with one newtype variant per event: a set that somebody understands.
///
/// A variant marked `#[commutes]` is folded by models, but decisions do not depend on it: it is in `TYPES`, not in
/// `DECIDING`. Two structs with one stored name, such as two versions of an event, are refused when compiling.
///
/// Written beside `EventSet`: `From` of each event, and `IntoEvents`, so that decisions may return the set.
///
/// ```
/// use annals::{Event, EventSet, Events, Key, Message};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Key)]
/// #[key("sku")]
/// struct Sku(String);
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event("stock.received")]
/// struct StockReceived {
///     #[tag]
///     sku: Sku,
/// }
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event("stock.sold")]
/// struct StockSold {
///     #[tag]
///     sku: Sku,
/// }
///
/// #[derive(Events)]
/// enum StockFact {
///     #[commutes]
///     Received(StockReceived),
///     Sold(StockSold),
/// }
///
/// assert_eq!(StockFact::TYPES, [StockReceived::TYPE, StockSold::TYPE]);
/// assert_eq!(StockFact::DECIDING, [StockSold::TYPE]);
/// let fact = StockFact::from(StockSold { sku: Sku::from("85123A") });
/// assert!(matches!(fact, StockFact::Sold(_)));
/// ```
#[proc_macro_derive(Events, attributes(commutes))]
pub fn derive_events(input: TokenStream) -> TokenStream {
    derive(input, events::derive)
}

/// Derives `Command` for a struct: a request with a name, a version, and the keys of what it is about.
///
/// `#[named("orders.place")]` names it, as an event is named; the first word is the service that takes it. `version` and
/// `from` work as they do for events.
///
/// At least one field is marked as a key. The keys are the command's tags, in the order of the fields, none twice, and the
/// way in which decisions find their models:
///
/// - `#[key]` on a key: decisions may read `&Order` of it;
/// - `#[key(each)]` on a `Vec` of keys, or `#[key(each = sku: Sku)]` on a list whose items have a key of the type `Sku` in
///   the field `sku` (a derive does not see the fields of another type, so the key's type is written): decisions may read
///   `&Each<Stock>` of them;
/// - `#[key(named)]` and `#[key(each, named)]`: a tag, but not *the* key of its type. Two keys of one type are both marked
///   so; a struct with `#[derive(Boundary)]` reads their models by name.
///
/// `#[occurred]` marks the one field of type `Timestamp` or `Option<Timestamp>` that says when it happened in the world.
///
/// Written beside `Command`: `Message`, and `HasKey` or `HasKeys` of each key that is not `named`. Serde's derives and
/// `Clone` belong to the user.
///
/// ```
/// use annals::core::time::Timestamp;
/// use annals::{Command, Key};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Key)]
/// #[key("order")]
/// struct OrderId(u64);
///
/// #[derive(Key)]
/// #[key("sku")]
/// struct Sku(String);
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Line {
///     sku: Sku,
///     quantity: u32,
/// }
///
/// #[derive(Command, Clone, Serialize, Deserialize)]
/// #[named("stock.reserve")]
/// struct Reserve {
///     #[key]
///     order: OrderId,
///     #[key(each = sku: Sku)]
///     lines: Vec<Line>,
///     #[occurred]
///     date: Option<Timestamp>,
/// }
///
/// let line = |sku: &str| Line { sku: sku.into(), quantity: 1 };
/// let reserve = Reserve { order: 42.into(), lines: vec![line("a"), line("b"), line("a")], date: None };
/// assert_eq!(Reserve::service(), "stock");
/// let tags: Vec<String> = reserve.tags()?.iter().map(ToString::to_string).collect();
/// assert_eq!(tags, ["order:42", "sku:a", "sku:b"]);
/// # Ok::<(), annals::core::tag::TagError>(())
/// ```
#[proc_macro_derive(Command, attributes(named, key, occurred))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    derive(input, command::derive)
}

/// Derives `Refusal` for an error: each way to say no has a stable code.
///
/// The code of a variant, or of a struct, is its name in snake case. `#[code("..")]` writes it out: a name may then change
/// without programs noticing. Codes are lower-case words with `_`, `-` or `.`.
///
/// ```
/// use annals::Refusal;
/// use thiserror::Error;
///
/// #[derive(Debug, Error, Refusal)]
/// enum ReserveRefused {
///     #[error("only {left} left")]
///     OutOfStock { left: u32 },
///     #[error("the order is closed")]
///     #[code("order.closed")]
///     Closed,
/// }
///
/// assert_eq!(ReserveRefused::OutOfStock { left: 1 }.code(), "out_of_stock");
/// assert_eq!(ReserveRefused::Closed.code(), "order.closed");
/// ```
#[proc_macro_derive(Refusal, attributes(code))]
pub fn derive_refusal(input: TokenStream) -> TokenStream {
    derive(input, refusal::derive)
}

/// Derives a named boundary: the models of a command that has two keys of one type.
///
/// `#[boundary(Transfer)]` says of which command. Each field is an `Arc` of a model, marked with the field of the command
/// that holds its key; a decision reads the struct by reference. Both keys may be the same: the two models are then two
/// copies of one state.
///
/// ```
/// use std::convert::Infallible;
/// use std::sync::Arc;
///
/// use annals::{Boundary, Command, Event, Key, Model, command};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Key)]
/// #[key("account")]
/// struct AccountId(u64);
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event("money.moved")]
/// struct MoneyMoved {
///     #[tag]
///     from: AccountId,
///     #[tag]
///     to: AccountId,
/// }
///
/// #[derive(Default, Serialize)]
/// struct Account {
///     moves: u32,
/// }
///
/// impl Model for Account {
///     type Key = AccountId;
///     type Event = MoneyMoved;
///
///     fn apply(&mut self, _: &MoneyMoved) {
///         self.moves += 1;
///     }
/// }
///
/// #[derive(Command, Clone, Serialize, Deserialize)]
/// #[named("accounts.transfer")]
/// struct Transfer {
///     #[key(named)]
///     from: AccountId,
///     #[key(named)]
///     to: AccountId,
/// }
///
/// #[derive(Boundary)]
/// #[boundary(Transfer)]
/// struct Accounts {
///     #[key(from)]
///     from: Arc<Account>,
///     #[key(to)]
///     to: Arc<Account>,
/// }
///
/// #[command]
/// fn transfer(command: Transfer, accounts: &Accounts) -> Result<Option<MoneyMoved>, Infallible> {
///     let fresh = accounts.from.moves + accounts.to.moves == 0;
///     Ok(fresh.then(|| MoneyMoved { from: command.from, to: command.to }))
/// }
/// ```
#[proc_macro_derive(Boundary, attributes(boundary, key))]
pub fn derive_boundary(input: TokenStream) -> TokenStream {
    derive(input, boundary::derive)
}

/// Makes a plain function the decision on its command, by an impl of `Decide` beside it.
///
/// The function stays as it is: anyone can call it in a test. Its first parameter is the command, by value; then come, in
/// any order, at most four models by reference (`&Order`, `&Each<Stock>`, or a struct with `#[derive(Boundary)]`), and
/// `&Context`. It returns `Result` of events and a refusal, both written out. It is not async: it sees nothing but its
/// parameters. The impl is on the command, so both are in one crate.
///
/// What the models are read for is what the append depends on. A model whose key the command does not carry is an error
/// that points at the parameter. While there is such an error, everything that needs the decision fails to compile too:
/// mend the error at the parameter first.
///
/// ```
/// use std::convert::Infallible;
///
/// use annals::{Command, Event, Key, Model, command};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Key)]
/// #[key("order")]
/// struct OrderId(u64);
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event("order.placed")]
/// struct OrderPlaced {
///     #[tag]
///     order: OrderId,
/// }
///
/// #[derive(Default, Serialize)]
/// struct Order {
///     placed: bool,
/// }
///
/// impl Model for Order {
///     type Key = OrderId;
///     type Event = OrderPlaced;
///
///     fn apply(&mut self, _: &OrderPlaced) {
///         self.placed = true;
///     }
/// }
///
/// #[derive(Command, Clone, Serialize, Deserialize)]
/// #[named("orders.place")]
/// struct Place {
///     #[key]
///     order: OrderId,
/// }
///
/// /// Placing an order twice has one effect.
/// #[command]
/// fn place(command: Place, order: &Order) -> Result<Option<OrderPlaced>, Infallible> {
///     Ok((!order.placed).then_some(OrderPlaced { order: command.order }))
/// }
///
/// assert!(place(Place { order: 42.into() }, &Order { placed: false })?.is_some());
/// assert!(place(Place { order: 42.into() }, &Order { placed: true })?.is_none());
/// # Ok::<(), Infallible>(())
/// ```
#[proc_macro_attribute]
pub fn command(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let arguments = arguments.into();
    beside(function, "decision", |function| {
        decide::attribute(&arguments, function)
    })
}

/// Makes a plain async function the handler of its message, by an impl of `Handle` beside it.
///
/// The function stays as it is. Its first parameter is the message, by value: an event, or a command of this service. Then
/// come, in any order, `Context` and any number of `Dep`s, through which everything outside is reached; that they are
/// provided is checked when the service starts. It returns `Result` of events and an error, both written out, and its
/// future can be sent between threads. The impl is on the message, so both are in one crate.
///
/// `#[handler(retry = 5)]` tries again five times after a failed attempt, which is also the default, then parks the
/// message; at most 1000.
///
/// ```
/// use annals::{Command, Context, Dep, Event, Key, handler};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Key)]
/// #[key("order")]
/// struct OrderId(u64);
///
/// #[derive(Command, Clone, Serialize, Deserialize)]
/// #[named("payments.take")]
/// struct TakePayment {
///     #[key]
///     order: OrderId,
/// }
///
/// #[derive(Event, Serialize, Deserialize)]
/// #[event("payment.taken")]
/// struct PaymentTaken {
///     #[tag]
///     order: OrderId,
///     receipt: String,
/// }
///
/// struct Provider;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("the provider said no")]
/// struct Declined;
///
/// impl Provider {
///     async fn charge(&self, once: String) -> Result<String, Declined> {
///         Ok(format!("receipt {once}"))
///     }
/// }
///
/// #[handler(retry = 3)]
/// async fn take_payment(
///     message: TakePayment,
///     cx: Context,
///     Dep(provider): Dep<Provider>,
/// ) -> Result<PaymentTaken, Declined> {
///     let receipt = provider.charge(cx.idempotency_key()).await?;
///     Ok(PaymentTaken { order: message.order, receipt })
/// }
/// ```
#[proc_macro_attribute]
pub fn handler(arguments: TokenStream, function: TokenStream) -> TokenStream {
    beside(function, "handler", |function| {
        handle::attribute(arguments.into(), function)
    })
}

/// An attribute on something else than a function leaves it as it is, beside the error.
fn beside(
    item: TokenStream,
    what: &str,
    write: impl FnOnce(&ItemFn) -> proc_macro2::TokenStream,
) -> TokenStream {
    match syn::parse::<ItemFn>(item.clone()) {
        Ok(function) => write(&function).into(),
        Err(error) => {
            let item = proc_macro2::TokenStream::from(item);
            let error = syn::Error::new(error.span(), format!("a {what} is a function: {error}"))
                .into_compile_error();
            quote!(#item #error).into()
        }
    }
}
