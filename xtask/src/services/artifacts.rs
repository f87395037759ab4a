//! What servers are made of, fetched once.
//!
//! In: what is wanted and how it is fetched. Out: a folder that holds all of it.
//! Invariants: the marker is written last and names the version, so a folder with the right marker is whole and any
//! other is made anew; two commands never fetch the same thing at once. Nothing outside the folder changes but the
//! caches of Maven and Go. It needs no root.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    place::Place,
    process,
    table::{JAVA_MIN, MAVEN_COPIER},
};

/// Name of the file that says that a folder is whole.
const MARKER: &str = "whole";
/// Name of the file that gets what the fetching programs print.
const LOG: &str = "fetch.log";

/// The folder of something in a version, whether it is there or not.
pub(super) fn folder(place: &Place, name: &str, version: &str) -> PathBuf {
    place.artifacts().join(format!("{name}-{version}"))
}

/// The folder of something in a version, fetched by `fetch` unless it is there already.
///
/// # Errors
/// It cannot be fetched, or the folder cannot be written.
pub(super) fn cached(
    place: &Place,
    name: &str,
    version: &str,
    fetch: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let folder = folder(place, name, version);
    let _held = lock(&place.artifacts(), name)?;
    let marker = folder.join(MARKER);
    let line = format!("{name} {version}\n");
    if fs::read_to_string(&marker).is_ok_and(|text| text == line) {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    create(&folder)?;
    println!("   {name} {version}: fetching");
    fetch(&folder).with_context(|| format!("{name} {version} cannot be had"))?;
    let half = folder.join("half");
    fs::write(&half, line)
        .and_then(|()| fs::rename(&half, &marker))
        .with_context(|| format!("cannot write {}", marker.display()))?;
    Ok(folder)
}

/// Creates a folder and those above it.
///
/// # Errors
/// The system refuses.
pub(super) fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Writes a file.
///
/// # Errors
/// The system refuses.
pub(super) fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Waits until nobody else holds `name` in `folder`; held until the answer is dropped.
///
/// # Errors
/// The file of the lock cannot be made or locked.
pub(super) fn lock(folder: &Path, name: &str) -> Result<File> {
    create(folder)?;
    let path = folder.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Runs a program in `folder` and answers what it printed.
///
/// # Errors
/// It is not there, or ends badly; the end of what it said is in the error.
pub(super) fn run<S: AsRef<OsStr>>(
    folder: &Path,
    program: impl AsRef<OsStr>,
    args: &[S],
    variables: &[(&str, &OsStr)],
) -> Result<String> {
    let program = program.as_ref();
    let shown = Path::new(program)
        .file_name()
        .unwrap_or(program)
        .to_string_lossy();
    let log = folder.join(LOG);
    let file = File::options().create(true).append(true).open(&log);
    let file = file.with_context(|| format!("cannot write {}", log.display()))?;
    let output = Command::new(program)
        .args(args)
        .envs(variables.iter().copied())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(file)
        .output()
        .with_context(|| format!("cannot run `{shown}`; is it installed?"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let said = fs::read_to_string(&log).unwrap_or_default() + &text;
        fs::write(&log, said).with_context(|| format!("cannot write {}", log.display()))?;
        bail!("`{shown}` ended with {}{}", output.status, process::tail(&log));
    }
    Ok(text)
}

/// Refuses a Java that is missing or too old.
///
/// # Errors
/// There is none of at least version 17.
pub(super) fn java() -> Result<()> {
    let output = Command::new("java").arg("-version").output();
    let output = output.context("there is no Java: cannot run `java`")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let version = java_version(&text).context("`java -version` tells no version")?;
    ensure!(
        version >= JAVA_MIN,
        "Java {JAVA_MIN} is needed, this is Java {version}"
    );
    Ok(())
}

/// The number behind the first quotation mark; Java 8 calls itself 1.8.
fn java_version(text: &str) -> Option<u32> {
    let mut numbers = text.split('"').nth(1)?.split(['.', '-', '+', '_']);
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        version => Some(version),
    }
}

/// Copies artifacts of Maven into the folder `libs` inside `folder`. Each is `group:name:version`, or
/// `group:name:version:type:classifier`, and comes alone when `alone`, else with all that it needs at run time.
///
/// # Errors
/// Maven is not there or does not get them.
pub(super) fn maven(place: &Place, folder: &Path, artifacts: &[String], alone: bool) -> Result<()> {
    write(&folder.join("pom.xml"), &pom(artifacts))?;
    // Two Mavens at once may get in each other's way in the cache that they share.
    let _held = lock(&place.artifacts(), "maven")?;
    let copier = format!("org.apache.maven.plugins:maven-dependency-plugin:{MAVEN_COPIER}:copy-dependencies");
    let args = [
        "-q",
        "-B",
        &copier,
        "-DincludeScope=runtime",
        "-DoutputDirectory=libs",
        &format!("-DexcludeTransitive={alone}"),
    ];
    run(folder, "mvn", &args, &[])?;
    Ok(())
}

fn pom(artifacts: &[String]) -> String {
    const TAGS: [&str; 5] = ["groupId", "artifactId", "version", "type", "classifier"];
    let tagged = |artifact: &String| {
        let inner: String = artifact
            .split(':')
            .zip(TAGS)
            .map(|(value, tag)| format!("<{tag}>{value}</{tag}>"))
            .collect();
        format!("    <dependency>{inner}</dependency>\n")
    };
    let dependencies: String = artifacts.iter().map(tagged).collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>annals</groupId>\n  <artifactId>server</artifactId>\n  <version>1</version>\n  \
         <packaging>pom</packaging>\n  <dependencies>\n{dependencies}  </dependencies>\n</project>\n"
    )
}

#[cfg(test)]
mod tests;
