//! `new`: a small service crate that compiles and passes its test.
//!
//! In: a name. Out: a folder with a manifest, a library with one key, two events, a model, two commands and their tests,
//! and a program that runs it. An existing folder is left alone. The template is a crate of its own beside this one's
//! sources, so that it is compiled and tested like everything else.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The name the template has.
const TEMPLATE: &str = "starter";

/// Every file of the template, and where it goes.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("../../template/manifest.toml")),
    (".gitignore", include_str!("../../template/ignored")),
    ("src/lib.rs", include_str!("../../template/src/lib.rs")),
    ("src/tests.rs", include_str!("../../template/src/tests.rs")),
    ("src/main.rs", include_str!("../../template/src/main.rs")),
];

/// What to write, and where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The crate's name, such as my-service
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// The folder to make [default: the name]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// A checkout of annals to depend on [default: the one around the current folder, else the version of this program]
    #[arg(long, value_name = "PATH")]
    annals: Option<PathBuf>,
}

/// A name that a crate can have.
fn name(text: &str) -> Result<String, String> {
    let shape = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    let taken = [
        "annals",
        "core",
        "std",
        "alloc",
        "test",
        "serde",
        "tokio",
        "thiserror",
        "self",
        "super",
        "crate",
    ];
    match shape && !taken.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "expected a crate's name such as my-service, found {text:?}"
        )),
    }
}

pub(crate) fn run(options: Options, session: &mut Session) -> Result<(), Failure> {
    let folder = options.path.unwrap_or_else(|| PathBuf::from(&options.name));
    let checkout = match options.annals {
        Some(path) => Some(checkout(&path)?),
        None => around(&std::env::current_dir().unwrap_or_default()),
    };
    if folder.exists() {
        let failure = Failure::new(Exit::Conflict, format!("{} is there already", folder.display()));
        return Err(failure.hint("choose another folder with --path DIR"));
    }
    let files = FILES.map(|(path, text)| (path, filled(path, text, &options.name, checkout.as_deref())));
    for (path, text) in &files {
        write(&folder.join(path), text)?;
    }
    if !session.is_table() {
        let files = files.map(|(path, _)| path);
        return session
            .out
            .document(&json!({ "name": options.name, "folder": folder, "files": files }));
    }
    for (path, _) in &files {
        session.out.line(&folder.join(path).display().to_string())?;
    }
    let folder = folder.display();
    session
        .notes
        .note(&format!("next: cd {folder} && cargo test && cargo run"));
    Ok(())
}

/// A folder that holds the crates of annals.
fn checkout(path: &Path) -> Result<PathBuf, Failure> {
    let found = path.canonicalize().ok().filter(|path| is_checkout(path));
    found.ok_or_else(|| {
        Failure::not_found(format!("there is no checkout of annals in {}", path.display()))
            .hint("expected a folder with crates/annals/Cargo.toml")
    })
}

fn is_checkout(path: &Path) -> bool {
    path.join("crates/annals/Cargo.toml").is_file() && path.join("crates/annals-testkit/Cargo.toml").is_file()
}

/// The checkout that a folder lies in.
fn around(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .find(|folder| is_checkout(folder))
        .map(Path::to_owned)
}

/// A file of the template for this crate.
fn filled(path: &str, text: &str, name: &str, checkout: Option<&Path>) -> String {
    if path != "Cargo.toml" {
        return text.replace(TEMPLATE, &name.replace('-', "_"));
    }
    let text = text.replace(&format!("\"{TEMPLATE}\""), &format!("\"{name}\""));
    let Some(checkout) = checkout else {
        return text.replace("VERSION", env!("CARGO_PKG_VERSION"));
    };
    let line = |line: &str| match line.split_once(" = \"VERSION\"") {
        Some((dependency, _)) => {
            let path = checkout.join("crates").join(dependency);
            format!("{dependency} = {{ path = {:?} }}\n", path.display().to_string())
        }
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    });
    made.map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("{} cannot be written: {error}", path.display()),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FILES, filled, name};

    #[test]
    fn names_are_names_of_crates() {
        assert!(
            ["my-service", "a", "x_1"]
                .into_iter()
                .all(|text| name(text).is_ok())
        );
        assert!(
            ["", "My", "1a", "a b", "annals", "../x", "test"]
                .into_iter()
                .all(|text| name(text).is_err())
        );
    }

    #[test]
    fn nothing_of_the_template_is_left() {
        for (path, text) in FILES {
            for checkout in [None, Some(Path::new("/somewhere"))] {
                let filled = filled(path, text, "my-service", checkout);
                assert!(
                    !filled.contains("starter") && !filled.contains("VERSION"),
                    "{path}:\n{filled}"
                );
            }
        }
        let manifest = filled(
            "Cargo.toml",
            FILES[0].1,
            "my-service",
            Some(Path::new("/somewhere")),
        );
        assert!(manifest.contains("name = \"my-service\""));
        assert!(
            manifest.contains("annals = { path = \"/somewhere/crates/annals\" }"),
            "{manifest}"
        );
        assert!(filled("src/main.rs", FILES[4].1, "my-service", None).contains("use my_service::"));
    }
}
