//! Rule `width`: a line fits the screen.
//!
//! In: the tree. Out: a finding per line of Rust longer than 140 characters that holds no address.
//! The formatter breaks code; this meets the strings and comments it leaves alone.

use crate::{finding::Finding, tree::Tree};

/// Name of the rule.
pub(crate) const RULE: &str = "width";
/// Most characters of a line.
const CHARS_MAX: usize = 140;

/// Checks every Rust file, tests too.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (index, line) in file.text.lines().enumerate() {
            let chars = line.chars().count();
            if chars > CHARS_MAX && !line.contains("://") {
                let message = format!("{chars} characters wide, at most {CHARS_MAX}; break it");
                findings.push(Finding::new(RULE, &file.path, index + 1, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    #[test]
    fn the_limit_is_140_characters_and_addresses_are_exempt() {
        let text = format!(
            "// {}\n// {}\n// http://{}\n",
            "ü".repeat(137),
            "x".repeat(138),
            "x".repeat(200)
        );
        let found = check(&Tree::of(&[("crates/a/src/lib.rs", &text)]));
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [2]);
    }
}
