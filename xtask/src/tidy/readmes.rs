//! Rule `readmes`: both languages of the README say the same.
//!
//! In: the tree. Out: a finding where headings or fenced code of the two pages part ways; nothing while one of
//! them is missing. It cannot read the prose.

use crate::{finding::Finding, markdown::Page, tree::Tree};

/// Name of the rule.
pub(crate) const RULE: &str = "readmes";
const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";

/// Compares the two pages.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let (Some(english), Some(chinese)) = (tree.text(ENGLISH), tree.text(CHINESE)) else {
        return Vec::new();
    };
    let (english, chinese) = (Page::of(english), Page::of(chinese));
    headings(&english, &chinese)
        .into_iter()
        .chain(fences(&english, &chinese))
        .collect()
}

fn headings(english: &Page, chinese: &Page) -> Option<Finding> {
    let levels = |page: &Page| page.headings.iter().map(|(level, _)| *level).collect::<Vec<_>>();
    let (ours, theirs) = (levels(english), levels(chinese));
    if ours == theirs {
        return None;
    }
    let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let line = chinese.headings.get(at).map_or(0, |(_, line)| *line);
    let message = format!(
        "has {} headings, {ENGLISH} has {}; they part ways at heading {}",
        theirs.len(),
        ours.len(),
        at + 1,
    );
    Some(Finding::new(RULE, CHINESE, line, message))
}

fn fences(english: &Page, chinese: &Page) -> Option<Finding> {
    let same =
        |a: &crate::markdown::Fence, b: &crate::markdown::Fence| a.info == b.info && a.lines == b.lines;
    let alike = english
        .fences
        .iter()
        .zip(&chinese.fences)
        .take_while(|(a, b)| same(a, b))
        .count();
    let (ours, theirs) = (english.fences.get(alike), chinese.fences.get(alike));
    let message = match (ours, theirs) {
        (None, None) => return None,
        (Some(ours), Some(_)) => format!(
            "this code differs from {ENGLISH}, line {}; keep them the same",
            ours.line
        ),
        (Some(ours), None) => format!("the code of {ENGLISH}, line {}, is missing", ours.line),
        (None, Some(_)) => format!("{ENGLISH} does not have this code"),
    };
    Some(Finding::new(
        RULE,
        CHINESE,
        theirs.map_or(0, |fence| fence.line),
        message,
    ))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    const ENGLISH: &str = "# A\n```sh\nrun\n```\n## B\n";

    fn places(chinese: &str) -> Vec<usize> {
        let tree = Tree::of(&[("README.md", ENGLISH), ("README.zh-CN.md", chinese)]);
        check(&tree).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn pages_in_step_pass_and_others_do_not() {
        assert_eq!(places("# 甲\n\n```sh\nrun\n```\n## 乙\n"), [0; 0]);
        assert_eq!(places("# 甲\n```sh\nwalk\n```\n## 乙\n"), [2]);
        assert_eq!(places("# 甲\n```\nrun\n```\n## 乙\n"), [2]);
        assert_eq!(places("# 甲\n## 乙\n"), [0]);
        assert_eq!(places("# 甲\n```sh\nrun\n```\n### 乙\n"), [5]);
        assert_eq!(places("# 甲\n```sh\nrun\n```\n## 乙\n```\nmore\n```\n"), [6]);
        assert_eq!(check(&Tree::of(&[("README.md", ENGLISH)])), []);
    }
}
