//! Failures as people read them: what is wrong, and what to do next.
//!
//! In: errors of the rooms below, problem documents of a node. Out: `error: …` and `hint: …` on stderr, and an exit
//! code. It never shows a backtrace: whoever typed a wrong word needs the right one.

use std::fmt;
use std::io;

use annals_core::port::store::ReadError;
use annals_server::NodeError;
use annals_server::node_file::NodeFileError;
use annals_server::server::BindError;
use annals_store::{FormatError, OpenError};
use serde::Deserialize;
use thiserror::Error;

use crate::exit::Exit;
use crate::identity;

/// Why a verb did not do what it was asked.
#[derive(Debug, Error)]
pub struct Failure {
    /// How the run ends.
    pub exit: Exit,
    /// The stable word for programs, if there is one: `out_of_stock`.
    pub code: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Nobody reads what is written any more; this is the end, and no error.
    pub(crate) unread: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{code}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A problem document (RFC 9457) of a node, as far as it is shown.
#[derive(Debug, Deserialize)]
pub(crate) struct ProblemDocument {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    errors: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    detail: String,
    pointer: String,
}

impl Failure {
    /// A failure with an exit code and what is wrong.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: None,
            message: message.into(),
            hint: None,
            unread: false,
        }
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, message)
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What a node answered instead of what was asked; `status` counts if the document has none.
    pub(crate) fn of_problem(problem: ProblemDocument, status: u16) -> Self {
        let status = if problem.status == 0 {
            status
        } else {
            problem.status
        };
        let slug = problem.kind.rsplit('/').next().unwrap_or_default();
        let mut message = if problem.detail.is_empty() {
            problem.title
        } else {
            problem.detail
        };
        for part in problem.errors.iter().filter(|part| !part.pointer.is_empty()) {
            message.push_str(&format!("\n  {}: {}", part.pointer, part.detail));
        }
        Self {
            code: problem.code,
            hint: problem.hint,
            ..Self::new(exit_of(slug, status), message)
        }
    }
}

/// The one table from a problem's kind, or else its status, to an exit code.
fn exit_of(slug: &str, status: u16) -> Exit {
    match (slug, status) {
        ("refused", _) => Exit::Failed,
        ("conflict" | "precondition_failed", _) | (_, 409 | 412) => Exit::Conflict,
        ("unknown" | "position_not_reached", _) | (_, 408 | 504) => Exit::Timeout,
        ("not_found" | "gone", _) | (_, 404 | 410) => Exit::NotFound,
        (_, 400..=499) => Exit::Usage,
        _ => Exit::Failed,
    }
}

/// Where a folder belongs to somebody else.
const OTHER_FOLDER: &str = "stop it first, or use another folder with --data DIR";

fn verify() -> String {
    format!("`{} verify` lists everything that is damaged", identity::name())
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let failure = Self::new(Exit::of(error.kind()), error.to_string());
        match error {
            ReadError::Corrupt(_) => failure.hint(verify()),
            ReadError::Gone { boundary, .. } => failure.hint(format!(
                "ask from {boundary} on, or make a store of the archive: `{} restore ARCHIVE --data DIR`",
                identity::name()
            )),
            _ => failure,
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::InUse { .. } => Exit::Conflict,
            other => Exit::of(other.kind()),
        };
        let failure = Self::new(exit, error.to_string());
        match error {
            OpenError::Corrupt(_) => failure.hint(verify()),
            OpenError::InUse { .. } => failure.hint(OTHER_FOLDER),
            OpenError::Format(FormatError::Newer { .. } | FormatError::Feature { .. }) => {
                failure.hint("use the program that wrote it, or a newer one")
            }
            _ => failure,
        }
    }
}

impl From<NodeFileError> for Failure {
    fn from(error: NodeFileError) -> Self {
        let message = error.to_string();
        match error {
            NodeFileError::Taken { .. } => Self::new(Exit::Conflict, message).hint(OTHER_FOLDER),
            _ => Self::new(Exit::Failed, message),
        }
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        let message = error.to_string();
        match error {
            NodeError::File(error) => error.into(),
            NodeError::Bind(BindError::Unavailable { .. }) => {
                Self::new(Exit::Conflict, message).hint("take a free port with --port 0")
            }
            _ => Self::new(Exit::Failed, message),
        }
    }
}

impl From<io::Error> for Failure {
    /// For what is written to the terminal; everything else says which file it is about.
    fn from(error: io::Error) -> Self {
        let unread = error.kind() == io::ErrorKind::BrokenPipe;
        Self {
            unread,
            ..Self::new(Exit::Failed, format!("standard output: {error}"))
        }
    }
}

#[cfg(test)]
mod tests;
