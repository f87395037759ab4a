//! Rule `names`: no drawer for leftovers.
//!
//! In: the tree. Out: a finding per module, file or folder with a name that says nothing of what is inside.

use syn::{Item, visit::Visit};

use crate::{finding::Finding, tree::Tree};

/// Name of the rule.
pub(crate) const RULE: &str = "names";
/// Names that say nothing.
const BANNED: [&str; 6] = ["utils", "util", "common", "helpers", "misc", "prelude"];

/// Checks every Rust file, tests too.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let parts = file.path.trim_end_matches(".rs").split('/');
        let mut names: Vec<_> = parts
            .filter(|part| BANNED.contains(part))
            .map(|n| (n.to_owned(), 0))
            .collect();
        if let Ok(syntax) = &file.syntax {
            let mut inline = Inline::default();
            inline.visit_file(syntax);
            names.extend(inline.banned);
        }
        findings.extend(names.into_iter().map(|(name, line)| {
            let message = format!("a module named `{name}` says nothing; name it after what it holds");
            Finding::new(RULE, &file.path, line, message)
        }));
    }
    findings
}

/// Modules written inside a file; those in a file of their own are met by its path.
#[derive(Default)]
struct Inline {
    banned: Vec<(String, usize)>,
}

impl<'ast> Visit<'ast> for Inline {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Mod(module) = item
            && module.content.is_some()
            && BANNED.iter().any(|name| module.ident == name)
        {
            self.banned
                .push((module.ident.to_string(), module.ident.span().start().line));
        }
        syn::visit::visit_item(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    #[test]
    fn files_folders_and_inline_modules_are_found() {
        let found = check(&Tree::of(&[
            ("crates/a/src/util.rs", ""),
            ("crates/a/src/helpers/deep.rs", ""),
            ("crates/a/tests/it/common/mod.rs", ""),
            (
                "crates/a/src/lib.rs",
                "mod utility;\nmod inner { pub mod prelude { } }",
            ),
            ("crates/a/src/utility.rs", ""),
        ]));
        let places: Vec<_> = found.iter().map(|f| (f.path.as_str(), f.line)).collect();
        let expected = [
            ("crates/a/src/helpers/deep.rs", 0),
            ("crates/a/src/lib.rs", 2),
            ("crates/a/src/util.rs", 0),
            ("crates/a/tests/it/common/mod.rs", 0),
        ];
        assert_eq!(places, expected);
    }
}
