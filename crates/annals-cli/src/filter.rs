//! Which events: the same options for lists, streams and both sources.
//!
//! In: `--type`, `--tag`, `--correlation`. Out: a query string for a node, or a query for a store.

use annals_core::event::EventType;
use annals_core::id::CorrelationId;
use annals_core::port::store::{EventStore, ReadError};
use annals_core::query::{Query, QueryItem};
use annals_core::tag::Tag;
use clap::Args;

use crate::client::encode;

/// Which events.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filter {
    /// Only events of this type; `order.*` is every type that begins so; several: any of them
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Only events with this tag, such as order:42; several: all of them
    #[arg(long = "tag", value_name = "TAG", value_parser = tag)]
    pub(crate) tags: Vec<Tag>,
    /// Only what follows from this request
    #[arg(long, value_name = "ID")]
    pub(crate) correlation: Option<CorrelationId>,
}

/// `order:42` or `order/42`.
pub(crate) fn tag(text: &str) -> Result<Tag, String> {
    let colon = match (text.find(':'), text.find('/')) {
        (None, Some(_)) => text.replacen('/', ":", 1),
        (Some(colon), Some(slash)) if slash < colon => text.replacen('/', ":", 1),
        _ => text.to_owned(),
    };
    Tag::new(colon).map_err(|error| error.to_string())
}

impl Filter {
    /// As parameters, each with a leading `&`.
    pub(crate) fn parameters(&self) -> String {
        let mut text = String::new();
        for name in &self.types {
            text.push_str(&format!("&type={}", encode(name)));
        }
        for tag in &self.tags {
            text.push_str(&format!("&tag={}", encode(tag.as_str())));
        }
        if let Some(correlation) = self.correlation {
            text.push_str(&format!("&correlation={correlation}"));
        }
        text
    }

    /// As a query of what a store holds; `None`: it can hold no match.
    pub(crate) async fn query(&self, store: &dyn EventStore) -> Result<Option<Query>, ReadError> {
        let item = QueryItem {
            tags: self.tags.clone(),
            correlation: self.correlation,
            ..QueryItem::default()
        };
        if self.types.is_empty() {
            return Ok(Some(Query::any(vec![item])));
        }
        let held = store.types().await?.into_iter().map(|count| count.event_type);
        let types: Vec<EventType> = held
            .filter(|held| self.types.iter().any(|name| names(name, held)))
            .collect();
        Ok((!types.is_empty()).then(|| {
            Query::any(vec![QueryItem {
                types: types.into(),
                ..item
            }])
        }))
    }
}

fn names(name: &str, held: &EventType) -> bool {
    match name.strip_suffix('*') {
        Some(beginning) => held.as_str().starts_with(beginning),
        None => held.as_str() == name,
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, tag};

    #[test]
    fn tags_are_written_with_a_colon_or_a_slash() {
        for (text, wanted) in [
            ("order:42", "order:42"),
            ("order/42", "order:42"),
            ("order:a/b", "order:a/b"),
            ("order/a:b", "order:a:b"),
        ] {
            assert_eq!(tag(text).unwrap().as_str(), wanted);
        }
        assert!(tag("order").unwrap_err().contains("kind:value"));
    }

    #[test]
    fn parameters_are_encoded() {
        let filter = Filter {
            types: vec!["order.*".into()],
            tags: vec![tag("order:a&b").unwrap()],
            correlation: None,
        };
        assert_eq!(filter.parameters(), "&type=order%2E%2A&tag=order%3Aa%26b");
    }
}
