//! Rule `headers`: a module begins by saying what it is.
//!
//! In: the tree. Out: a finding per Rust file outside tests whose first line is no `//!`.
//! It checks that the words are there, not that they are good.

use crate::{finding::Finding, tree::Tree};

/// Name of the rule.
pub(crate) const RULE: &str = "headers";

/// Checks the files of `crates/`, `examples/`, `bench/` and `xtask/`.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let ours = |path: &str| path.starts_with("xtask/");
    let files = tree
        .rust()
        .filter(|file| !file.test && (file.of_product() || ours(&file.path)));
    let bare = files.filter(|file| {
        let first = file.text.lines().find(|line| !line.trim().is_empty());
        !first.is_some_and(|line| {
            line.strip_prefix("//!")
                .is_some_and(|words| !words.trim().is_empty())
        })
    });
    let say = "begins without a `//!` header; say what comes in, what goes out, what always holds and what it \
               does not know";
    bare.map(|file| Finding::new(RULE, &file.path, 1, say)).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    #[test]
    fn a_bare_module_is_found_and_tests_are_exempt() {
        let found = check(&Tree::of(&[
            ("crates/a/src/lib.rs", "\n//! In, out.\n"),
            ("crates/a/src/bare.rs", "use x;\n//! late"),
            ("crates/a/src/empty.rs", ""),
            ("crates/a/src/hollow.rs", "//!\nuse x;"),
            ("crates/a/src/bare/tests.rs", "use x;"),
            ("examples/o/src/main.rs", "fn main() {}"),
            ("fuzz/src/main.rs", "fn main() {}"),
        ]));
        let paths: Vec<_> = found.iter().map(|f| f.path.as_str()).collect();
        let expected = [
            "crates/a/src/bare.rs",
            "crates/a/src/empty.rs",
            "crates/a/src/hollow.rs",
        ];
        assert_eq!(paths, [expected.as_slice(), &["examples/o/src/main.rs"]].concat());
    }
}
