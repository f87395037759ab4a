//! Event stores that keep the contract of [`annals_core::port::store`].
//!
//! What comes in: appends (events, marks, conditions) and questions. What goes out: positions once the bytes are
//! durable, and pages of events. [`MemoryStore`] is the contract in its plainest words; [`EmbeddedStore`] keeps it
//! on disk. This crate knows no broker, no handler and no async runtime.
//!
//! ```
//! use annals_core::event::{EventType, Metadata, NewEvent, Purpose, Visibility};
//! use annals_core::id::{EventId, uuid_v7};
//! use annals_core::port::store::{Append, EventStore, Read};
//! use annals_core::position::Position;
//! use annals_core::query::Query;
//! use annals_core::tag::Tag;
//! use annals_core::time::{Clock, SystemClock};
//! use annals_store::{EmbeddedStore, Options};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let store = EmbeddedStore::open(folder.path(), Options::new())?;
//! let placed = NewEvent {
//!     id: EventId::from_uuid(uuid_v7(SystemClock.now(), [7; 10])),
//!     event_type: EventType::from_static("order.placed"),
//!     version: 1,
//!     purpose: Purpose::Event,
//!     visibility: Visibility::Public,
//!     tags: vec![Tag::new("order:42")?],
//!     occurred: None,
//!     metadata: Metadata::default(),
//!     data: r#"{"total":12}"#.into(),
//! };
//! let appended = store.append(Append { events: vec![placed], ..Append::default() }).await?;
//! assert_eq!(appended.first, Position::ZERO);
//!
//! let page = store.read(Read::new(Query::tag(Tag::new("order:42")?), Position::ZERO)).await?;
//! assert_eq!(page.events[0].event_type.as_str(), "order.placed");
//! # Ok(())
//! # }
//! ```
//!
//! The index is kept in files beside the log, which are hints: memory and opening time do not grow with the history.
//! A store that was opened to read only does not follow the node that writes.
//!
//! Modules are listed lowest first, and each imports only from those above it.

pub mod bug;
mod carried;
mod index;
mod record;
mod gather;
mod admit;
mod memory;
mod options;
mod state;
mod shelf;
mod fetch;
mod queue;
mod patience;
mod answers;
mod core;
mod lookup;
mod mend;
mod kept;
mod straight;
mod pages;
mod lend;
mod merging;
mod keeper;
mod opening;
mod decide;
mod commit;
mod embedded;
mod verify;
mod archive;
mod backup;
mod truncate;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;

pub use archive::{Archive, FolderArchive, Pieces};
pub use backup::{BackupError, Manifest, backup, backup_on, check_backup, restore, restore_on};
pub use embedded::{EmbeddedStore, Stats};
pub use lend::Lending;
pub use memory::MemoryStore;
pub use options::{IndexOptions, OpenError, Options, WriterThread};
pub use record::{EventView, StoredEvent, Tags};
pub use truncate::{TruncateError, Truncated, archives, truncate, truncate_on};
pub use verify::{Finding, VerifyReport, verify, verify_on};

pub use annals_log::disk;
pub use annals_log::{FormatError, RecoveryReport};
