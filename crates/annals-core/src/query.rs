//! Which events: types × tags, any of several items.

use std::borrow::Cow;

use crate::event::{EventType, NewEvent};
use crate::id::CorrelationId;
use crate::tag::Tag;

/// A choice of events: those that match any of its items; with no items, all events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    items: Vec<QueryItem>,
}

/// One line of a query: an event matches if its type is one of `types` and it has all of `tags`, and, if a
/// correlation is given, follows from that request. An empty list does not restrict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryItem {
    /// Any of these types; empty: every type.
    pub types: Cow<'static, [EventType]>,
    /// All of these tags; empty: with or without tags.
    pub tags: Vec<Tag>,
    /// Only what follows from this request.
    pub correlation: Option<CorrelationId>,
}

impl Query {
    /// Every event of the store.
    pub fn all() -> Self {
        Self::default()
    }

    /// Events that match any of the items. **No items means every event**, as in [`Query::all`].
    pub fn any(items: Vec<QueryItem>) -> Self {
        Self { items }
    }

    /// Events with this tag, of every type.
    pub fn tag(tag: Tag) -> Self {
        Self::any(vec![QueryItem {
            tags: vec![tag],
            ..QueryItem::default()
        }])
    }

    /// Events of any of these types.
    pub fn types(types: impl Into<Cow<'static, [EventType]>>) -> Self {
        Self::any(vec![QueryItem {
            types: types.into(),
            ..QueryItem::default()
        }])
    }

    /// Everything that follows from one request.
    pub fn correlation(correlation: CorrelationId) -> Self {
        Self::any(vec![QueryItem {
            correlation: Some(correlation),
            ..QueryItem::default()
        }])
    }

    /// The items; none: every event.
    pub fn items(&self) -> &[QueryItem] {
        &self.items
    }

    /// Whether an event is among those asked for. The reference against which every index is tested.
    pub fn matches(&self, event: &NewEvent) -> bool {
        self.items.is_empty() || self.items.iter().any(|item| item.matches(event))
    }
}

impl QueryItem {
    /// Events of these types with this one tag.
    pub fn of(types: impl Into<Cow<'static, [EventType]>>, tag: Tag) -> Self {
        Self {
            types: types.into(),
            tags: vec![tag],
            correlation: None,
        }
    }

    /// Whether an event matches this item.
    pub fn matches(&self, event: &NewEvent) -> bool {
        (self.types.is_empty() || self.types.contains(&event.event_type))
            && self.tags.iter().all(|tag| event.tags.contains(tag))
            && self
                .correlation
                .is_none_or(|wanted| event.metadata.correlation == Some(wanted))
    }
}
