//! Rule `arrows`: which crate may import which is drawn in ARCHITECTURE.md, and the manifests agree.
//!
//! In: the tree. Out: a finding per arrow that is drawn but not there, or there but not drawn; and the table as
//! the manifests have it. Normal and build dependencies count, optional ones too; dev-dependencies are free.
//! The table stands between two marks, a line per crate: `annals-store -> annals-core, annals-log`, or
//! `annals-log -> nothing`.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::{
    finding::Finding,
    tree::{Package, Tree},
};

/// Name of the rule.
pub(crate) const RULE: &str = "arrows";
/// The page that holds the table.
pub(crate) const PAGE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- arrows -->";
const END: &str = "<!-- /arrows -->";
const NOTHING: &str = "nothing";

/// Whom each crate imports.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Compares the table with the manifests.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.text(PAGE) else {
        let say = format!(
            "is missing, so nobody decided the crate arrows; write it with `cargo xtask {RULE} --write`"
        );
        return vec![Finding::new(RULE, PAGE, 0, say)];
    };
    let Some((first, table)) = table_in(page) else {
        let say = format!("has no lines `{BEGIN}` and `{END}` around the table of crate arrows");
        return vec![Finding::new(RULE, PAGE, 0, say)];
    };
    let mut findings = Vec::new();
    let drawn = drawn(table, first, &mut findings);
    findings.extend(differences(&drawn, &actual(tree), first));
    findings
}

/// The table as the manifests have it, a line per crate.
pub(crate) fn picture(tree: &Tree) -> String {
    let line = |(from, to): (String, BTreeSet<String>)| {
        let to: Vec<String> = to.into_iter().collect();
        format!(
            "{from} -> {}\n",
            if to.is_empty() {
                NOTHING.to_owned()
            } else {
                to.join(", ")
            }
        )
    };
    actual(tree).into_iter().map(line).collect()
}

/// The page with its table drawn anew; a page without one gains it at the end.
pub(crate) fn redraw(page: &str, picture: &str) -> String {
    let block = format!("{BEGIN}\n```text\n{picture}```\n{END}");
    match (page.find(BEGIN), page.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}{block}{}", &page[..begin], &page[end + END.len()..])
        }
        _ => format!("{}\n\n{block}\n", page.trim_end())
            .trim_start()
            .to_owned(),
    }
}

/// The lines between the marks, and the number of the first.
fn table_in(page: &str) -> Option<(usize, &str)> {
    let begin = page.find(BEGIN)? + BEGIN.len();
    let end = page[begin..].find(END)?;
    Some((page[..begin].lines().count(), &page[begin..begin + end]))
}

/// Reads the table; a line that is no arrow is a finding.
fn drawn(table: &str, first: usize, findings: &mut Vec<Finding>) -> Arrows {
    let mut arrows = Arrows::new();
    for (index, line) in table.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with("```") {
            continue;
        }
        let Some((from, to)) = line.split_once("->") else {
            let say = format!("`{line}` is no arrow; write `crate -> crate, crate` or `crate -> {NOTHING}`");
            findings.push(Finding::new(RULE, PAGE, first + index, say));
            continue;
        };
        let to = to
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && *name != NOTHING);
        arrows
            .entry(from.trim().to_owned())
            .or_default()
            .extend(to.map(str::to_owned));
    }
    arrows
}

/// The arrows of the manifests; `xtask` imports nobody and nobody imports it, so it is not drawn. Nor are packages apart:
/// nobody can import them.
fn actual(tree: &Tree) -> Arrows {
    let packages = tree.packages();
    let members: BTreeSet<&str> = packages.iter().map(Package::name).collect();
    let drawn = packages
        .iter()
        .filter(|package| package.folder != "xtask" && !package.is_apart());
    let arrows = drawn.filter_map(|package| {
        let uses = dependencies(package.manifest.as_ref().ok()?);
        let ours = uses.into_iter().filter(|name| members.contains(name.as_str()));
        Some((package.name().to_owned(), ours.collect()))
    });
    arrows.collect()
}

