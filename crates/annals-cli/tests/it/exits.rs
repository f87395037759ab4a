//! Help, usage, and that every exit code is told and kept.

use crate::run::{annals, annals_on};

#[test]
fn without_a_verb_the_help_shows_the_first_steps() {
    let ran = annals(&[]).ended(0);
    for step in ["annals demo", "annals tail", "annals entity show"] {
        assert!(ran.out.contains(step), "{}", ran.out);
    }
}

#[test]
fn every_exit_code_is_in_the_help() {
    let ran = annals(&["--help"]).ended(0);
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "130 "] {
        assert!(
            ran.out.lines().any(|line| line.trim_start().starts_with(code)),
            "{code} in {}",
            ran.out
        );
    }
    assert!(!ran.out.contains("provider  "), "the provider is hidden");
}

#[test]
fn the_guide_and_the_help_tell_the_same_codes() {
    let guide = include_str!("../../../../docs/cli.md");
    for line in annals_cli::exit::TABLE.lines().skip(1) {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(guide.contains(&row), "docs/cli.md has no row {row}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_a_suggestion() {
    let ran = annals(&["tial"]).ended(2);
    assert!(ran.err.contains("tail"), "{}", ran.err);
    annals(&["event", "ls", "--limit", "none"]).ended(2);
    annals(&["serve"]).ended(2);
    let ran = annals(&["status", "--node", "https://127.0.0.1:1"]).ended(2);
    assert!(ran.err.contains("hint: "), "{}", ran.err);
}

#[test]
fn a_folder_without_stores_is_not_found() {
    let empty = tempfile::tempdir().unwrap();
    for verb in [
        &["verify"][..],
        &["status"],
        &["tail"],
        &["event", "ls"],
        &["parked", "ls"],
    ] {
        let ran = annals_on(empty.path(), verb).ended(4);
        assert!(ran.err.contains("there is no store under"), "{}", ran.err);
        assert!(ran.err.contains("hint: "), "{}", ran.err);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        annals_on(&empty.path().join("none"), verb).ended(4);
    }
}

#[test]
fn version_is_the_version() {
    let ran = annals(&["--version"]).ended(0);
    assert_eq!(ran.out.trim(), format!("annals {}", env!("CARGO_PKG_VERSION")));
}
