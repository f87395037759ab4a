//! Rule `licences`: everything we build on may be used by everybody.
//!
//! In: what `cargo metadata` says of the packages for this platform. Out: a finding per package whose licence
//! does not allow one choice from the list below. Packages that only other platforms need are not looked at.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{cargo, finding::Finding};

/// Name of the rule.
pub(crate) const RULE: &str = "licences";
/// Licences that ask no more than a notice, or for changes to their own files.
const ALLOWED: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// Asks cargo for all packages and checks them.
///
/// # Errors
/// Cargo cannot be run, refuses, or answers what cannot be read.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let about = cargo::output(root, "rustc", &["-vV"])?;
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc names no host")?;
    let metadata = cargo::output(
        root,
        "cargo",
        &["metadata", "--format-version", "1", "--filter-platform", host],
    )?;
    let metadata = serde_json::from_str(&metadata).context("cannot read the answer of `cargo metadata`")?;
    Ok(check_metadata(&metadata))
}

fn check_metadata(metadata: &Value) -> Vec<Finding> {
    let built: Vec<&Value> = metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|n| &n["id"])
        .collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(|package| built.contains(&&package["id"]))
        .filter_map(check_package)
        .collect()
}

fn check_package(package: &Value) -> Option<Finding> {
    let name = format!("{} {}", package["name"].as_str()?, package["version"].as_str()?);
    let message = match package["license"].as_str() {
        None => format!("{name} states no licence; read it, and find another crate if in doubt"),
        Some(licence) => match allows(licence) {
            Ok(true) => return None,
            Ok(false) => {
                format!("{name} has the licence `{licence}`, which is not on the list; find another crate")
            }
            Err(why) => format!("{name} has the licence `{licence}`, which cannot be read: {why}"),
        },
    };
    Some(Finding::new(RULE, "Cargo.lock", 0, message))
}

/// Whether an expression leaves a choice that is on the list.
fn allows(expression: &str) -> Result<bool, String> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut words = Words {
        words: spaced.split_whitespace().collect(),
        at: 0,
    };
    let answer = words.either()?;
    match words.next() {
        None => Ok(answer),
        Some(word) => Err(format!("`{word}` was not expected")),
    }
}

struct Words<'a> {
    words: Vec<&'a str>,
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    fn eat(&mut self, word: &str) -> bool {
        let here = self
            .words
            .get(self.at)
            .is_some_and(|w| w.eq_ignore_ascii_case(word));
        self.at += usize::from(here);
        here
    }

    fn either(&mut self) -> Result<bool, String> {
        let mut answer = self.both()?;
        while self.eat("OR") {
            answer |= self.both()?;
        }
        Ok(answer)
    }

    fn both(&mut self) -> Result<bool, String> {
        let mut answer = self.one()?;
        while self.eat("AND") {
            answer &= self.one()?;
        }
        Ok(answer)
    }

    fn one(&mut self) -> Result<bool, String> {
        if self.eat("(") {
            let answer = self.either()?;
            return if self.eat(")") {
                Ok(answer)
            } else {
                Err("a bracket is not closed".to_owned())
            };
        }
        let mut licence = self.next().ok_or("it ends too soon")?.to_owned();
        if self.eat("WITH") {
            licence = format!("{licence} WITH {}", self.next().ok_or("it ends too soon")?);
        }
        Ok(ALLOWED.contains(&licence.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{allows, check_metadata};

    #[test]
    fn expressions_are_understood() {
        for yes in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-3.0 AND Zlib OR ISC",
        ] {
            assert_eq!(allows(yes), Ok(true), "{yes}");
        }
        for no in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT AND GPL-3.0) OR AGPL-3.0",
            "MIT WITH Secret-exception",
        ] {
            assert_eq!(allows(no), Ok(false), "{no}");
        }
        for broken in ["", "(MIT", "MIT Apache-2.0", "MIT OR", "MIT WITH"] {
            assert!(allows(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn packages_that_are_built_are_checked() {
        let metadata = json!({
            "packages": [
                { "id": "a", "name": "a", "version": "1.0.0", "license": "MIT" },
                { "id": "b", "name": "b", "version": "1.0.0", "license": "GPL-3.0" },
                { "id": "c", "name": "c", "version": "1.0.0", "license": null },
                { "id": "d", "name": "d", "version": "1.0.0", "license": "GPL-3.0" },
            ],
            "resolve": { "nodes": [{ "id": "a" }, { "id": "b" }, { "id": "c" }] },
        });
        let messages: Vec<_> = check_metadata(&metadata).into_iter().map(|f| f.message).collect();
        assert_eq!(messages.len(), 2);
        assert!(messages[0].starts_with("b 1.0.0 has") && messages[1].starts_with("c 1.0.0 states no"));
    }
}
