//! Rule `order`: a module uses only modules listed above it, so imports never go in a circle.
//!
//! In: the tree. Out: a finding per module and module it must not use, and one per circle.
//! How it is decided: every path of a module is followed, through re-exports, to the module that owns what
//! it names. Where two modules part ways, both are children of one module, and that module's file lists them:
//! the user must stand below the used. A module may use its own children and, when none of them is used in
//! turn, what its parents define themselves; what breaks that is reported as a circle.
//! It does not see methods found by type, and no code that macros make.

use std::collections::{BTreeMap, BTreeSet};

use crate::{finding::Finding, tree::Tree};

mod house;
mod meaning;
mod circle;

use house::{House, Module, Path};

/// Name of the rule.
pub(crate) const RULE: &str = "order";

/// Checks every crate root of the workspace.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for root in roots(tree) {
        findings.extend(check_root(&House::read(tree, &root)));
    }
    findings
}

/// The files from which the crates of the workspace are built, tests and benches left out.
fn roots(tree: &Tree) -> Vec<String> {
    let mut roots = Vec::new();
    for package in tree.packages() {
        let source = format!("{}/src", package.folder);
        roots.extend(["lib.rs", "main.rs"].map(|name| format!("{source}/{name}")));
        let in_bin = |path: &str| {
            let rest = path.strip_prefix(&format!("{source}/bin/"))?;
            (!rest.contains('/') || rest.ends_with("/main.rs")).then(|| path.to_owned())
        };
        roots.extend(tree.rust().filter_map(|file| in_bin(&file.path)));
    }
    roots.retain(|root| tree.rust_file(root).is_some());
    roots
}

/// Who uses whom, and the first line that says so.
type Edges = BTreeMap<(Path, Path), usize>;

fn check_root(house: &House) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut edges = Edges::new();
    for (path, module) in &house.modules {
        for (to, line) in used(house, path, module) {
            if to != *path {
                let first = edges.entry((path.clone(), to)).or_insert(line);
                *first = line.min(*first);
            }
        }
        findings.extend(globs_of_parents(house, path, module));
    }
    findings.extend(against_order(house, &edges));
    findings.extend(in_circles(house, &edges));
    findings
}

/// Every module that `module` uses, and the line.
fn used(house: &House, path: &Path, module: &Module) -> Vec<(Path, usize)> {
    let mut used = Vec::new();
    for import in &module.imports {
        let Some(owner) = house.owner(path, &import.path) else {
            continue;
        };
        let passed_on = import.public && owner.starts_with(path);
        if !passed_on {
            used.push((owner, import.line));
        }
    }
    let names = module.names.iter();
    used.extend(names.filter_map(|named| Some((house.owner(path, &named.path)?, named.line))));
    used
}

/// `use super::*` and `use crate::*` hide what is used.
fn globs_of_parents(house: &House, path: &Path, module: &Module) -> Vec<Finding> {
    let globs = module.imports.iter().filter(|import| import.name.is_none());
    let hiding = globs.filter(|glob| {
        house
            .owner(path, &glob.path)
            .is_some_and(|owner| path.starts_with(&owner) && owner != *path)
    });
    let say = "a glob import from a parent module hides what is used; name the items";
    hiding
        .map(|glob| Finding::new(RULE, &module.file, glob.line, say))
        .collect()
}

/// Uses of a module that is listed below its user.
fn against_order(house: &House, edges: &Edges) -> Vec<Finding> {
    let mut reported = BTreeSet::new();
    let mut findings = Vec::new();
    for ((from, to), line) in edges {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        let (Some(user), Some(used)) = (from.get(shared), to.get(shared)) else {
            continue;
        };
        let Some(parent) = house.modules.get(&from[..shared]) else {
            continue;
        };
        let place = |name: &String| parent.children.iter().position(|child| child == name);
        if place(used) >= place(user) && reported.insert((from, to[..=shared].to_vec())) {
            let message = format!(
                "`{}` uses `{}`, but {} lists `{used}` below `{user}`; a module uses only modules listed above \
                 it: move what both need into a module above, or list `{used}` first",
                from.join("::"),
                to.join("::"),
                parent.file,
            );
            findings.push(Finding::new(RULE, &house.modules[from].file, *line, message));
        }
    }
    findings
}

fn in_circles(house: &House, edges: &Edges) -> Vec<Finding> {
    let pairs = edges.keys().cloned().collect();
    circle::circles(&pairs)
        .into_iter()
        .map(|group| circle_finding(house, edges, &group))
        .collect()
}

fn circle_finding(house: &House, edges: &Edges, group: &[Path]) -> Finding {
    let shown = |path: &Path| {
        if path.is_empty() {
            "crate".to_owned()
        } else {
            path.join("::")
        }
    };
    let inside = edges
        .iter()
        .filter(|((from, to), _)| group.contains(from) && group.contains(to));
    let steps: Vec<String> = inside
        .map(|((from, to), line)| {
            format!(
                "{} uses {} ({}:{line})",
                shown(from),
                shown(to),
                house.modules[from].file
            )
        })
        .collect();
    let message = format!(
        "these modules use each other in a circle: {}; move what they share into a module above all of them",
        steps.join(", "),
    );
    Finding::new(RULE, &house.modules[&group[0]].file, 0, message)
}

#[cfg(test)]
mod tests;
