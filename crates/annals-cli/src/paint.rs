//! Colour, where somebody sees it.
//!
//! In: a text and its role. Out: the text, with escape codes if they are wanted. Never the only carrier of a meaning:
//! every colour stands beside a word.

use std::env;
use std::io::IsTerminal;

use crate::settings::When;

/// Colours texts, or leaves them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

/// Hues that are told apart on dark and light ground: cyan, green, yellow, blue, magenta and their bright kin.
const HUES: [&str; 8] = ["36", "32", "33", "34", "35", "96", "92", "95"];

impl Paint {
    /// For a stream: as was asked for, else if it is a terminal and `NO_COLOR` is not set.
    pub(crate) fn of(when: When, stream: &impl IsTerminal) -> Self {
        let wanted = || env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let on = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => stream.is_terminal() && wanted(),
        };
        Self { on }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// What matters most.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What matters least.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What is wrong.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// What to look at.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// What is well.
    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// A hue of a name's own: the same name always has the same.
    pub(crate) fn hue(self, name: &str, text: &str) -> String {
        let sum = name.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        self.with(HUES[sum % HUES.len()], text)
    }
}
