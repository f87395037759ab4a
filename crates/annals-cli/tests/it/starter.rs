//! The template of `new`: it compiles, its tests pass, and what it writes works by itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::annals;

/// The template's library and its tests, compiled as they stand.
#[path = "../../template/src/lib.rs"]
#[expect(
    unreachable_pub,
    reason = "a crate of its own is public, a module of a test is not"
)]
mod lending;

#[test]
fn the_template_names_what_it_needs() {
    let service = lending::service();
    drop(service);
    let id = lending::BookId::from("emma");
    assert_eq!(annals::Key::tag(&id).unwrap().as_str(), "book:emma");
}

#[test]
fn an_existing_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("here");
    fs::create_dir(&path).unwrap();
    let ran = annals(&["new", "my-service", "--path", path.to_str().unwrap()]).ended(5);
    assert!(ran.err.contains("is there already"), "{}", ran.err);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
    annals(&["new", "My Service"]).ended(2);
    let nowhere = folder.path().to_str().unwrap();
    annals(&["new", "x", "--path", "y", "--annals", nowhere]).ended(4);
}

#[test]
fn what_is_written_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lending");
    let ran = annals(&[
        "new",
        "my-service",
        "--path",
        path.to_str().unwrap(),
        "-o",
        "json",
    ])
    .ended(0);
    let files = ran.json()["files"].as_array().unwrap().clone();
    assert!(
        files
            .iter()
            .all(|file| path.join(file.as_str().unwrap()).is_file()),
        "{files:?}"
    );
    let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"my-service\""), "{manifest}");
}

#[test]
#[ignore = "long: compiles a new crate against the workspace"]
fn a_new_crate_compiles_passes_its_tests_and_runs() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lending");
    let arguments = [
        "new",
        "lending-desk",
        "--path",
        path.to_str().unwrap(),
        "--annals",
        workspace.to_str().unwrap(),
    ];
    annals(&arguments).ended(0);
    // The same versions as everything here, so that nothing has to be fetched.
    fs::copy(workspace.join("Cargo.lock"), path.join("Cargo.lock")).unwrap();
    // Built apart from whoever runs this test, and kept from one run to the next.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("template");
    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
        cargo
            .args(arguments)
            .arg("--offline")
            .current_dir(&path)
            .env("CARGO_TARGET_DIR", &target);
        let output = cargo.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    };
    let tested = cargo(&["test"]);
    assert!(tested.contains("2 passed"), "{tested}");
    for run in 1..=2 {
        let ran = cargo(&["run"]);
        assert!(
            ran.contains(&format!("times: {run}")),
            "run {run} remembers the one before: {ran}"
        );
    }
    let data = path.join("data");
    let listed = annals(&[
        "event",
        "ls",
        "--data",
        data.to_str().unwrap(),
        "--service",
        "books",
        "-o",
        "json",
    ]);
    assert_eq!(listed.ended(0).json()["events"].as_array().unwrap().len(), 4);
}
