//! NATS with JetStream.
//!
//! In: a place. Out: its artifacts, and what to start.
//! Invariants: it listens on loopback only and flushes every message before it answers. It asks nobody who he is; who says so
//! has to be `annals` with the password `annals`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{
    artifacts,
    place::Place,
    process::{self, Launch},
    table::{NATS, Server},
};

/// Builds the server.
///
/// # Errors
/// There is no Go, or it does not get the source.
pub(super) fn fetch(place: &Place) -> Result<PathBuf> {
    artifacts::cached(place, "nats", NATS, |folder| {
        let module = format!("github.com/nats-io/nats-server/v2@v{NATS}");
        let bin = folder.join("bin");
        let variables: [(&str, &OsStr); 1] = [("GOBIN", bin.as_os_str())];
        artifacts::run(folder, "go", &["install", &module], &variables).map(drop)
    })
}

fn settings(port: u16, data: &Path) -> String {
    format!(
        "listen: \"127.0.0.1:{port}\"\nserver_name: annals\nmax_payload: 8MB\nmax_pending: 64MB\n\
         authorization {{ users = [ {{ user: annals, password: annals }} ] }}\nno_auth_user: annals\n\
         jetstream {{\n  store_dir: \"{}\"\n  sync_interval: always\n}}\n",
        data.display()
    )
}

/// Writes its settings and answers how to start it.
///
/// # Errors
/// A file cannot be written.
pub(super) fn launch(place: &Place, artifact: &Path) -> Result<Launch> {
    let run = place.run(Server::Nats);
    let file = run.join("conf/nats.conf");
    artifacts::write(&file, &settings(place.port(Server::Nats), &run.join("data")))?;
    Ok(Launch {
        program: artifact.join("bin/nats-server"),
        args: vec!["-c".into(), file.into()],
        variables: Vec::new(),
        log: run.join(process::LOG),
        folder: run,
    })
}
