//! The files of the repository, read and parsed once.
//!
//! In: the root folder, or texts made up by a test. Out: every path, the text of those that rules read, the
//! syntax of Rust files, the manifests of the workspace's packages.
//! Invariants: paths are relative to the root and written with `/`; build output, hidden folders and data
//! folders are not part of the tree. It knows no rule.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{attrs, mask::Mask};

/// Folders whose packages make up the workspace; each holds one package per folder.
const PACKAGE_FOLDERS: [&str; 3] = ["crates", "examples", "bench"];
/// A workspace of its own, whose packages the gate never builds; the rules hold there all the same.
const APART: &str = "bench/peers/";
/// Endings of the files whose text rules read.
const TEXT_ENDINGS: [&str; 7] = ["rs", "md", "toml", "css", "js", "sql", "html"];
/// Hidden folders that belong to the project all the same.
const HIDDEN_OF_OURS: [&str; 3] = [".ci", ".cargo", ".github"];

/// All files of the repository.
#[derive(Default)]
pub(crate) struct Tree {
    /// Where the tree was read from; none for a tree made up by a test.
    pub(crate) root: Option<PathBuf>,
    files: BTreeMap<String, Option<String>>,
    rust: BTreeMap<String, RustFile>,
}

/// A Rust file and what it is made of.
pub(crate) struct RustFile {
    /// Path from the root.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
    /// The syntax, or why it could not be parsed.
    pub(crate) syntax: syn::Result<syn::File>,
    /// Code, comments and strings told apart.
    pub(crate) mask: Mask,
    /// Whether it is built only for tests.
    pub(crate) test: bool,
}

/// One package of the workspace, or of the workspace of peers.
pub(crate) struct Package {
    /// Folder from the root.
    pub(crate) folder: String,
    /// Path of the manifest from the root.
    pub(crate) manifest_path: String,
    /// The manifest, or why it could not be parsed.
    pub(crate) manifest: Result<toml::Table, String>,
}

impl Package {
    /// The package's name, or its folder's name while the manifest cannot be read.
    pub(crate) fn name(&self) -> &str {
        let stated = self
            .manifest
            .as_ref()
            .ok()
            .and_then(|m| m.get("package")?.get("name")?.as_str());
        stated.unwrap_or_else(|| self.folder_name())
    }

    /// Whether it is in a workspace of its own, which cargo does not see from here.
    pub(crate) fn is_apart(&self) -> bool {
        self.folder.starts_with(APART)
    }

    /// Last part of the folder.
    pub(crate) fn folder_name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or(&self.folder)
    }
}

impl Tree {
    /// Reads everything under `root`.
    ///
    /// # Errors
    /// A folder or file that cannot be read; the message names it.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        walk(root, "", &mut files)?;
        let mut tree = Self::from_files(files);
        tree.root = Some(root.to_owned());
        Ok(tree)
    }

    fn from_files(files: BTreeMap<String, Option<String>>) -> Self {
        let mut rust = BTreeMap::new();
        for (path, text) in &files {
            if let Some(text) = text.as_ref().filter(|_| path.ends_with(".rs")) {
                rust.insert(path.clone(), RustFile::parse(path, text));
            }
        }
        mark_declared_tests(&mut rust);
        Self {
            root: None,
            files,
            rust,
        }
    }

    /// A tree of made-up files, each a path and its text.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self::from_files(
            files
                .iter()
                .map(|(path, text)| ((*path).into(), Some((*text).into())))
                .collect(),
        )
    }

    /// Whether the tree has this file, or a folder of this name with a file in it.
    pub(crate) fn has(&self, path: &str) -> bool {
        let inside = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(inside.clone()..)
                .next()
                .is_some_and(|(next, _)| next.starts_with(&inside))
    }

    /// The text of a file, when it is one that rules read.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// All paths with their text, where it was read.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// All Rust files, by path.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &RustFile> {
        self.rust.values()
    }

    /// One Rust file.
    pub(crate) fn rust_file(&self, path: &str) -> Option<&RustFile> {
        self.rust.get(path)
    }

    /// The packages of the workspace and those apart, by folder.
    pub(crate) fn packages(&self) -> Vec<Package> {
        let manifests = self.files.iter().filter(|(path, _)| is_package_manifest(path));
        manifests
            .map(|(path, text)| Package {
                folder: path.trim_end_matches("/Cargo.toml").to_owned(),
                manifest_path: path.clone(),
                manifest: text
                    .as_deref()
                    .unwrap_or_default()
                    .parse()
                    .map_err(|e| format!("{e}")),
            })
            .collect()
    }
}

impl RustFile {
    fn parse(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            syntax: syn::parse_file(text),
            mask: Mask::of(text),
            test: is_test_path(path),
        }
    }

    /// Whether it is part of the product, of its example or of its benchmarks, tests included.
    pub(crate) fn of_product(&self) -> bool {
        PACKAGE_FOLDERS
            .iter()
            .any(|folder| self.path.starts_with(&format!("{folder}/")))
    }
}

fn is_package_manifest(path: &str) -> bool {
    if let Some(inside) = path.strip_prefix(APART) {
        return inside.ends_with("/Cargo.toml") && inside.matches('/').count() == 1;
    }
    match path.split('/').collect::<Vec<_>>()[..] {
        [folder, _, "Cargo.toml"] => PACKAGE_FOLDERS.contains(&folder),
        ["xtask", "Cargo.toml"] => true,
        _ => false,
    }
}

fn is_test_path(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    parts.next() == Some("tests.rs") || parts.any(|folder| folder == "tests")
}

/// Marks the files of modules declared under `#[cfg(test)]`, with everything below them.
fn mark_declared_tests(rust: &mut BTreeMap<String, RustFile>) {
    let mut stems = Vec::new();
    for file in rust.values() {
        let Ok(syntax) = &file.syntax else { continue };
        for item in &syntax.items {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
                && attrs::test_only(&module.attrs)
            {
                stems.push(format!("{}/{}", module_folder(&file.path), module.ident));
            }
        }
    }
    for file in rust.values_mut() {
        let within = |stem: &String| {
            let rest = file.path.strip_prefix(stem.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        file.test |= stems.iter().any(within);
    }
}

/// The folder in which the modules declared by a file live.
pub(crate) fn module_folder(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let in_bin = folder.ends_with("/src/bin");
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ if in_bin => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

fn walk(root: &Path, prefix: &str, files: &mut BTreeMap<String, Option<String>>) -> Result<()> {
    let folder = root.join(prefix);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}/{name}")
        };
        let kind = entry
            .file_type()
            .with_context(|| format!("cannot look at {path}"))?;
        if kind.is_dir() {
            if !is_foreign_folder(&entry.path(), &name) {
                walk(root, &path, files)?;
            }
        } else {
            let text = read_text(&entry.path(), &name).with_context(|| format!("cannot read {path}"))?;
            files.insert(path, text);
        }
    }
    Ok(())
}

/// Build output, hidden folders, other checkouts and the data of a node started here.
fn is_foreign_folder(path: &Path, name: &str) -> bool {
    (name.starts_with('.') && !HIDDEN_OF_OURS.contains(&name))
        || matches!(name, "target" | "annals-data")
        || path.join("CACHEDIR.TAG").exists()
        || path.join(".git").exists()
}

/// The text of a file that rules read; a file that vanished meanwhile is as good as not there.
fn read_text(path: &Path, name: &str) -> io::Result<Option<String>> {
    let read = name
        .rsplit_once('.')
        .is_some_and(|(_, ending)| TEXT_ENDINGS.contains(&ending));
    if !read {
        return Ok(None);
    }
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
