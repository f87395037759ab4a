//! `verify`: every byte of every store under a folder.
//!
//! In: a folder; a node may run on it. Out: counts per store and every finding; the run ends with 1 if there is one.

use std::path::PathBuf;

use annals_store::VerifyReport;
use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::folder::{self, StoreFolder};
use crate::session::Session;

/// What to verify.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A data folder or the folder of one store [default: the data folder]
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(crate) async fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let folder = options.folder.unwrap_or_else(|| session.settings.data.clone());
    let mut looked_at = Vec::new();
    let stores = folder::stores(&folder)?;
    let progress = session.notes.progress("verifying stores", stores.len() as u64);
    for (done, store) in (1..).zip(stores) {
        let report = look(&store).await?;
        progress.reached(done);
        looked_at.push((store, report));
    }
    drop(progress);
    let findings: usize = looked_at.iter().map(|(_, report)| report.findings.len()).sum();
    if session.is_table() {
        table(&looked_at, session)?;
    } else {
        let stores: Vec<_> = looked_at
            .iter()
            .map(|(store, report)| document(store, report))
            .collect();
        session
            .out
            .document(&json!({ "damaged": findings > 0, "findings": findings, "stores": stores }))?;
    }
    if findings == 0 {
        return Ok(());
    }
    let damaged = looked_at
        .iter()
        .filter(|(_, report)| !report.findings.is_empty())
        .count();
    let failure = Failure::new(
        Exit::Failed,
        format!("{findings} findings in {damaged} of {} stores", looked_at.len()),
    );
    Err(failure
        .hint("stop the node, keep a copy of the folder, and restore the damaged stores from a backup"))
}

async fn look(store: &StoreFolder) -> Result<VerifyReport, Failure> {
    let dir = store.dir.clone();
    let looked = tokio::task::spawn_blocking(move || annals_store::verify(dir)).await;
    Ok(looked.map_err(|ended| Failure::new(Exit::Failed, format!("verifying ended badly: {ended}")))??)
}

fn document(store: &StoreFolder, report: &VerifyReport) -> serde_json::Value {
    let findings = report.findings.iter().map(|finding| {
        json!({ "file": finding.file, "at": finding.at, "expected": finding.expected, "found": finding.found })
    });
    json!({
        "name": store.name, "folder": store.dir, "segments": report.segments, "groups": report.frames,
        "events": report.events, "mark_writes": report.mark_writes, "bytes": report.bytes,
        "torn_bytes": report.torn_bytes, "findings": findings.collect::<Vec<_>>(),
    })
}

fn table(looked_at: &[(StoreFolder, VerifyReport)], session: &mut Session) -> Result<(), Failure> {
    let rows = looked_at.iter().map(|(store, report)| {
        let verdict = if report.findings.is_empty() {
            "sound".to_owned()
        } else {
            "DAMAGED".to_owned()
        };
        [
            store.name.clone(),
            verdict,
            report.events.to_string(),
            report.mark_writes.to_string(),
            report.frames.to_string(),
            report.bytes.to_string(),
            report.torn_bytes.to_string(),
        ]
    });
    let headings = [
        "STORE",
        "VERDICT",
        ">EVENTS",
        ">MARKS",
        ">GROUPS",
        ">BYTES",
        ">TORN BYTES",
    ];
    session.out.rows(headings, rows)?;
    for (store, report) in looked_at {
        for finding in &report.findings {
            let name = session.out.paint.red(&store.name);
            session.out.line(&format!("{name}: {finding}"))?;
        }
    }
    Ok(())
}
