//! `import`: lines of CloudEvents in JSON into the store of a service.
//!
//! In: a file, of `export` or of anybody who writes CloudEvents. Out: counts. Ids are kept, so the same file can be
//! imported again, also after it was cut off in the middle: what is there already is counted and left as it is. A line
//! that is no event ends it; what came before it stays.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use annals_core::event::NewEvent;
use annals_core::port::store::{Append, AppendError, EventStore};
use annals_store::EmbeddedStore;
use annals_transport::wire::{Attributes, Incoming, Place, STRUCTURED, read};
use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Events of one append, at most.
const BATCH: usize = 256;
/// And their content, in bytes.
const BATCH_BYTES: usize = 4 << 20;

/// What to import.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The file to read; `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Into the store of which service; it is made if it is not there
    #[arg(long, value_name = "NAME")]
    service: String,
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Counts {
    lines: u64,
    taken: u64,
    known: u64,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let mut lines = open(&options.file)?;
    let folder = session.settings.data.join(&options.service).join("log");
    let opened =
        tokio::task::spawn_blocking(move || EmbeddedStore::open(folder, annals_store::Options::new()));
    let store = opened
        .await
        .map_err(|ended| Failure::new(Exit::Failed, format!("opening ended badly: {ended}")))??;
    let mut counts = Counts::default();
    let outcome = all(&store, &mut *lines, &options.file, &mut counts).await;
    let Counts { lines, taken, known } = counts;
    if session.is_table() {
        let told = format!("{lines} lines read, {taken} events taken, {known} were there already");
        session.out.line(&told)?;
    } else {
        session
            .out
            .document(&json!({ "lines": lines, "taken": taken, "known": known }))?;
    }
    outcome
}

async fn all(
    store: &EmbeddedStore,
    lines: &mut (dyn BufRead + Send),
    file: &Path,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut line = String::new();
    loop {
        line.clear();
        let read = lines.read_line(&mut line).map_err(|error| unread(file, &error))?;
        if read == 0 || batch.len() == BATCH || bytes > BATCH_BYTES {
            take(store, std::mem::take(&mut batch), counts).await?;
            bytes = 0;
        }
        if read == 0 {
            return Ok(());
        }
        counts.lines += 1;
        if line.trim().is_empty() {
            continue;
        }
        match event(&line) {
            Ok(event) => {
                bytes += event.data.len();
                batch.push(event);
            }
            Err(reason) => {
                // What came before it is taken.
                take(store, batch, counts).await?;
                let at = format!("{}, line {}", file.display(), counts.lines);
                return Err(Failure::new(Exit::Failed, format!("{at}: {reason}"))
                    .hint("mend the line and import the file again: what is there is not taken twice"));
            }
        }
    }
}

/// The event of a line.
fn event(line: &str) -> Result<NewEvent, String> {
    let read = read(&Incoming {
        topic: "import".into(),
        attributes: Attributes::default(),
        content_type: Some(format!("{STRUCTURED}+json").into()),
        key: None,
        place: Place::Unknown,
        data: line.trim().to_owned().into(),
    });
    read.map_err(|reason| format!("expected a CloudEvent as one JSON object: {reason}"))
}

/// All at once; one by one where some are there already.
async fn take(store: &EmbeddedStore, batch: Vec<NewEvent>, counts: &mut Counts) -> Result<(), Failure> {
    if batch.is_empty() {
        return Ok(());
    }
    let count = batch.len() as u64;
    let append = |events| Append {
        events,
        ..Append::default()
    };
    match store.append(append(batch.clone())).await {
        Ok(appended) if appended.duplicate => counts.known += count,
        Ok(_) => counts.taken += count,
        Err(AppendError::IdTaken { .. } | AppendError::Invalid(_)) => {
            for event in batch {
                match store.append(append(vec![event])).await {
                    Ok(appended) if !appended.duplicate => counts.taken += 1,
                    // An event that was exported from this very store says where it comes from, and is the same.
                    Ok(_) | Err(AppendError::IdTaken { .. }) => counts.known += 1,
                    Err(error) => return Err(untaken(&error)),
                }
            }
        }
        Err(error) => return Err(untaken(&error)),
    }
    Ok(())
}

fn untaken(error: &AppendError) -> Failure {
    Failure::new(Exit::of(error.kind()), error.to_string())
}

fn open(file: &Path) -> Result<Box<dyn BufRead + Send>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    match File::open(file) {
        Ok(opened) => Ok(Box::new(BufReader::new(opened))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::not_found(format!("there is no file {}", file.display())))
        }
        Err(error) => Err(unread(file, &error)),
    }
}

fn unread(file: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("{} cannot be read: {error}", file.display()),
    )
}
