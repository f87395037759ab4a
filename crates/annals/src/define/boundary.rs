//! Boundaries: which models a decision reads, and for which keys.
//!
//! A boundary is declared by the signature of the decision: `&Order` is the order of the command's key, `&Each<Stock>`
//! the stock of each of its articles. What was read is what the append depends on; there is nothing to keep in step.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::event::EventType;
use annals_core::query::QueryItem;
use annals_core::tag::{Tag, TagError};

use crate::define::event::EventSet;
use crate::define::key::Key;
use crate::define::message::DecodeError;
use crate::define::model::Model;

/// A command that carries one key of a kind, in a field marked `#[key]`.
#[diagnostic::on_unimplemented(
    message = "the command `{Self}` does not carry a `{K}`",
    label = "a decision on this command reads a model whose key is `{K}`",
    note = "add a field `#[key] name: {K}` to the command"
)]
pub trait HasKey<K: Key> {
    /// The key.
    fn key(&self) -> &K;
}

/// A command that carries a list of keys of a kind, in a field marked `#[key(each = name: K)]`.
#[diagnostic::on_unimplemented(
    message = "the command `{Self}` does not carry a list of `{K}`",
    label = "a decision on this command reads `Each<_>` of a model whose key is `{K}`",
    note = "add a field `#[key(each = name: {K})] lines: Vec<Line>`, where `Line` has a field `name: {K}`"
)]
pub trait HasKeys<K: Key> {
    /// The keys, in the order of the list; may repeat.
    fn keys(&self) -> Vec<&K>;
}

/// The state of a model, as the cache keeps it whatever its type.
pub type AnyState = Arc<dyn Any + Send + Sync>;

/// How to fold one model, whatever its type.
#[derive(Clone, Copy)]
pub struct Fold {
    /// Which model.
    pub model: TypeId,
    /// Its Rust name, for errors and the console.
    pub name: &'static str,
    /// The kind of its keys.
    pub kind: &'static str,
    /// The types it folds.
    pub types: &'static [EventType],
    /// The newest version of each.
    pub versions: &'static [u16],
    /// The types a decision depends on.
    pub deciding: &'static [EventType],
    /// Types that decisions may ignore although this build does not know them.
    pub ignored: &'static [&'static str],
    /// The state before the first event.
    pub empty: fn() -> AnyState,
    /// Applies one event; `false` if the state is shared and could not be changed.
    pub apply: fn(&mut AnyState, &EventType, u16, &[u8]) -> Result<bool, DecodeError>,
    /// The state as JSON.
    pub show: fn(&AnyState) -> serde_json::Value,
    /// How its states are kept as snapshots, if they are.
    pub snapshot: Option<AnySnapshot>,
}

/// How states of one model are kept as snapshots, whatever its type.
#[derive(Clone, Copy)]
pub struct AnySnapshot {
    /// The name they are kept under.
    pub name: &'static str,
    /// The version that whoever wrote the model gave to its state.
    pub version: u32,
    /// A state as JSON; an error says why it would not come back the same.
    pub write: fn(&AnyState) -> Result<Vec<u8>, serde_json::Error>,
    /// The state again.
    pub read: fn(&[u8]) -> Result<AnyState, serde_json::Error>,
}

impl Fold {
    /// How to fold this model.
    pub fn of<M: Model>() -> Self {
        Self {
            model: TypeId::of::<M>(),
            name: std::any::type_name::<M>(),
            kind: M::Key::KIND,
            types: M::Event::TYPES,
            versions: M::Event::VERSIONS,
            deciding: M::Event::DECIDING,
            ignored: M::IGNORED,
            empty: || Arc::new(M::default()),
            apply: apply::<M>,
            show: show::<M>,
            snapshot: M::SNAPSHOT.map(|snapshot| AnySnapshot {
                name: snapshot.name,
                version: snapshot.version,
                write: write::<M>,
                read: read::<M>,
            }),
        }
    }
}

