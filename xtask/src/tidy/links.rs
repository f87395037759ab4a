//! Rule `links`: a link inside the repository leads to a file.
//!
//! In: the tree. Out: a finding per relative link of a Markdown page whose target is not there. Addresses with
//! a scheme and places inside the same page are not followed.

use crate::{finding::Finding, markdown::Page, tree::Tree};

/// Name of the rule.
pub(crate) const RULE: &str = "links";

/// Checks every Markdown page.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".md")) {
        for (target, line) in Page::of(text).links {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            if file.is_empty() || has_scheme(file) {
                continue;
            }
            match place(path, file) {
                Some(place) if tree.has(&place) => {}
                Some(place) => {
                    let message = format!("links to `{target}`, but there is no `{place}`");
                    findings.push(Finding::new(RULE, path, line, message));
                }
                None => {
                    let message = format!("links to `{target}`, which lies outside the repository");
                    findings.push(Finding::new(RULE, path, line, message));
                }
            }
        }
    }
    findings
}

fn has_scheme(target: &str) -> bool {
    target.starts_with("//")
        || target
            .split_once(':')
            .is_some_and(|(scheme, _)| !scheme.contains('/'))
}

/// The path from the root that `target`, written in `page`, means; none above the root.
fn place(page: &str, target: &str) -> Option<String> {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let base = if target.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    #[test]
    fn links_to_nowhere_are_found() {
        let page = "[a](guide.md) [b](../README.md#x) [c](/docs) [d](http://x/y) [e](#here) [f](mailto:a@b)\n\
                    [gone](gone.md)\n[out](../../x.md)\n[up](../docs/guide.md)";
        let tree = Tree::of(&[("README.md", ""), ("docs/guide.md", ""), ("docs/page.md", page)]);
        let found: Vec<_> = check(&tree).into_iter().map(|f| (f.path, f.line)).collect();
        assert_eq!(
            found,
            [("docs/page.md".to_owned(), 2), ("docs/page.md".to_owned(), 3)]
        );
    }
}
