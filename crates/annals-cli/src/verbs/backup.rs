//! `backup` and `restore`: every store of a data folder, copied while its node runs, and back.
//!
//! In: a data folder, or the folder of a backup. Out: the other one, with a count per store. Each store is copied as it is
//! at one moment of its own; read models are left out, because they are made again from the events.

use std::fs;
use std::path::{Path, PathBuf};

use annals_store::{BackupError, Manifest};
use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::folder::{self, StoreFolder};
use crate::session::Session;

/// How deep under a backup its stores are looked for, as under a data folder.
const DEPTH_MAX: usize = 4;

/// Where to.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The folder to make; it may be there if it is empty
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
    /// Only the store of this service; the others' are left out
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

/// Where from.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The folder of a backup; its stores are written into the data folder, where none of them may be yet
    #[arg(value_name = "FOLDER")]
    from: PathBuf,
    /// Check every byte of the backup and write nothing
    #[arg(long)]
    check: bool,
}

/// A store of a backup: its path below the folder, and what it holds.
type Done = (PathBuf, Manifest);

pub(crate) async fn run(options: Backup, session: &mut Session) -> Result<(), Failure> {
    let data = session.settings.data.clone();
    let stores = folder::stores(&data)?;
    let chosen: Vec<StoreFolder> = match &options.service {
        None => stores,
        Some(name) => vec![folder::choose(&stores, Some(name))?.clone()],
    };
    let progress = session.notes.progress("backing up stores", chosen.len() as u64);
    let mut done = Vec::new();
    for store in chosen {
        let below = store.dir.strip_prefix(&data).unwrap_or(&store.dir).to_owned();
        let to = options.to.join(&below);
        let manifest = off_the_runtime(move || annals_store::backup(store.dir, to)).await?;
        done.push((below, manifest));
        progress.reached(done.len() as u64);
    }
    drop(progress);
    told(&done, session)
}

pub(crate) async fn restore(options: Restore, session: &mut Session) -> Result<(), Failure> {
    let mut found = Vec::new();
    walk(&options.from, Path::new(""), 0, &mut found)?;
    if found.is_empty() {
        let failure = Failure::not_found(format!("there is no backup under {}", options.from.display()));
        return Err(failure.hint("a backup has a file `manifest` in the folder of each store"));
    }
    let progress = session.notes.progress("restoring stores", found.len() as u64);
    let mut done = Vec::new();
    for below in found {
        let (from, to) = (options.from.join(&below), session.settings.data.join(&below));
        let check = options.check;
        let manifest = off_the_runtime(move || match check {
            true => annals_store::check_backup(from),
            false => annals_store::restore(from, to),
        })
        .await?;
        done.push((below, manifest));
        progress.reached(done.len() as u64);
    }
    drop(progress);
    told(&done, session)
}

async fn off_the_runtime(
    work: impl FnOnce() -> Result<Manifest, BackupError> + Send + 'static,
) -> Result<Manifest, Failure> {
    let worked = tokio::task::spawn_blocking(work).await;
    let worked =
        worked.map_err(|ended| Failure::new(Exit::Failed, format!("the copy ended badly: {ended}")))?;
    worked.map_err(|error| {
        let message = error.to_string();
        match error {
            BackupError::Open(error) => error.into(),
            BackupError::NotEmpty(_) => {
                Failure::new(Exit::Conflict, message).hint("name another folder, or move away what is there")
            }
            BackupError::NoManifest(_) => Failure::new(Exit::NotFound, message),
            BackupError::Damaged { .. } => Failure::new(Exit::Failed, message)
                .hint("use another backup; what was written of this one is to be deleted"),
            _ => Failure::new(Exit::Failed, message),
        }
    })
}

/// Folders with a manifest, by their path below the backup.
fn walk(root: &Path, below: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let dir = root.join(below);
    if dir.join("manifest").is_file() {
        found.push(below.to_owned());
        return Ok(());
    }
    if depth == DEPTH_MAX {
        return Ok(());
    }
    let unreadable = |error: std::io::Error| {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Failed,
        };
        Failure::new(exit, format!("{} cannot be read: {error}", dir.display()))
    };
    let mut folders = Vec::new();
    for entry in fs::read_dir(&dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_type().map_err(unreadable)?.is_dir() {
            folders.push(entry.file_name());
        }
    }
    folders.sort_unstable();
    folders
        .into_iter()
        .try_for_each(|folder| walk(root, &below.join(folder), depth + 1, found))
}

fn told(done: &[Done], session: &mut Session) -> Result<(), Failure> {
    let bytes = |manifest: &Manifest| manifest.files.iter().map(|file| file.bytes).sum::<u64>();
    if !session.is_table() {
        let stores: Vec<_> = done
            .iter()
            .map(|(below, manifest)| {
                json!({
                    "folder": below, "events": manifest.events, "newest": manifest.newest.to_string(),
                    "files": manifest.files.len(), "bytes": bytes(manifest),
                })
            })
            .collect();
        return session.out.document(&json!({ "stores": stores }));
    }
    let rows = done.iter().map(|(below, manifest)| {
        [
            below.display().to_string(),
            manifest.events.to_string(),
            manifest.newest.to_string(),
            manifest.files.len().to_string(),
            bytes(manifest).to_string(),
        ]
    });
    session
        .out
        .rows(["STORE", ">EVENTS", "NEWEST (UTC)", ">FILES", ">BYTES"], rows)
}
