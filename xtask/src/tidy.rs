//! The rules of the house that no compiler knows.
//!
//! In: the tree of files. Out: findings, sorted by place. Each rule is a module of its own; none knows another.

use anyhow::{Result, bail};

use crate::{finding::Finding, tree::Tree};

mod parse;
mod order;
pub(crate) mod arrows;
mod headers;
mod sizes;
mod names;
mod words;
mod hollow;
mod layout;
mod licences;
mod readmes;
mod links;
mod width;

/// A rule: its name and how it looks at the tree.
type Rule = (&'static str, fn(&Tree) -> Result<Vec<Finding>>);

/// All rules, in the order in which they run.
const RULES: &[Rule] = &[
    (parse::RULE, |tree| Ok(parse::check(tree))),
    (order::RULE, |tree| Ok(order::check(tree))),
    (arrows::RULE, |tree| Ok(arrows::check(tree))),
    (headers::RULE, |tree| Ok(headers::check(tree))),
    (sizes::RULE, |tree| Ok(sizes::check(tree))),
    (names::RULE, |tree| Ok(names::check(tree))),
    (words::RULE, |tree| Ok(words::check(tree))),
    (hollow::RULE, |tree| Ok(hollow::check(tree))),
    (layout::RULE, |tree| Ok(layout::check(tree))),
    (licences::RULE, |tree| {
        tree.root.as_deref().map_or(Ok(Vec::new()), licences::check)
    }),
    (readmes::RULE, |tree| Ok(readmes::check(tree))),
    (links::RULE, |tree| Ok(links::check(tree))),
    (width::RULE, |tree| Ok(width::check(tree))),
];

/// Names of all rules.
pub(crate) fn rules() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(name, _)| *name)
}

/// Runs the rules named in `only`, or all when it is empty.
///
/// # Errors
/// An unknown rule, or a rule that cannot look (cargo refuses to describe the packages).
pub(crate) fn findings(tree: &Tree, only: &[String]) -> Result<Vec<Finding>> {
    if let Some(unknown) = only.iter().find(|name| !rules().any(|rule| rule == *name)) {
        bail!(
            "no rule is called `{unknown}`; there are {}",
            rules().collect::<Vec<_>>().join(", ")
        );
    }
    let mut findings = Vec::new();
    for (name, check) in RULES {
        if only.is_empty() || only.iter().any(|asked| asked == name) {
            findings.extend(check(tree)?);
        }
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::findings;
    use crate::tree::Tree;

    #[test]
    fn rules_are_chosen_by_name_and_findings_sorted() {
        let tree = Tree::of(&[
            ("ARCHITECTURE.md", "[x](gone.md)"),
            ("crates/a/src/b.rs", "// TODO"),
            ("crates/a/src/a.rs", ""),
        ]);
        let rules = |only: &[&str]| -> Vec<_> {
            let only: Vec<_> = only.iter().map(|name| (*name).to_owned()).collect();
            findings(&tree, &only)
                .unwrap()
                .into_iter()
                .map(|f| f.rule)
                .collect()
        };
        assert_eq!(rules(&["words"]), ["words"]);
        assert_eq!(rules(&["words", "headers"]), ["headers", "headers", "words"]);
        assert_eq!(rules(&[]), ["arrows", "links", "headers", "headers", "words"]);
        let unknown = findings(&tree, &["nonsense".to_owned()]).unwrap_err().to_string();
        assert!(
            unknown.contains("nonsense") && unknown.contains("width"),
            "{unknown}"
        );
    }
}
