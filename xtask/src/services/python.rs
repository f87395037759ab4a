//! An interpreter of Python that has what a project in Python wants.
//!
//! In: a place, and a project with its `requirements.txt`. Out: the path of an interpreter.
//! Invariants: packages go into an environment inside the artifacts, never into the system; another Python or another
//! list of packages is another environment.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::{artifacts, place::Place, table::PYTHON_MIN};

/// The list of packages, in a project and in the artifacts.
const WANTED: &str = "requirements.txt";
/// The environment's folder inside the artifacts.
const ENVIRONMENT: &str = "env";
/// Prints the version in full.
const VERSION: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3])";

/// Makes the environment of a project unless it is there, and answers its interpreter.
///
/// # Errors
/// There is no Python, it is too old, or the packages cannot be had.
pub(crate) fn environment(place: &Place, project: &Path) -> Result<PathBuf> {
    let list = project.join(WANTED);
    let wanted = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    artifacts::create(&place.artifacts())?;
    let version = artifacts::run(&place.artifacts(), "python3", &["-c", VERSION], &[])?;
    let name = named(version.trim(), &wanted)?;
    let folder = artifacts::cached(place, "python", &name, |folder| {
        artifacts::write(&folder.join(WANTED), &wanted)?;
        install(folder)
    })?;
    Ok(interpreter(&folder))
}

fn interpreter(folder: &Path) -> PathBuf {
    folder.join(ENVIRONMENT).join("bin/python")
}

/// The name under which an environment is kept.
fn named(version: &str, wanted: &str) -> Result<String> {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        anyhow::bail!("`python3` tells no version, but {version:?}");
    };
    let (least_major, least_minor) = PYTHON_MIN;
    ensure!(
        (major, minor) >= PYTHON_MIN,
        "Python {least_major}.{least_minor} is needed, this is Python {version}"
    );
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    Ok(format!("{version}-{:016x}", hasher.finish()))
}

/// Some distributions keep what puts `pip` into an environment in a package of its own; there the system's `pip`
/// installs into it from outside.
fn install(folder: &Path) -> Result<()> {
    let python = interpreter(folder);
    let pip = ["install", "--quiet", "--disable-pip-version-check", "-r", WANTED];
    if artifacts::run(folder, "python3", &["-m", "venv", ENVIRONMENT], &[]).is_ok() {
        artifacts::run(folder, &python, &[&["-m", "pip"], &pip[..]].concat(), &[])?;
        return Ok(());
    }
    let bare = ["-m", "venv", "--clear", "--without-pip", ENVIRONMENT];
    artifacts::run(folder, "python3", &bare, &[])?;
    let python = python.to_str().context("the path of the artifacts is no text")?;
    let from_outside = ["-m", "pip", "--python", python];
    artifacts::run(folder, "python3", &[&from_outside, &pip[..]].concat(), &[])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn another_python_or_another_list_is_another_environment() {
        let name = |version, wanted| named(version, wanted).unwrap();
        assert_eq!(name("3.11.7", "a==1"), name("3.11.7", "a==1"));
        assert!(name("3.11.7", "a==1").starts_with("3.11.7-"));
        assert_ne!(name("3.11.7", "a==1"), name("3.11.7", "a==2"));
        assert_ne!(name("3.11.7", "a==1"), name("3.12.0", "a==1"));
    }

    #[test]
    fn an_old_python_is_refused() {
        for (version, said) in [
            ("3.9.2", "3.10 is needed"),
            ("2.7.18", "3.10 is needed"),
            ("", "no version"),
        ] {
            let error = named(version, "").unwrap_err().to_string();
            assert!(error.contains(said), "{version}: {error}");
        }
        assert!(named("4.0.0", "").is_ok());
    }
}
