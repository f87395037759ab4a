//! RocksDB's own library, as its makers build it for Java: 343 files of C++ that need not be compiled.
//!
//! In: a place, and the version that is wanted. Out: the library, which has the functions for C besides those for Java.
//! It is had for Linux on x86-64 only.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{artifacts, place::Place};

/// The library inside what Maven gets.
const INSIDE: &str = "librocksdbjni-linux64.so";

/// Fetches the library of a version unless it is there, and answers its path.
///
/// # Errors
/// There is none for this machine, there is no Java, or Maven does not get it.
pub(crate) fn library(place: &Place, version: &str) -> Result<PathBuf> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "RocksDB's library is had for Linux on x86-64 only"
    );
    artifacts::java()?;
    let folder = artifacts::cached(place, "rocksdbjni", version, |folder| {
        artifacts::maven(
            place,
            folder,
            &[format!("org.rocksdb:rocksdbjni:{version}")],
            true,
        )?;
        let archive = format!("libs/rocksdbjni-{version}.jar");
        artifacts::run(folder, "jar", &["xf", &archive, INSIDE], &[])?;
        Ok(())
    })?;
    Ok(folder.join(INSIDE))
}
