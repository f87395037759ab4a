//! One broken rule at one place.
//!
//! In: what a rule saw. Out: a line a person can click on and act upon: `path:line: [rule] what, and what to
//! do`. It knows no rule.

use std::fmt;

/// A broken rule, where it is broken and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    /// Line from 1; 0 when the finding is about the file as a whole.
    pub(crate) line: usize,
    /// Name of the rule, as `cargo xtask tidy --rule` takes it.
    pub(crate) rule: &'static str,
    /// What was found, what was expected, and the next step.
    pub(crate) message: String,
}

impl Finding {
    /// A finding of `rule` at `path`, line `line` (0: the whole file).
    pub(crate) fn new(rule: &'static str, path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            rule,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: [{}] {}", self.path, self.rule, self.message),
            line => write!(f, "{}:{line}: [{}] {}", self.path, self.rule, self.message),
        }
    }
}