/// Writes a state that can be read again. A number that is none, for one, would not come back.
fn write<M: Model>(state: &AnyState) -> Result<Vec<u8>, serde_json::Error> {
    let whole = serde_json::to_value(state.downcast_ref::<M>())?;
    let json = serde_json::to_vec(&state.downcast_ref::<M>())?;
    match show::<M>(&read::<M>(&json)?) == whole {
        true => Ok(json),
        false => Err(serde::ser::Error::custom("it does not come back the same")),
    }
}

fn read<M: Model>(json: &[u8]) -> Result<AnyState, serde_json::Error> {
    let snapshot = M::SNAPSHOT.ok_or_else(|| serde::de::Error::custom("its model keeps none"))?;
    (snapshot.read)(json).map(|state| Arc::new(state) as AnyState)
}

fn apply<M: Model>(
    state: &mut AnyState,
    event_type: &EventType,
    version: u16,
    data: &[u8],
) -> Result<bool, DecodeError> {
    let Some(model) = Arc::get_mut(state).and_then(|state| state.downcast_mut::<M>()) else {
        return Ok(false);
    };
    if let Some(event) = M::Event::decode(event_type, version, data)? {
        model.apply(&event);
    }
    Ok(true)
}

fn show<M: Model>(state: &AnyState) -> serde_json::Value {
    let model = state.downcast_ref::<M>();
    model
        .and_then(|model| serde_json::to_value(model).ok())
        .unwrap_or(serde_json::Value::Null)
}

/// One model for one key, to be loaded.
pub struct Wanted {
    /// How.
    pub fold: Fold,
    /// Whose.
    pub tag: Tag,
}

impl Wanted {
    fn of<M: Model>(key: &M::Key) -> Result<Self, TagError> {
        Ok(Self {
            fold: Fold::of::<M>(),
            tag: key.tag()?,
        })
    }

    /// What the append must not have missed.
    pub fn deciding(&self) -> QueryItem {
        QueryItem::of(self.fold.deciding, self.tag.clone())
    }
}

/// The states that were loaded, in the order they were wanted.
pub struct States {
    states: std::vec::IntoIter<AnyState>,
}

impl States {
    /// Takes the states in the order in which they were wanted.
    pub fn new(states: Vec<AnyState>) -> Self {
        Self {
            states: states.into_iter(),
        }
    }

    fn take<M: Model>(&mut self) -> Arc<M> {
        let state = self
            .states
            .next()
            .expect("there is a state for each model that was wanted");
        state
            .downcast::<M>()
            .expect("states come in the order in which they were wanted")
    }
}

/// One parameter of a decision: a model, or [`Each`] of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not something a decision on `{C}` can read",
    note = "read `&SomeModel`, `&Each<SomeModel>`, or a struct with `#[derive(Boundary)] #[boundary({C})]`"
)]
pub trait Member<C>: 'static {
    /// What the decision is lent.
    type Loaded: Send + Sync;

    /// How its models fold.
    fn folds(folds: &mut Vec<Fold>);
    /// Which states it needs for this command.
    ///
    /// # Errors
    /// A key that makes no tag.
    fn want(command: &C, wanted: &mut Vec<Wanted>) -> Result<(), TagError>;
    /// Takes them.
    fn take(command: &C, states: &mut States) -> Self::Loaded;
}

impl<C: HasKey<M::Key>, M: Model> Member<C> for M {
    type Loaded = Arc<M>;

    fn folds(folds: &mut Vec<Fold>) {
        folds.push(Fold::of::<M>());
    }

    fn want(command: &C, wanted: &mut Vec<Wanted>) -> Result<(), TagError> {
        wanted.push(Wanted::of::<M>(command.key())?);
        Ok(())
    }

    fn take(_: &C, states: &mut States) -> Arc<M> {
        states.take()
    }
}

/// A model for each key of a command's list.
pub struct Each<M: Model> {
    models: BTreeMap<M::Key, Arc<M>>,
}

