//! The names of attributes: those of CloudEvents 1.0, its published extensions, and ours.
//!
//! Extension names hold lower-case letters and digits only, as the standard wants.

/// The content type of content that is JSON.
pub const JSON: &str = "application/json";
/// What the content type of an event in structured mode begins with.
pub const STRUCTURED: &str = "application/cloudevents";

pub(super) const OTHER: &str = "application/octet-stream";

pub(super) const SPEC_VERSION: &str = "specversion";
pub(super) const ID: &str = "id";
pub(super) const SOURCE: &str = "source";
pub(super) const TYPE: &str = "type";
pub(super) const SUBJECT: &str = "subject";
pub(super) const TIME: &str = "time";
pub(super) const CONTENT_TYPE: &str = "datacontenttype";
/// Extension "partitioning".
pub(super) const PARTITION_KEY: &str = "partitionkey";
/// Extension "distributed tracing".
pub(super) const TRACE_PARENT: &str = "traceparent";
pub(super) const CORRELATION: &str = "correlationid";
pub(super) const CAUSATION: &str = "causationid";
pub(super) const ACTOR: &str = "actor";
/// The tags as a JSON array of strings.
pub(super) const TAGS: &str = "tags";
/// The version of the type's shape, from 1.
pub(super) const SHAPE: &str = "dataversion";
/// `command`, where the record is one.
pub(super) const PURPOSE: &str = "purpose";
/// `private`, where the record is.
pub(super) const VISIBILITY: &str = "visibility";
/// When it happened in the world, where that was said; `time` is when it was recorded otherwise.
pub(super) const OCCURRED: &str = "occurred";
/// The topic its sender named.
pub(super) const TOPIC: &str = "topic";
pub(super) const ORIGIN_SERVICE: &str = "originservice";
pub(super) const ORIGIN_POSITION: &str = "originposition";
pub(super) const ORIGIN_RECORDED: &str = "originrecorded";
