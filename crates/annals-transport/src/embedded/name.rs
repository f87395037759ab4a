//! Names of topics and groups.
//!
//! In: a text. Out: the tag of a topic, or a checked group name. Names end up inside tags and mark names, so they are
//! checked once, here. Knows nothing of stores.

use annals_core::port::transport::Topic;
use annals_core::query::{Query, QueryItem};
use annals_core::tag::{Tag, TagError};
use thiserror::Error;

/// The kind of the tag that says which topic a message is on.
pub(super) const TOPIC_KIND: &str = "topic";
/// The longest topic name, in bytes.
pub(super) const TOPIC_BYTES_MAX: usize = 255;
/// The longest group name, in bytes.
pub(super) const GROUP_BYTES_MAX: usize = 120;

/// A text that can be no name of a topic or group. Choose another name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing, or too much.
    #[error("expected a {what} name of 1 to {max} bytes, found {found}")]
    Length {
        /// `topic` or `group`.
        what: &'static str,
        /// The longest allowed, in bytes.
        max: usize,
        /// How many bytes it has.
        found: usize,
    },
    /// A character that such a name may not have.
    #[error("a {what} name holds no {character:?}, found {found:?}")]
    Character {
        /// `topic` or `group`.
        what: &'static str,
        /// The character.
        character: char,
        /// The name.
        found: String,
    },
    /// The tag of the topic would not be one.
    #[error("a topic name has to fit into a tag: {0}")]
    Tag(#[from] TagError),
}

/// The tag by which the messages of a topic are found.
pub(super) fn topic_tag(topic: &str) -> Result<Tag, NameError> {
    check("topic", topic, TOPIC_BYTES_MAX, char::is_control)?;
    Ok(Tag::of(TOPIC_KIND, topic)?)
}

/// The messages of any of these topics; of no topics: of all.
pub(super) fn topics_query<'a>(topics: impl IntoIterator<Item = &'a Topic>) -> Result<Query, NameError> {
    let item = |topic: &Topic| {
        Ok(QueryItem {
            tags: vec![topic_tag(topic)?],
            ..QueryItem::default()
        })
    };
    let items: Result<Vec<_>, NameError> = topics.into_iter().map(item).collect();
    Ok(Query::any(items?))
}

/// Checks the name of a consumer group; `/` parts the names of marks.
pub(super) fn check_group(group: &str) -> Result<(), NameError> {
    check("group", group, GROUP_BYTES_MAX, |c| c.is_control() || c == '/')
}

fn check(what: &'static str, name: &str, max: usize, banned: fn(char) -> bool) -> Result<(), NameError> {
    if name.is_empty() || name.len() > max {
        let found = name.len();
        return Err(NameError::Length { what, max, found });
    }
    match name.chars().find(|c| banned(*c)) {
        Some(character) => Err(NameError::Character {
            what,
            character,
            found: name.to_owned(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_becomes_a_tag() {
        assert_eq!(
            topic_tag("payments.commands").unwrap().as_str(),
            "topic:payments.commands"
        );
        assert_eq!(topic_tag("a:b c/ü").unwrap().value(), "a:b c/ü");
    }

    #[test]
    fn names_that_do_not_fit_are_refused_with_the_reason() {
        assert_eq!(
            topic_tag("").unwrap_err().to_string(),
            "expected a topic name of 1 to 255 bytes, found 0"
        );
        assert!(matches!(
            topic_tag(&"x".repeat(256)),
            Err(NameError::Length { found: 256, .. })
        ));
        assert!(matches!(
            topic_tag("a\nb"),
            Err(NameError::Character { character: '\n', .. })
        ));
        assert!(matches!(
            check_group("a/b"),
            Err(NameError::Character { character: '/', .. })
        ));
        assert!(matches!(check_group(""), Err(NameError::Length { .. })));
        assert_eq!(check_group("stock service"), Ok(()));
    }
}
