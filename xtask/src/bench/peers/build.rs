//! Builds the program of a peer.
//!
//! In: its package. Out: nothing, or why it could not be built, in the words of whoever knows best: a build script that misses
//! something on this machine before cargo, which only says that the script failed.

use std::{env, ffi::OsStr, fs, path::Path};

use anyhow::{Context, Result, bail};

use super::list::version;
use crate::{cargo, services};

/// The workspace of the peers.
const MANIFEST: &str = "bench/peers/Cargo.toml";
/// Where RocksDB's bindings look for its library.
const LIBRARY: &str = "ROCKSDB_LIB_DIR";

/// Builds a program into the folder `release` of `target`, and puts a library beside it that it needs and is not built here.
///
/// # Errors
/// It cannot be built; the message is the reason, in one line.
pub(super) fn run(root: &Path, target: &Path, lock: &toml::Table, package: &str) -> Result<()> {
    let beside = target.join("release");
    let mut variables: Vec<(&str, &OsStr)> = Vec::new();
    // Whoever names a library gets that one.
    if package.ends_with("-rocksdb") && env::var_os(LIBRARY).is_none() {
        match rocksdb(root, &beside, lock) {
            Ok(()) => variables.push((LIBRARY, beside.as_os_str())),
            Err(why) => println!("   RocksDB is compiled, which takes long: {why:#}"),
        }
    }
    let (manifest, target) = (
        root.join(MANIFEST).display().to_string(),
        target.display().to_string(),
    );
    let mut args = vec!["build", "--release", "--locked", "--quiet", "--color", "never"];
    args.extend([
        "--manifest-path",
        &manifest,
        "--target-dir",
        &target,
        "-p",
        package,
    ]);
    match cargo::complaint(root, &args, &variables)? {
        Some(words) => bail!("was not built: {}", reason(&words)),
        None => Ok(()),
    }
}

/// Puts RocksDB's library into a folder, of the version that the bindings are made for: it stands behind their own.
fn rocksdb(root: &Path, folder: &Path, lock: &toml::Table) -> Result<()> {
    let bindings = version(lock, "librocksdb-sys").context("there are no bindings to RocksDB")?;
    let (_, wanted) = bindings.split_once('+').context("they name no RocksDB")?;
    let library = services::rocksdb(&services::Place::of(root)?, wanted)?;
    let here = folder.join("librocksdb.so");
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(library, &here))
        .with_context(|| format!("cannot write {}", here.display()))?;
    Ok(())
}

/// The line that says why: what a build script cried, or else cargo's first error.
fn reason(words: &str) -> &str {
    let lines = || words.lines().map(str::trim);
    let cried = lines().skip_while(|line| !line.contains("panicked at")).nth(1);
    let ended = || lines().find(|line| line.starts_with("Error: "));
    let failed = || lines().find(|line| line.starts_with("error"));
    cried
        .or_else(ended)
        .or_else(failed)
        .unwrap_or("cargo did not say why")
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn what_a_build_script_misses_is_the_reason() {
        let script = "error: failed to run custom build command for `a-sys v1.0.0`\n\nCaused by:\n  \
            process didn't exit successfully: `a` (exit status: 101)\n  --- stderr\n\n";
        let cried =
            format!("{script}  thread 'main' (7) panicked at lib.rs:1:2:\n  no libclang\n  note: run with\n");
        assert_eq!(reason(&cried), "no libclang");
        let ended = format!("{script}  Error: no `protoc`\n");
        assert_eq!(reason(&ended), "Error: no `protoc`");
    }

    #[test]
    fn other_failures_are_in_the_words_of_cargo() {
        let words = "warning: odd\nerror: no matching package named `a` found\nerror: aborting\n";
        assert_eq!(reason(words), "error: no matching package named `a` found");
        assert_eq!(reason(""), "cargo did not say why");
    }
}
