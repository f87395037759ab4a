//! Where a view lies on disk, and which version is promoted.
//!
//! In: a folder, a projection's name, a version. Out: paths, and one durable small file per name. A name is letters,
//! digits, `_` and `-`, so that no name leads out of the folder.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use annals_core::port::sink::SinkError;

use crate::failure;

/// The longest name of a projection, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// The database file of one version.
pub(crate) fn database(folder: &Path, name: &str, version: u32) -> Result<PathBuf, SinkError> {
    check(name)?;
    Ok(folder.join(format!("{name}.v{version}.sqlite")))
}

/// The promoted version, if the file is there.
pub(crate) fn promoted(folder: &Path, name: &str) -> Result<Option<u32>, SinkError> {
    let path = pointer(folder, name)?;
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure::of_disk(path.display(), &error)),
    };
    text.trim_ascii().parse().map(Some).map_err(|_| {
        let path = path.display();
        SinkError::Corrupt(format!(
            "{path}: expected a version number, found {text:?}; delete it and promote again"
        ))
    })
}

/// Writes down which version is promoted; returns when a power cut cannot undo it.
pub(crate) fn promote(folder: &Path, name: &str, version: u32) -> Result<(), SinkError> {
    let database = database(folder, name, version)?;
    if !database.exists() {
        let file = database.display();
        return Err(SinkError::Refused(format!(
            "{name} has no version {version} to promote: {file} is not there"
        )));
    }
    let path = pointer(folder, name)?;
    let temporary = path.with_extension("promoted.new");
    flush_log(&database)
        .and_then(|()| write_durably(&temporary, version))
        .and_then(|()| fs::rename(&temporary, &path))
        .and_then(|()| flush_folder(folder))
        .map_err(|error| failure::of_disk(path.display(), &error))
}

/// Removes a version's database and its companions.
pub(crate) fn remove(folder: &Path, name: &str, version: u32) -> Result<(), SinkError> {
    let database = database(folder, name, version)?;
    // The database goes first: a left-over log without its database is ignored by SQLite, the reverse is not.
    for path in [
        database.clone(),
        companion(&database, "-wal"),
        companion(&database, "-shm"),
    ] {
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failure::of_disk(path.display(), &error)),
        }
    }
    flush_folder(folder).map_err(|error| failure::of_disk(folder.display(), &error))
}

fn check(name: &str) -> Result<(), SinkError> {
    let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX;
    if fits
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    {
        return Ok(());
    }
    Err(SinkError::Refused(format!(
        "expected a projection name of 1 to {NAME_BYTES_MAX} letters, digits, _ and -, found {name:?}"
    )))
}

fn pointer(folder: &Path, name: &str) -> Result<PathBuf, SinkError> {
    check(name)?;
    Ok(folder.join(format!("{name}.promoted")))
}

fn companion(database: &Path, ending: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Makes the commits of a database durable that is about to be promoted. Only its log is opened: closing another
/// handle of the database itself would drop the locks this process holds on it. Without a log all is in the database
/// and flushed.
fn flush_log(database: &Path) -> std::io::Result<()> {
    match File::options().write(true).open(companion(database, "-wal")) {
        Ok(log) => log.sync_all(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn write_durably(path: &Path, version: u32) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    writeln!(file, "{version}")?;
    file.sync_all()
}

fn flush_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
