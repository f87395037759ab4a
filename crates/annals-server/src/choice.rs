//! Which events a request asks for.
//!
//! In: the parameters `type`, `tag` and `correlation`. Out: a query. Several types mean any of them, several tags all
//! of them; `type=order.*` means every type that begins with `order.`.

use annals_core::event::{EventType, NewEvent};
use annals_core::port::store::EventStore;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;

use crate::params::Params;
use crate::problem::{Answer, BAD_REQUEST, Problem};

/// The parameters that choose events.
pub(crate) const NAMES: [&str; 3] = ["type", "tag", "correlation"];

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Choice {
    types: Vec<EventType>,
    /// The beginnings of types, where a star stood.
    beginnings: Vec<String>,
    item: QueryItem,
}

impl Choice {
    pub(crate) fn from_params(params: &Params) -> Answer<Self> {
        let mut choice = Self {
            types: Vec::new(),
            beginnings: Vec::new(),
            item: QueryItem::default(),
        };
        for name in params.all("type") {
            match name.strip_suffix('*') {
                Some(beginning) => choice.beginnings.push(beginning.to_owned()),
                None => choice.types.push(EventType::new(name)),
            }
        }
        for tag in params.all("tag") {
            let wrong = |error| Box::new(Problem::new(&BAD_REQUEST, format!("the parameter tag: {error}")));
            choice.item.tags.push(Tag::new(tag).map_err(wrong)?);
        }
        choice.item.correlation = params.read("correlation")?;
        Ok(choice)
    }

    /// The query for the types that the store holds today; `None` if it can hold no match.
    pub(crate) async fn today(self, store: &dyn EventStore) -> Answer<Option<Query>> {
        let Self {
            mut types,
            beginnings,
            item,
        } = self;
        if !beginnings.is_empty() {
            let known = store.types().await?.into_iter().map(|count| count.event_type);
            types.extend(known.filter(|known| begins(&beginnings, known)));
            if types.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(query(types, item)))
    }

    /// The query for types of today and tomorrow, and what its answers have to be sifted by.
    pub(crate) fn ever(self) -> (Query, Sieve) {
        let Self {
            types,
            beginnings,
            item,
        } = self;
        if beginnings.is_empty() {
            return (
                query(types, item),
                Sieve {
                    types: Vec::new(),
                    beginnings,
                },
            );
        }
        (query(Vec::new(), item), Sieve { types, beginnings })
    }
}

/// Keeps the events whose types a query cannot name because they may not exist yet.
pub(crate) struct Sieve {
    types: Vec<EventType>,
    beginnings: Vec<String>,
}

impl Sieve {
    pub(crate) fn keeps(&self, event: &NewEvent) -> bool {
        self.beginnings.is_empty()
            || self.types.contains(&event.event_type)
            || begins(&self.beginnings, &event.event_type)
    }
}

fn begins(beginnings: &[String], event_type: &EventType) -> bool {
    beginnings
        .iter()
        .any(|beginning| event_type.as_str().starts_with(beginning))
}

fn query(types: Vec<EventType>, item: QueryItem) -> Query {
    let item = QueryItem {
        types: types.into(),
        ..item
    };
    if item == QueryItem::default() {
        Query::all()
    } else {
        Query::any(vec![item])
    }
}
