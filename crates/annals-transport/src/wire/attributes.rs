//! The names of attributes: those of CloudEvents 1.0, its published extensions, and ours.
//!
//! In: headers, each with the prefix that a protocol gives it. Out: the attributes among them, found by number; nothing is
//! allocated for them. Extension names hold lower-case letters and digits only, as the standard wants.

use std::borrow::Cow;

/// The content type of content that is JSON.
pub const JSON: &str = "application/json";
/// What the content type of an event in structured mode begins with.
pub const STRUCTURED: &str = "application/cloudevents";

pub(super) const OTHER: &str = "application/octet-stream";

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// An attribute that means something here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Attribute {
            $($(#[$doc])* $name,)*
        }

        impl Attribute {
            /// How many there are; their numbers are below it.
            pub(super) const COUNT: usize = [$(Self::$name,)*].len();

            /// Its name on the wire, without the prefix of a protocol.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The attribute of a name.
            pub(super) fn of(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

attributes! {
    SpecVersion = "specversion",
    Id = "id",
    Source = "source",
    Type = "type",
    /// The version of the type's shape, from 1.
    Shape = "dataversion",
    Time = "time",
    Subject = "subject",
    /// Extension "partitioning".
    PartitionKey = "partitionkey",
    /// The tags as a JSON array of strings.
    Tags = "tags",
    /// `command`, where the record is one.
    Purpose = "purpose",
    /// `private`, where the record is.
    Visibility = "visibility",
    /// When it happened in the world, where that was said; `time` is when it was recorded otherwise.
    Occurred = "occurred",
    Correlation = "correlationid",
    Causation = "causationid",
    /// Extension "distributed tracing".
    TraceParent = "traceparent",
    Actor = "actor",
    /// The topic its sender named.
    Topic = "topic",
    OriginService = "originservice",
    OriginPosition = "originposition",
    OriginRecorded = "originrecorded",
    ContentType = "datacontenttype",
}

/// The attribute of a name in any case.
fn of_any_case(name: &str) -> Option<Attribute> {
    let in_capitals = || name.bytes().any(|byte| byte.is_ascii_uppercase());
    match Attribute::of(name) {
        None if in_capitals() => Attribute::of(&name.to_ascii_lowercase()),
        found => found,
    }
}

/// The attributes of what came. Of several with one name the last counts.
#[derive(Debug, Clone, Default)]
pub struct Attributes<'a>([Option<Cow<'a, str>>; Attribute::COUNT]);

impl<'a> Attributes<'a> {
    /// Those among headers, whose names have one of these prefixes; the case of names does not matter. Others mean
    /// nothing here.
    pub fn among<N: AsRef<str>>(
        headers: impl IntoIterator<Item = (N, Cow<'a, str>)>,
        prefixes: &[&str],
    ) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let attribute = prefixes.iter().find_map(|prefix| {
                let (start, rest) = name.as_ref().split_at_checked(prefix.len())?;
                start.eq_ignore_ascii_case(prefix).then_some(rest)
            });
            let attribute = attribute.and_then(of_any_case);
            if let Some(attribute) = attribute {
                found.0[attribute as usize] = Some(value);
            }
        }
        found
    }

    pub(super) fn get(&self, attribute: Attribute) -> Option<&str> {
        self.0[attribute as usize].as_deref()
    }

    /// Takes in one by its name in small letters; others mean nothing here.
    pub(super) fn insert(&mut self, name: &str, value: impl Into<Cow<'a, str>>) {
        if let Some(attribute) = Attribute::of(name) {
            self.0[attribute as usize] = Some(value.into());
        }
    }
}
