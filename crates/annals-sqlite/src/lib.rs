//! Read models in SQLite.
//!
//! In: the transactions of a projection. Out: its rows, as SQL or as JSON. Every version of every projection has a
//! database file of its own, `<name>.v<version>.sqlite`, so that a new version is built beside the old one; which
//! version readers are given stands in `<name>.promoted`.
//!
//! Invariants:
//! 1. Rows and checkpoint are one commit. A transaction that is dropped leaves neither.
//! 2. One writer per view at a time; readers never wait for it and see whole commits only.
//! 3. The files may be deleted at any time: the rows are rebuilt from the events. For that reason a commit is not
//!    flushed (`synchronous = NORMAL` on a write-ahead log): a power cut may take a view back to an earlier commit,
//!    never to a mixed one, and the projection goes on from the checkpoint it finds. Promotion is flushed.
//! 4. Money is decimal text. `decimal_add`, `decimal_sub`, `decimal_sum` and the collation `decimal` count and order
//!    it exactly; see [`decimal`].
//!
//! SQLite keeps no checksums of its pages: what it notices is reported as damage, and [`SqliteView::verify`] looks at
//! the structure of all pages, but a flipped bit inside a value is not noticed. Read models are not the history.
//!
//! All work runs on the caller's thread. It does not know events, only rows and positions.

pub mod decimal;
mod failure;
mod files;
mod connect;
mod table;
mod readers;
mod writer;
mod view;
mod sink;

pub use rusqlite;
pub use sink::Sqlite;
pub use table::{ROWS_MAX, Table};
pub use view::SqliteView;
pub use writer::SqliteTx;
