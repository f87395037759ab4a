//! Tests too long for the quick gate, found by their mark.
//!
//! In: the tree. Out: per package, the names of the tests ignored as `long: …`.
//! It does not run them.

use std::collections::BTreeMap;

use syn::{ItemFn, visit::Visit};

use crate::{attrs, tree::Tree};

/// What the reason of such a test begins with; the rest says why it takes long.
pub(crate) const MARK: &str = "long: ";

/// Names of the long tests by package.
pub(crate) fn find(tree: &Tree) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in tree.packages() {
        let inside = format!("{}/", package.folder);
        let files = tree.rust().filter(|file| file.path.starts_with(&inside));
        let mut marked = Marked::default();
        files
            .filter_map(|file| file.syntax.as_ref().ok())
            .for_each(|syntax| marked.visit_file(syntax));
        if !marked.names.is_empty() {
            found.insert(package.name().to_owned(), marked.names);
        }
    }
    found
}

#[derive(Default)]
struct Marked {
    names: Vec<String>,
}

impl<'ast> Visit<'ast> for Marked {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if attrs::text_of(&function.attrs, "ignore").is_some_and(|reason| reason.starts_with(MARK)) {
            self.names.push(function.sig.ident.to_string());
        }
        syn::visit::visit_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::tree::Tree;

    #[test]
    fn marked_tests_are_found_in_every_part_of_a_package() {
        let test =
            |reason: &str, name: &str| format!("#[test]\n#[ignore = \"{reason}\"]\nfn {name}() {{}}\n");
        let tree = Tree::of(&[
            ("crates/a/Cargo.toml", "[package]\nname = \"a\""),
            (
                "crates/a/src/lib.rs",
                &format!("mod tests {{ {} }}", test("long: minutes", "inner")),
            ),
            (
                "crates/a/tests/it/main.rs",
                &(test("long: hours", "outer") + &test("other", "not_this")),
            ),
            ("crates/b/Cargo.toml", "[package]\nname = \"b\""),
            ("crates/b/src/lib.rs", "#[test] fn quick() {}"),
        ]);
        let expected = [("a".to_owned(), vec!["inner".to_owned(), "outer".to_owned()])];
        assert_eq!(find(&tree), expected.into());
    }
}
