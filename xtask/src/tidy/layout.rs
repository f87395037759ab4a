//! Rule `layout`: every crate is built alike.
//!
//! In: the tree. Out: a finding per package whose folder has another name, whose manifest does not inherit
//! what the workspace states, whose dependencies carry versions of their own, or whose integration tests are
//! more than one binary.

use toml::{Table, Value};

use crate::{
    finding::Finding,
    tree::{Package, Tree},
};

/// Name of the rule.
pub(crate) const RULE: &str = "layout";
/// What a package takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];
/// The tables that hold dependencies.
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// The name of a package: that of its folder; a benchmark says whose it is and that it is one.
fn name_by_folder(package: &Package) -> String {
    let folder = package.folder_name();
    match package.folder.strip_prefix("bench/") {
        Some(_) => format!("annals-bench-{folder}"),
        None => folder.to_owned(),
    }
}

/// Checks every package of the workspace.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let packages = tree.packages();
    let members: Vec<&str> = packages.iter().map(Package::name).collect();
    let mut findings = Vec::new();
    for package in &packages {
        findings.extend(several_binaries(tree, package));
        let Ok(manifest) = &package.manifest else { continue };
        let say = |message: String| Finding::new(RULE, &package.manifest_path, 0, message);
        if package.name() != name_by_folder(package) {
            let (name, folder) = (package.name(), package.folder_name());
            findings.push(say(format!(
                "package `{name}` lives in folder `{folder}`; give both one name"
            )));
        }
        findings.extend(not_inherited(manifest).into_iter().map(say));
        findings.extend(own_versions(manifest, &members).into_iter().map(say));
    }
    findings
}

/// Integration tests beside `tests/it/main.rs`; each would be linked on its own.
fn several_binaries(tree: &Tree, package: &Package) -> Vec<Finding> {
    let tests = format!("{}/tests/", package.folder);
    let binary = |path: &str| {
        let rest = path.strip_prefix(&tests)?;
        let alone = !rest.contains('/') || (rest.ends_with("/main.rs") && rest != "it/main.rs");
        (alone && rest.matches('/').count() < 2).then(|| path.to_owned())
    };
    let say = "is a test binary of its own; make it a module of tests/it/main.rs";
    let extra = tree.rust().filter_map(|file| binary(&file.path));
    extra.map(|path| Finding::new(RULE, &path, 0, say)).collect()
}

fn inherits(value: Option<&Value>) -> bool {
    value.and_then(|v| v.get("workspace")).and_then(Value::as_bool) == Some(true)
}

fn not_inherited(manifest: &Table) -> Vec<String> {
    let package = manifest.get("package");
    let missing = INHERITED
        .iter()
        .filter(|key| !inherits(package.and_then(|p| p.get(**key))));
    let mut messages: Vec<_> = missing
        .map(|key| format!("states no `{key}.workspace = true`; take it from the workspace"))
        .collect();
    if !inherits(manifest.get("lints")) {
        messages
            .push("has no `[lints]` with `workspace = true`; the workspace's lints must hold here".into());
    }
    messages
}

/// Dependencies that are not taken from the workspace; a member may be named by its path.
fn own_versions(manifest: &Table, members: &[&str]) -> Vec<String> {
    let mut messages = Vec::new();
    for (place, table) in dependency_tables(manifest) {
        for (name, value) in table {
            let own_member = members.contains(&name.as_str()) && value.get("path").is_some();
            if !inherits(Some(value)) && !own_member {
                messages.push(format!(
                    "`{name}` in [{place}] states its own version; write `{name}.workspace = true` and put the \
                     version into the root manifest"
                ));
            }
        }
    }
    messages
}

/// Every table of dependencies with its heading, those of single targets too.
fn dependency_tables(manifest: &Table) -> Vec<(String, &Table)> {
    let of = |prefix: &str, table| {
        tables_in(table)
            .into_iter()
            .map(|(n, t)| (format!("{prefix}{n}"), t))
            .collect()
    };
    let mut found: Vec<_> = of("", manifest);
    for (target, value) in manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
    {
        let prefix = format!("target.{target}.");
        found.extend(value.as_table().map(|t| of(&prefix, t)).unwrap_or_default());
    }
    found
}

fn tables_in(table: &Table) -> Vec<(&'static str, &Table)> {
    DEPENDENCIES
        .iter()
        .filter_map(|name| Some((*name, table.get(*name)?.as_table()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
        [lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n\
        bytes = { workspace = true, features = [\"serde\"] }\n";

    fn messages(manifest: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", manifest),
            ("crates/b/Cargo.toml", &GOOD.replace("\"a\"", "\"b\"")),
        ]);
        check(&tree).into_iter().map(|f| f.message).collect()
    }

    #[test]
    fn a_good_manifest_passes() {
        assert_eq!(messages(GOOD), Vec::<String>::new());
    }

    #[test]
    fn every_missing_inheritance_is_found() {
        for line in [
            "version.",
            "edition.",
            "rust-version.",
            "license.",
            "publish.",
            "[lints]\n",
        ] {
            let without: String = GOOD
                .lines()
                .filter(|l| !format!("{l}\n").starts_with(line))
                .map(|l| format!("{l}\n"))
                .collect();
            // Without its heading, `workspace = true` belongs to the table before.
            assert_eq!(messages(&without).len(), 1, "{line}");
        }
        assert_eq!(
            messages(&GOOD.replace("edition.workspace = true", "edition = \"2024\"")).len(),
            1
        );
    }

    #[test]
    fn own_versions_are_found_in_every_table() {
        for heading in [
            "dependencies",
            "dev-dependencies",
            "target.'cfg(unix)'.dependencies",
        ] {
            let manifest = format!(
                "{}[{heading}]\nrand = \"0.9\"\n",
                GOOD.split("[dependencies]").next().unwrap()
            );
            let found = messages(&manifest);
            assert!(
                found.len() == 1 && found[0].contains("`rand`"),
                "{heading}: {found:?}"
            );
        }
    }

    #[test]
    fn a_member_may_be_named_by_its_path() {
        let member = format!("{GOOD}[dev-dependencies]\nb = {{ path = \"../b\" }}\n");
        assert_eq!(messages(&member), Vec::<String>::new());
        let stranger = format!("{GOOD}[dev-dependencies]\nc = {{ path = \"../c\" }}\n");
        assert_eq!(messages(&stranger).len(), 1);
    }

    #[test]
    fn folder_and_package_share_a_name() {
        assert_eq!(messages(&GOOD.replace("name = \"a\"", "name = \"z\"")).len(), 1);
    }

    #[test]
    fn there_is_one_integration_binary() {
        let found = check(&Tree::of(&[
            ("crates/a/Cargo.toml", GOOD),
            ("crates/a/tests/it/main.rs", ""),
            ("crates/a/tests/it/deep/main.rs", ""),
            ("crates/a/tests/ui/case.rs", ""),
            ("crates/a/tests/more.rs", ""),
            ("crates/a/tests/other/main.rs", ""),
        ]));
        let paths: Vec<_> = found.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["crates/a/tests/more.rs", "crates/a/tests/other/main.rs"]);
    }
}
