//! From drafts to records: ids, metadata, and the few record types that the framework itself writes.

use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
use annals_core::id::CorrelationId;
use annals_core::tag::Tag;
use annals_core::time::Timestamp;
use bytes::Bytes;
use smol_str::SmolStr;

use crate::define::context::Request;
use crate::define::event::Draft;
use crate::define::process::Sending;
use crate::ground::world::World;

/// A command that came as a message was refused. Public, so that whoever sent it hears of it.
pub const COMMAND_REFUSED: EventType = EventType::from_static("command.refused");
/// A timer ran out.
pub const TIMER_FIRED: EventType = EventType::from_static("timer.fired");
/// A process reacted: what it wanted, so that its undo list can be folded again.
pub const PROCESS_STEPPED: EventType = EventType::from_static("process.stepped");
/// A message was put aside.
pub const MESSAGE_PARKED: EventType = EventType::from_static("message.parked");

/// The types the framework writes.
pub const FRAMEWORK_TYPES: [EventType; 4] = [COMMAND_REFUSED, TIMER_FIRED, PROCESS_STEPPED, MESSAGE_PARKED];

/// Writes records for one service.
#[derive(Clone)]
pub struct Recording {
    /// The service that writes.
    pub service: SmolStr,
    /// Its world.
    pub world: World,
}

impl Recording {
    /// A request with a correlation: the one it has, or a new one.
    pub fn correlated(&self, request: &Request) -> Request {
        let correlation = request
            .correlation
            .unwrap_or_else(|| CorrelationId::from_uuid(self.world.ids.next(self.world.now())));
        Request {
            correlation: Some(correlation),
            ..request.clone()
        }
    }

    /// A record of what a decision wrote down.
    pub fn event(&self, draft: Draft, request: &Request, occurred: Option<Timestamp>) -> NewEvent {
        NewEvent {
            id: self.world.event_id(),
            event_type: draft.event_type,
            version: draft.version,
            purpose: Purpose::Event,
            visibility: draft.visibility,
            tags: draft.tags,
            occurred,
            metadata: self.metadata(request, None),
            data: draft.data,
        }
    }

    /// A record of a command that will be sent.
    pub fn command(&self, sending: &Sending, request: &Request) -> NewEvent {
        NewEvent {
            id: self.world.event_id(),
            event_type: sending.event_type(),
            version: sending.version,
            purpose: Purpose::Command,
            visibility: Visibility::Public,
            tags: sending.tags.clone(),
            occurred: None,
            metadata: self.metadata(request, Some(sending.topic.clone())),
            data: sending.bytes(),
        }
    }

    /// A record of the framework's own.
    pub fn own(&self, event_type: EventType, tags: Vec<Tag>, data: Bytes, request: &Request) -> NewEvent {
        let visibility = if event_type == COMMAND_REFUSED {
            Visibility::Public
        } else {
            Visibility::Private
        };
        let draft = Draft {
            event_type,
            version: 1,
            visibility,
            tags,
            data,
        };
        self.event(draft, request, None)
    }

    fn metadata(&self, request: &Request, topic: Option<SmolStr>) -> Metadata {
        Metadata {
            correlation: request.correlation,
            causation: request.causation,
            trace_parent: request.trace_parent.clone(),
            actor: request.actor.clone(),
            service: Some(self.service.clone()),
            topic,
            origin: None,
        }
    }
}

/// What follows from a record is asked for by it.
pub fn request_of(record: &NewEvent) -> Request {
    Request {
        correlation: record.metadata.correlation,
        causation: Some(record.id),
        trace_parent: record.metadata.trace_parent.clone(),
        actor: record.metadata.actor.clone(),
    }
}
