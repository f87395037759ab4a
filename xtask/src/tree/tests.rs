use super::{Tree, module_folder};

#[test]
fn tests_are_known_by_place_and_by_declaration() {
    let tree = Tree::of(&[
        (
            "crates/a/src/lib.rs",
            "#[cfg(test)] mod fixtures; mod fixtures_kept;",
        ),
        ("crates/a/src/fixtures.rs", ""),
        ("crates/a/src/fixtures/deep.rs", ""),
        ("crates/a/src/fixtures_kept.rs", ""),
        ("crates/a/src/x/tests.rs", ""),
        ("crates/a/tests/it/main.rs", ""),
    ]);
    let tests: Vec<_> = tree.rust().filter(|f| f.test).map(|f| f.path.as_str()).collect();
    let expected = [
        "crates/a/src/fixtures.rs",
        "crates/a/src/fixtures/deep.rs",
        "crates/a/src/x/tests.rs",
        "crates/a/tests/it/main.rs",
    ];
    assert_eq!(tests, expected);
}

#[test]
fn packages_are_the_members_of_both_workspaces_only() {
    let tree = Tree::of(&[
        ("Cargo.toml", "[workspace]"),
        ("crates/a/Cargo.toml", "[package]\nname = \"other\""),
        ("crates/a/tests/ui/Cargo.toml", ""),
        ("crates/b/Cargo.toml", "not toml"),
        ("bench/Cargo.toml", ""),
        ("bench/peers/Cargo.toml", "[workspace]"),
        ("bench/peers/c/Cargo.toml", "[package]\nname = \"c\""),
        ("bench/peers/c/src/Cargo.toml", ""),
        ("xtask/Cargo.toml", "[package]\nname = \"xtask\""),
    ]);
    let packages = tree.packages();
    let names: Vec<_> = packages.iter().map(|p| (p.folder.as_str(), p.name())).collect();
    assert_eq!(
        names,
        [
            ("bench/peers/c", "c"),
            ("crates/a", "other"),
            ("crates/b", "b"),
            ("xtask", "xtask")
        ]
    );
    assert!(packages[2].manifest.is_err());
    let apart: Vec<_> = packages
        .iter()
        .filter(|p| p.is_apart())
        .map(|p| p.name())
        .collect();
    assert_eq!(apart, ["c"]);
}

#[test]
fn files_and_folders_are_found() {
    let tree = Tree::of(&[("docs/a/b.md", "")]);
    assert!(tree.has("docs/a/b.md") && tree.has("docs/a") && tree.has("docs") && tree.has(""));
    assert!(!tree.has("docs/a/b") && !tree.has("doc"));
}

#[test]
fn modules_live_beside_their_root_and_below_other_files() {
    assert_eq!(module_folder("crates/a/src/lib.rs"), "crates/a/src");
    assert_eq!(module_folder("crates/a/src/x.rs"), "crates/a/src/x");
    assert_eq!(module_folder("crates/a/src/x/mod.rs"), "crates/a/src/x");
    assert_eq!(module_folder("crates/a/src/bin/tool.rs"), "crates/a/src/bin");
}
