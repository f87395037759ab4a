//! Stores under a data folder, read without a node.
//!
//! In: a folder. Out: the stores in it, by the names of their services, opened to read only: nothing is locked and
//! nothing is changed, also beside a node that writes. It knows events, not models: states are asked of a node.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use annals_core::id::EventId;
use annals_core::port::store::{Direction, EventStore, Read, ReadError};
use annals_core::position::Position;
use annals_core::query::Query;
use annals_core::time::Timestamp;
use annals_store::EmbeddedStore;

use crate::ask::{Ask, Page};
use crate::event::Event;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::identity;
use crate::moment::Moment;

/// How deep under the data folder stores are looked for: `orders/log` is two.
const DEPTH_MAX: usize = 4;
/// An event is recorded at most this long before the time in its id.
const ID_AHEAD: std::time::Duration = std::time::Duration::from_secs(60);

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreFolder {
    /// The service's name: the path under the data folder without the last `log`.
    pub(crate) name: String,
    /// The store's folder.
    pub(crate) dir: PathBuf,
}

/// Every store under a data folder, by name. The data folder may be a store itself.
pub(crate) fn stores(data: &Path) -> Result<Vec<StoreFolder>, Failure> {
    let mut found = Vec::new();
    walk(data, &mut Vec::new(), &mut found)?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if found.is_empty() {
        let failure = Failure::not_found(format!("there is no store under {}", data.display()));
        return Err(failure.hint(elsewhere()));
    }
    Ok(found)
}

fn walk(dir: &Path, parts: &mut Vec<String>, found: &mut Vec<StoreFolder>) -> Result<(), Failure> {
    let unreadable = |error: io::Error| {
        let failure = match error.kind() {
            io::ErrorKind::NotFound => Failure::not_found(format!("there is no folder {}", dir.display())),
            _ => Failure::new(Exit::Failed, format!("{} cannot be read: {error}", dir.display())),
        };
        failure.hint(elsewhere())
    };
    let mut folders = Vec::new();
    let mut is_store = false;
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.file_type().map_err(unreadable)?.is_dir() {
            true => folders.push(name),
            false => is_store |= name == "LOCK" || name.ends_with(".seg"),
        }
    }
    if is_store {
        found.push(StoreFolder {
            name: name_of(dir, parts),
            dir: dir.to_owned(),
        });
        return Ok(());
    }
    if parts.len() == DEPTH_MAX {
        return Ok(());
    }
    for folder in folders {
        let below = dir.join(&folder);
        parts.push(folder);
        walk(&below, parts, found)?;
        parts.pop();
    }
    Ok(())
}

fn elsewhere() -> String {
    format!(
        "make one with `{}`, or say where the data is with --data DIR",
        identity::start()
    )
}

fn name_of(dir: &Path, parts: &[String]) -> String {
    let parts = match parts {
        [before @ .., last] if last == "log" && !before.is_empty() => before,
        parts => parts,
    };
    match (parts.is_empty(), dir.file_name()) {
        (false, _) => parts.join("/"),
        (true, Some(name)) => name.to_string_lossy().into_owned(),
        (true, None) => "store".to_owned(),
    }
}

/// The store of this service, or the only one there is.
pub(crate) fn choose<'a>(
    stores: &'a [StoreFolder],
    service: Option<&str>,
) -> Result<&'a StoreFolder, Failure> {
    let known = || {
        let names: Vec<&str> = stores.iter().map(|store| store.name.as_str()).collect();
        names.join(", ")
    };
    match (service, stores) {
        (Some(name), stores) => stores.iter().find(|store| store.name == name).ok_or_else(|| {
            Failure::not_found(format!("there is no store of {name:?}"))
                .hint(format!("there are: {}", known()))
        }),
        (None, [only]) => Ok(only),
        (None, _) => Err(Failure::usage("there is more than one store")
            .hint(format!("say which with --service: {}", known()))),
    }
}

/// Opens a store to read only, off the runtime's threads.
pub(crate) async fn open(folder: &StoreFolder) -> Result<EmbeddedStore, Failure> {
    let dir = folder.dir.clone();
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open_read_only(dir)).await;
    Ok(opened.map_err(|ended| Failure::new(Exit::Failed, format!("opening ended badly: {ended}")))??)
}

