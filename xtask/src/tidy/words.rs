//! Rule `words`: one word per idea, and no promises left in the code.
//!
//! In: the tree. Out: a finding per banned word and line.
//! Two lists: words for which the house has another one (in names, docs and messages of `crates/` and
//! `examples/`), and marks of unfinished work (in every Rust file). A protocol's own word in back-ticks, or with
//! hyphens inside a string, is the protocol's business and passes.

use crate::{
    finding::Finding,
    tree::{RustFile, Tree},
};

/// Name of the rule.
pub(crate) const RULE: &str = "words";

/// Words we have another one for, in small letters, and that other one.
const SYNONYMS: [(&str, &str); 5] = [
    ("dead letter", "parked"),
    ("dead-letter", "parked"),
    ("dead_letter", "parked"),
    ("deadletter", "parked"),
    ("eventlog", "log, store or event"),
];
/// Macros that stand for work not done.
const MACROS: [&str; 3] = [
    concat!("dbg", "!"),
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
];
/// Notes that stand for work not done.
const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
/// The file that holds these lists.
const SELF: &str = "xtask/src/tidy/words.rs";

/// Checks every Rust file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| file.path != SELF) {
        findings.extend(unfinished(file));
        if file.of_product() {
            findings.extend(synonyms(file));
        }
    }
    findings
}

fn unfinished(file: &RustFile) -> Vec<Finding> {
    let notes = [&file.mask.code, &file.mask.comments].map(|text| lines_with(text, &NOTES));
    let macros = lines_with(&file.mask.code, &MACROS);
    let all = notes.into_iter().flatten().chain(macros);
    let say = |word: &str| {
        format!("`{word}` marks unfinished work; finish it, or say in plain words what is missing")
    };
    all.map(|(line, word)| Finding::new(RULE, &file.path, line, say(word)))
        .collect()
}

/// Lines of `text` with one of `words`, standing as a word of its own.
fn lines_with(text: &str, words: &[&'static str]) -> Vec<(usize, &'static str)> {
    let stands_alone = |line: &str, word: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + word.len()..].chars().next();
            let of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !of_word(before) && (word.ends_with('!') || !of_word(after))
        })
    };
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        found.extend(
            words
                .iter()
                .filter(|word| stands_alone(line, word))
                .map(|word| (index + 1, *word)),
        );
    }
    found
}

fn synonyms(file: &RustFile) -> Vec<Finding> {
    let comments: String = file
        .mask
        .comments
        .lines()
        .map(|line| without_ticks(line) + "\n")
        .collect();
    let mut findings = Vec::new();
    for (word, ours) in SYNONYMS {
        let channels = [&file.mask.code, &comments, &file.mask.strings];
        let channels = if word.contains('-') {
            &channels[..2]
        } else {
            &channels[..]
        };
        for text in channels {
            let lines = text.lines().enumerate();
            let hits = lines.filter(|(_, line)| line.to_lowercase().contains(word));
            findings.extend(hits.map(|(index, _)| {
                let message = format!("`{word}` is not our word; say {ours}");
                Finding::new(RULE, &file.path, index + 1, message)
            }));
        }
    }
    findings
}

/// A line of comment without what stands in back-ticks.
fn without_ticks(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    const NONE: [usize; 0] = [];

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let mut lines: Vec<_> = check(&Tree::of(&[(path, text)])).iter().map(|f| f.line).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn unfinished_work_is_found_anywhere() {
        let text =
            "// TODO: later\nfn f() { todo!() }\nfn g() { dbg!(1); unimplemented!(\"x\") }\n/* FIXME */";
        assert_eq!(lines("xtask/src/x.rs", text), [1, 2, 3, 3, 4]);
    }

    #[test]
    fn words_that_only_look_alike_pass() {
        let text = "let s = \"TODO list\"; // TODOS, mytodo\nfn f() { my_todo!(); }\nlet t = \"dbg!\";";
        assert_eq!(lines("crates/a/src/lib.rs", text), NONE);
    }

    #[test]
    fn synonyms_are_found_in_names_docs_and_messages() {
        let text = "//! The dead letter room.\nstruct DeadLetter;\nlet dead_letters = 1;\n\
                    let m = \"a dead letter came\";\nmod eventlog {}";
        assert_eq!(lines("crates/a/src/lib.rs", text), [1, 2, 3, 4, 5]);
        assert_eq!(lines("xtask/src/x.rs", text), NONE);
    }

    #[test]
    fn a_protocols_own_words_pass() {
        let text = "/// Sets `x-dead-letter-exchange`.\nlet h = \"x-dead-letter-exchange\";";
        assert_eq!(lines("crates/a/src/lib.rs", text), NONE);
    }
}
