//! What an error of SQLite or of the disk means to a projection.
//!
//! In: an error and where it happened. Out: a [`SinkError`] whose kind decides whether to retry, to give up or to
//! rebuild.

use std::fmt::Display;
use std::io;

use annals_core::port::sink::SinkError;
use rusqlite::{Error, ErrorCode};

/// The checksum of a page does not match, as a checking file system or VFS reports it.
const IOERR_DATA: i32 = 10 | (32 << 8);
/// The file system says that it is damaged.
const IOERR_CORRUPTFS: i32 = 10 | (33 << 8);

/// Judges an error of SQLite; `place` names the file or the statement.
pub(crate) fn of_sqlite(place: impl Display, error: &Error) -> SinkError {
    let text = format!("{place}: {error}");
    match error.sqlite_error() {
        Some(failure) if is_damage(failure.code, failure.extended_code) => {
            SinkError::Corrupt(format!("{text}; delete the file, it is rebuilt from the events"))
        }
        Some(failure) if is_passing(failure.code) => SinkError::Unavailable(text),
        _ => SinkError::Refused(text),
    }
}

/// Judges an error of the file system.
pub(crate) fn of_disk(place: impl Display, error: &io::Error) -> SinkError {
    SinkError::Unavailable(format!("{place}: {error}"))
}

fn is_damage(code: ErrorCode, extended: i32) -> bool {
    matches!(code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
        || extended == IOERR_DATA
        || extended == IOERR_CORRUPTFS
}

fn is_passing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::OperationAborted
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::PermissionDenied
    )
}