impl<M: Model> Each<M> {
    /// From keys and their states; for tests of decisions.
    pub fn new(models: impl IntoIterator<Item = (M::Key, M)>) -> Self {
        Self {
            models: models
                .into_iter()
                .map(|(key, model)| (key, Arc::new(model)))
                .collect(),
        }
    }

    /// The model of a key; `None` if the command's list does not hold that key.
    pub fn get(&self, key: &M::Key) -> Option<&M> {
        self.models.get(key).map(Arc::as_ref)
    }

    /// Keys and models, by key, each key once.
    pub fn iter(&self) -> impl Iterator<Item = (&M::Key, &M)> {
        self.models.iter().map(|(key, model)| (key, model.as_ref()))
    }

    /// How many different keys there are.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether the command's list was empty.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }
}

impl<M: Model> std::ops::Index<&M::Key> for Each<M> {
    type Output = M;

    /// The model of a key of the command's list.
    ///
    /// # Panics
    /// If the command's list does not hold that key; [`Each::get`] does not.
    fn index(&self, key: &M::Key) -> &M {
        self.get(key).expect("the key is in the command's list")
    }
}

fn distinct<C: HasKeys<K>, K: Key>(command: &C) -> Vec<&K> {
    let mut keys = command.keys();
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl<C: HasKeys<M::Key>, M: Model> Member<C> for Each<M> {
    type Loaded = Self;

    fn folds(folds: &mut Vec<Fold>) {
        folds.push(Fold::of::<M>());
    }

    fn want(command: &C, wanted: &mut Vec<Wanted>) -> Result<(), TagError> {
        distinct(command).into_iter().try_for_each(|key| {
            wanted.push(Wanted::of::<M>(key)?);
            Ok(())
        })
    }

    fn take(command: &C, states: &mut States) -> Self {
        Self {
            models: distinct(command)
                .into_iter()
                .map(|key| (key.clone(), states.take()))
                .collect(),
        }
    }
}

/// All that a decision reads: a tuple of members.
pub trait Boundary<C>: 'static {
    /// What the decision is lent.
    type Loaded: Send + Sync;

    /// How its models fold.
    fn folds() -> Vec<Fold>;
    /// Which states it needs for this command.
    ///
    /// # Errors
    /// A key that makes no tag.
    fn want(command: &C) -> Result<Vec<Wanted>, TagError>;
    /// Takes them.
    fn take(command: &C, states: States) -> Self::Loaded;
}

macro_rules! boundary {
    ($($member:ident),*) => {
        impl<Cmd: 'static, $($member: Member<Cmd>),*> Boundary<Cmd> for ($($member,)*) {
            type Loaded = ($($member::Loaded,)*);

            #[allow(unused_mut, reason = "a boundary may be empty")]
            fn folds() -> Vec<Fold> {
                let mut folds = Vec::new();
                $($member::folds(&mut folds);)*
                folds
            }

            #[allow(unused_mut, unused_variables, reason = "a boundary may be empty")]
            fn want(command: &Cmd) -> Result<Vec<Wanted>, TagError> {
                let mut wanted = Vec::new();
                $($member::want(command, &mut wanted)?;)*
                Ok(wanted)
            }

            #[allow(unused_mut, unused_variables, clippy::unused_unit, reason = "a boundary may be empty")]
            fn take(command: &Cmd, mut states: States) -> Self::Loaded {
                ($($member::take(command, &mut states),)*)
            }
        }
    };
}

boundary!();
boundary!(A);
boundary!(A, B);
boundary!(A, B, C);
boundary!(A, B, C, D);

/// Declares the named models of a boundary struct; what `#[derive(Boundary)]` calls for each field.
///
/// # Errors
/// The key makes no tag.
pub fn want_named<M: Model>(key: &M::Key, wanted: &mut Vec<Wanted>) -> Result<(), TagError> {
    wanted.push(Wanted::of::<M>(key)?);
    Ok(())
}

/// Takes the state of one named model; what `#[derive(Boundary)]` calls for each field.
pub fn take_named<M: Model>(states: &mut States) -> Arc<M> {
    states.take()
}