/// A page of a store.
pub(crate) async fn page(store: &EmbeddedStore, ask: &Ask) -> Result<Page, Failure> {
    let end = match &ask.at {
        Some(moment) => end_at(store, moment).await?,
        None => store.end(),
    };
    let from = match &ask.from {
        Some(Moment::Time(time)) => {
            store
                .end_at(time.before(std::time::Duration::from_micros(1)))
                .await?
        }
        Some(Moment::Position(position)) => Position::new(*position),
        Some(other) => return Err(unfit(other)),
        None => Position::ZERO,
    };
    let to = ask.to.map_or(end, |to| Position::new(to).min(end));
    let Some(query) = ask.filter.query(store).await? else {
        return Ok(Page {
            events: Vec::new(),
            next: to.get(),
            finished: true,
            end: end.get(),
        });
    };
    let direction = if ask.backward {
        Direction::Backward
    } else {
        Direction::Forward
    };
    let read = Read {
        direction,
        ..Read::new(query, from).to(to).limit(ask.limit)
    };
    let page = store.read(read).await?;
    Ok(Page {
        events: page.events.iter().map(Event::of).collect(),
        next: page.next.get(),
        finished: page.finished,
        end: end.get(),
    })
}

/// The end of a store as it was at a moment.
pub(crate) async fn end_at(store: &EmbeddedStore, moment: &Moment) -> Result<Position, Failure> {
    match moment {
        Moment::Time(time) => Ok(store.end_at(*time).await?),
        Moment::Position(position) if Position::new(*position) <= store.end() => Ok(Position::new(*position)),
        Moment::Position(position) => {
            let end = store.end();
            Err(Failure::not_found(format!(
                "expected a position up to {end}, found {position}"
            )))
        }
        other => Err(unfit(other)),
    }
}

fn unfit(moment: &Moment) -> Failure {
    Failure::usage(format!(
        "expected a time or a position of this store, found {moment}"
    ))
}

/// The event of an id, if the store has it. The search begins a minute before the time in the id.
pub(crate) async fn by_id(store: &EmbeddedStore, id: EventId) -> Result<Option<Event>, Failure> {
    let mut from = match made(id) {
        Some(time) => match store.end_at(time.before(ID_AHEAD)).await {
            Err(ReadError::Gone { boundary, .. }) => boundary,
            other => other?,
        },
        None => store.beginning(),
    };
    loop {
        let page = store.read(Read::new(Query::all(), from)).await?;
        if let Some(found) = page.events.iter().find(|event| event.id == id) {
            return Ok(Some(Event::of(found)));
        }
        if page.finished {
            return Ok(None);
        }
        from = page.next;
    }
}

/// The moment a version 7 id was made.
fn made(id: EventId) -> Option<Timestamp> {
    let uuid = id.as_uuid();
    let (seconds, _) = uuid
        .get_timestamp()
        .filter(|_| uuid.get_version_num() == 7)?
        .to_unix();
    i64::try_from(seconds)
        .ok()?
        .checked_mul(1_000_000)
        .map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::stores;
    use crate::exit::Exit;

    #[test]
    fn stores_are_found_and_named_after_their_service() {
        let data = tempfile::tempdir().unwrap();
        for dir in ["orders/log", "group/stock/log", "plain", "orders/views", "log"] {
            fs::create_dir_all(data.path().join(dir)).unwrap();
        }
        for file in [
            "orders/log/0000000000.seg",
            "group/stock/log/LOCK",
            "plain/LOCK",
            "node.lock",
            "log/LOCK",
        ] {
            fs::write(data.path().join(file), "").unwrap();
        }
        let names = |found: Vec<super::StoreFolder>| found.into_iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(
            names(stores(data.path()).unwrap()),
            ["group/stock", "log", "orders", "plain"]
        );
        assert_eq!(names(stores(&data.path().join("plain")).unwrap()), ["plain"]);
    }

    #[test]
    fn no_store_is_not_found() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(stores(data.path()).unwrap_err().exit, Exit::NotFound);
        assert_eq!(
            stores(&data.path().join("none")).unwrap_err().exit,
            Exit::NotFound
        );
    }
}
