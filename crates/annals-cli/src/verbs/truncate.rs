//! `truncate`: the oldest events of a store go to an archive, and only then away.
//!
//! In: a store that no node runs on, up to where, and where the archive is. Out: where the store begins now. What a reader
//! who is behind would lose is not taken away unless that is insisted on.

use std::io::ErrorKind;

use annals_core::port::store::EventStore;
use annals_core::position::Position;
use annals_store::{Archive, EmbeddedStore, FolderArchive, TruncateError, Truncated};
use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::folder::{self, StoreFolder};
use crate::identity;
use crate::moment::Moment;
use crate::session::Session;

/// The mark space of subscriptions, and the one in which the embedded broker keeps its groups.
const CHECKPOINTS: &str = "checkpoint";
const GROUPS: &str = "group";
/// Subscriptions that read a broker: what they have come to is no position of this store.
const OF_A_BROKER: [&str; 2] = ["inbox", "recorder"];

/// What goes where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Of which service [default: the only one]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// What was recorded up to a time, or lies before a position; whole segments only, so mostly less than that
    #[arg(long, value_name = "MOMENT")]
    before: Moment,
    /// A folder, on another disk at best, or the URL of object storage; a folder of the service's name is made in it
    #[arg(long, value_name = "WHERE")]
    archive: String,
    /// Also what a subscription has not read yet; it will stop there and say that it is gone
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let stores = folder::stores(&session.settings.data)?;
    let chosen = folder::choose(&stores, options.service.as_deref())?.clone();
    let store = folder::open(&chosen).await?;
    let before = match &options.before {
        Moment::Position(position) => Position::new(*position),
        moment => folder::end_at(&store, moment).await?,
    };
    let before = before.min(store.end());
    if !options.force {
        nobody_is_behind(&store, before).await?;
    }
    drop(store);
    let archive = archive(&options.archive, &chosen.name)?;
    let done = worked(chosen.clone(), before, archive).await?;
    told(&chosen, &done, session)
}

/// Whoever follows the store has read everything that is to go.
async fn nobody_is_behind(store: &EmbeddedStore, before: Position) -> Result<(), Failure> {
    if !store.marks(GROUPS, "").await?.is_empty() {
        let failure = Failure::new(Exit::Conflict, "this is the store of an embedded broker");
        return Err(
            failure.hint("groups that come later begin at its beginning; --force if there will be none")
        );
    }
    for (key, value) in store.marks(CHECKPOINTS, "").await? {
        if OF_A_BROKER.contains(&key.name.as_str()) {
            continue;
        }
        let reached = std::str::from_utf8(&value)
            .ok()
            .and_then(|text| text.parse().ok());
        if reached.is_none_or(|reached: u64| reached < before.get()) {
            let reached = String::from_utf8_lossy(&value);
            let message = format!(
                "{} has come to position {reached} only, not to {before}",
                key.name
            );
            let hint = "let it catch up, name an earlier moment, or say --force if it will never go on";
            return Err(Failure::new(Exit::Conflict, message).hint(hint));
        }
    }
    Ok(())
}

fn archive(place: &str, service: &str) -> Result<Box<dyn Archive>, Failure> {
    if !place.contains("://") {
        // It must be found from anywhere.
        let folder = std::path::absolute(place)
            .map_err(|error| Failure::usage(format!("{place} is no folder: {error}")))?;
        return Ok(Box::new(FolderArchive::new(folder.join(service))));
    }
    by_url(&format!("{}/{service}", place.trim_end_matches('/')))
}

#[cfg(feature = "objects")]
fn by_url(url: &str) -> Result<Box<dyn Archive>, Failure> {
    let archive = crate::objects::ObjectArchive::open(url, tokio::runtime::Handle::current());
    match archive {
        Ok(archive) => Ok(Box::new(archive)),
        Err(reason) => Err(Failure::usage(format!("{url} is no archive: {reason}"))
            .hint("s3:// wants a program that was built with the feature `s3`")),
    }
}

#[cfg(not(feature = "objects"))]
fn by_url(url: &str) -> Result<Box<dyn Archive>, Failure> {
    let failure = Failure::usage(format!(
        "{url} is a URL, and this program knows archives in folders only"
    ));
    Err(failure.hint("build it with the feature `s3`, or with `objects` for other object storage"))
}

async fn worked(
    store: StoreFolder,
    before: Position,
    archive: Box<dyn Archive>,
) -> Result<Truncated, Failure> {
    let work = move || annals_store::truncate(store.dir, before, &*archive);
    let worked = tokio::task::spawn_blocking(work).await;
    let worked =
        worked.map_err(|ended| Failure::new(Exit::Failed, format!("the truncation ended badly: {ended}")))?;
    worked.map_err(|error| {
        let message = error.to_string();
        let hint = next_step(&error);
        match error {
            TruncateError::Open(error) => error.into(),
            TruncateError::Nothing { .. } => {
                Failure::new(Exit::NotFound, message).hint("name a later moment, or wait until there is more")
            }
            TruncateError::Archive { .. } | TruncateError::Disk { .. } => {
                Failure::new(Exit::Failed, message).hint(format!("{hint}run it again, with the same archive"))
            }
            _ => Failure::new(Exit::Failed, message),
        }
    })
}

/// What to do before it is done again.
fn next_step(error: &TruncateError) -> &'static str {
    let TruncateError::Archive { archive, source, .. } = error else {
        return "";
    };
    match source.kind() {
        _ if !archive.contains("://") => "",
        ErrorKind::PermissionDenied => {
            "let AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY be somebody's who may write and read there; "
        }
        ErrorKind::NotFound => "make the bucket, or name another; ",
        _ => {
            "see that the storage answers, and that AWS_ENDPOINT and AWS_REGION are its own (AWS_ALLOW_HTTP=true for http://); "
        }
    }
}

fn told(store: &StoreFolder, done: &Truncated, session: &mut Session) -> Result<(), Failure> {
    if !session.is_table() {
        return session.out.document(&json!({
            "service": store.name, "begins": done.boundary.get(), "events": done.events,
            "newest": done.newest.to_string(), "segments": done.segments, "bytes": done.bytes,
            "archive": done.archive,
        }));
    }
    let row = [
        store.name.clone(),
        done.boundary.to_string(),
        done.events.to_string(),
        done.newest.to_string(),
        done.bytes.to_string(),
        done.archive.clone(),
    ];
    session.notes.note(&format!(
        "note: what has events before {} is refused, unless `{} snapshot` kept its state before",
        done.boundary,
        identity::name()
    ));
    session.out.rows(
        [
            "STORE",
            ">BEGINS",
            ">ARCHIVED",
            "NEWEST (UTC)",
            ">BYTES",
            "ARCHIVE",
        ],
        [row],
    )
}
