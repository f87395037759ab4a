//! Rule `parse`: every Rust file and every manifest can be read.
//!
//! In: the tree. Out: a finding per file that cannot be parsed. The other rules pass over such files, so this
//! one keeps them from passing unseen.

use crate::{finding::Finding, tree::Tree};

/// Name of the rule.
pub(crate) const RULE: &str = "parse";

/// Checks every Rust file outside the fixtures of compile tests, and every manifest.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !file.path.contains("/tests/ui/")) {
        if let Err(error) = &file.syntax {
            let message = format!("cannot be parsed: {error}; the other rules cannot see it");
            findings.push(Finding::new(RULE, &file.path, error.span().start().line, message));
        }
    }
    for package in tree.packages() {
        if let Err(error) = &package.manifest {
            let message = format!("cannot be parsed: {error}");
            findings.push(Finding::new(RULE, &package.manifest_path, 0, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    #[test]
    fn broken_files_are_found_with_their_line() {
        let found = check(&Tree::of(&[
            ("crates/a/Cargo.toml", "[package"),
            ("crates/a/src/lib.rs", "fn f() {}\nfn {"),
            ("crates/a/src/fine.rs", "fn f() {}"),
            ("crates/a/tests/ui/bad.rs", "fn {"),
        ]));
        let places: Vec<_> = found.iter().map(|f| (f.path.as_str(), f.line)).collect();
        assert_eq!(places, [("crates/a/src/lib.rs", 2), ("crates/a/Cargo.toml", 0)]);
    }
}
