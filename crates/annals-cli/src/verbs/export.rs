//! `export`: the events of a store as lines of CloudEvents in JSON, in the order of the store.
//!
//! In: a store, read beside a running node or without one; from where and up to where. Out: a file or stdout. Ids are
//! kept, and each line says where its event was recorded and when. Checkpoints and other marks are not exported: a backup
//! keeps those.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use annals_core::event::{Origin, RecordedEvent};
use annals_core::port::store::{EventStore, Read};
use annals_core::port::transport::Message;
use annals_core::position::Position;
use annals_core::query::Query;
use annals_transport::wire::structured;
use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::folder;
use crate::session::Session;

/// Events read at once.
const PAGE: usize = 1_000;

/// What to export.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The file to write, which must not be there yet; `-` for stdout
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Of which service [default: the only one]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// The first position; to go on with an export that was cut off: one more than `originposition` of its last line
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    from: u64,
    /// Not this position, nor any after it [default: the end]
    #[arg(long, value_name = "POSITION")]
    to: Option<u64>,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let stores = folder::stores(&session.settings.data)?;
    let chosen = folder::choose(&stores, options.service.as_deref())?;
    let store = folder::open(chosen).await?;
    let to = options
        .to
        .map_or(store.end(), |to| store.end().min(Position::new(to)));
    let from = Position::new(options.from).min(to);
    let read = |from| store.read(Read::new(Query::all(), from).to(to).limit(PAGE));
    // Before the file is made: where its beginning was archived, none is left behind.
    let mut page = read(from).await?;
    let mut out = open(&options.file)?;
    let progress = session.notes.progress("exporting events", to.get() - from.get());
    loop {
        for event in &page.events {
            let line = line(event, &chosen.name)?;
            writeln!(out, "{line}").map_err(|error| unwritten(&options.file, &error))?;
        }
        progress.reached(page.next.get() - from.get());
        if page.finished || page.next >= to {
            break;
        }
        page = read(page.next).await?;
    }
    out.flush().map_err(|error| unwritten(&options.file, &error))?;
    drop(progress);
    let count = to.get() - from.get();
    session
        .notes
        .note(&format!("note: {count} events of {}", chosen.name));
    Ok(())
}

/// One event as one line. A copy keeps the origin that it has.
fn line(event: &RecordedEvent, service: &str) -> Result<String, Failure> {
    let mut exported = event.event.clone();
    exported.metadata.origin.get_or_insert_with(|| Origin {
        service: service.into(),
        position: event.position,
        recorded: event.recorded,
    });
    let message = Message {
        topic: "export".into(),
        event: exported,
    };
    structured(&message)
        .map_err(|reason| Failure::new(Exit::Failed, format!("the event at {}: {reason}", event.position)))
}

fn open(file: &Path) -> Result<Box<dyn Write + Send>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    match File::create_new(file) {
        Ok(file) => Ok(Box::new(BufWriter::new(file))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let failure = Failure::new(Exit::Conflict, format!("{} is there already", file.display()));
            Err(failure.hint("name another file, or take it away first"))
        }
        Err(error) => Err(unwritten(file, &error)),
    }
}

fn unwritten(file: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("{} cannot be written: {error}", file.display()),
    )
}
