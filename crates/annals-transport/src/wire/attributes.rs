//! The names of attributes: those of CloudEvents 1.0, its published extensions, and ours.
//!
//! Extension names hold lower-case letters and digits only, as the standard wants.

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
