//! A gateway that speaks S3 over a folder.
//!
//! In: a place. Out: its artifacts, and what to start.
//! Invariants: it listens on loopback only, without TLS. Every request must be signed by `annals` with the password `annals`.
//! There is one bucket, `annals`; a folder beside it would be another.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{
    artifacts,
    place::Place,
    process::{self, Launch},
    ready::S3_HEALTH,
    table::{Server, VERSITYGW},
};

/// Who may do everything, and the password; the bucket has the same name.
const NAME: &str = "annals";

/// Builds the gateway.
///
/// # Errors
/// There is no Go, or it does not get the source.
pub(super) fn fetch(place: &Place) -> Result<PathBuf> {
    artifacts::cached(place, "versitygw", VERSITYGW, |folder| {
        let module = format!("github.com/versity/versitygw/cmd/versitygw@v{VERSITYGW}");
        let bin = folder.join("bin");
        let variables: [(&str, &OsStr); 1] = [("GOBIN", bin.as_os_str())];
        artifacts::run(folder, "go", &["install", &module], &variables).map(drop)
    })
}

/// Makes the bucket and answers how to start the gateway.
///
/// # Errors
/// A folder cannot be made.
pub(super) fn launch(place: &Place, artifact: &Path) -> Result<Launch> {
    let run = place.run(Server::S3);
    let (objects, about) = (run.join("data/objects"), run.join("data/about"));
    artifacts::create(&objects.join(NAME))?;
    artifacts::create(&about)?;
    let address = format!("127.0.0.1:{}", place.port(Server::S3));
    let mut args: Vec<OsString> = ["--port", &address, "--health", S3_HEALTH, "posix", "--sidecar"]
        .map(OsString::from)
        .into();
    args.extend([about.into(), objects.into()]);
    Ok(Launch {
        program: artifact.join("bin/versitygw"),
        args,
        variables: vec![
            ("ROOT_ACCESS_KEY_ID", NAME.into()),
            ("ROOT_SECRET_ACCESS_KEY", NAME.into()),
        ],
        log: run.join(process::LOG),
        folder: run,
    })
}