/// Names of the packages a manifest depends on outside tests.
fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flatten();
    let places = targets
        .filter_map(|(_, target)| target.as_table())
        .chain([manifest]);
    let tables = places.flat_map(|place| ["dependencies", "build-dependencies"].map(|name| place.get(name)));
    let entries = tables.flatten().filter_map(Value::as_table).flatten();
    let renamed = |value: &Value| Some(value.get("package")?.as_str()?.to_owned());
    entries
        .map(|(name, value)| renamed(value).unwrap_or_else(|| name.clone()))
        .collect()
}

fn differences(drawn: &Arrows, actual: &Arrows, line: usize) -> Vec<Finding> {
    let none = BTreeSet::new();
    let mut findings = Vec::new();
    let mut say = |message: String| findings.push(Finding::new(RULE, PAGE, line, message));
    for name in drawn.keys().filter(|name| !actual.contains_key(*name)) {
        say(format!(
            "draws the crate `{name}`, which does not exist; remove its line"
        ));
    }
    for (name, uses) in actual {
        let Some(allowed) = drawn.get(name) else {
            say(format!(
                "does not draw the crate `{name}`; decide whom it may import and add its line"
            ));
            continue;
        };
        for other in uses.difference(allowed) {
            say(format!(
                "does not allow `{name} -> {other}`, which the manifest has; take it out of the manifest, or decide the arrow and draw it"
            ));
        }
    }
    for (name, allowed) in drawn {
        for other in allowed.difference(actual.get(name).unwrap_or(&none)) {
            say(format!(
                "draws `{name} -> {other}`, which no manifest has; remove it"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{check, picture, redraw};
    use crate::tree::Tree;

    const STORE: &str = "[package]\nname = \"store\"\n[dependencies]\ncore.workspace = true\nserde = \"1\"\n\
        [target.'cfg(unix)'.dependencies]\nlog = { workspace = true, optional = true }\n\
        [dev-dependencies]\nkit.workspace = true\n";

    fn messages(page: Option<&str>) -> Vec<String> {
        let mut files = vec![
            ("crates/core/Cargo.toml", "[package]\nname = \"core\""),
            ("crates/log/Cargo.toml", "[package]\nname = \"log\""),
            ("crates/kit/Cargo.toml", "[package]\nname = \"kit\""),
            ("crates/store/Cargo.toml", STORE),
            ("xtask/Cargo.toml", "[package]\nname = \"xtask\""),
        ];
        files.extend(page.map(|page| ("ARCHITECTURE.md", page)));
        check(&Tree::of(&files))
            .into_iter()
            .map(|f| format!("{}: {}", f.line, f.message))
            .collect()
    }

    fn page(table: &str) -> String {
        format!("# House\n\n<!-- arrows -->\n```text\n{table}```\n<!-- /arrows -->\n\nMore.\n")
    }

    const RIGHT: &str = "core -> nothing\nkit -> nothing\nlog ->\nstore -> log, core\n";

    #[test]
    fn a_table_that_agrees_passes() {
        assert_eq!(messages(Some(&page(RIGHT))), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_found() {
        for (table, words) in [
            (
                RIGHT.replace("log, core", "core"),
                "does not allow `store -> log`",
            ),
            (
                RIGHT.replace("log, core", "log, core, kit"),
                "draws `store -> kit`",
            ),
            (
                RIGHT.replace("kit -> nothing\n", ""),
                "does not draw the crate `kit`",
            ),
            (format!("{RIGHT}ghost -> nothing\n"), "draws the crate `ghost`"),
            (format!("{RIGHT}and so on\n"), "is no arrow"),
        ] {
            let found = messages(Some(&page(&table)));
            assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
        }
    }

    #[test]
    fn a_missing_page_or_table_is_found() {
        assert!(messages(None)[0].contains("is missing"));
        assert!(messages(Some("# House"))[0].contains("has no lines"));
    }

    #[test]
    fn a_redrawn_page_agrees_and_keeps_its_words() {
        let tree = Tree::of(&[("crates/core/Cargo.toml", "[package]\nname = \"core\"")]);
        assert_eq!(picture(&tree), "core -> nothing\n");
        let redrawn = redraw(&page("old -> line\n"), &picture(&tree));
        assert_eq!(redrawn, page("core -> nothing\n"));
        let grown = redraw("# House\n", &picture(&tree));
        assert!(grown.starts_with("# House\n\n<!-- arrows -->\n") && grown.ends_with("<!-- /arrows -->\n"));
    }
}
