//! What is wrong with a line, and what would be right.

use std::fmt;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The line cannot be used, or the configuration must not be served as it stands.
    Error,
    /// The line is a command of the router's language that is kept and printed, but has no effect yet.
    Pending,
    /// The line is used, but will probably not do what was meant.
    Warning,
}

/// One complaint about one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the text, counted from 1; 0 where the fault is that a line is missing altogether.
    pub line: usize,
    /// Column of the word, in characters, counted from 1.
    pub column: usize,
    /// The word that is wrong, as it was written.
    pub word: String,
    /// What is wrong and what would be right, in one or two sentences.
    pub message: String,
    /// How much it matters.
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.severity {
            Severity::Error => "Error",
            Severity::Pending => "Not there yet",
            Severity::Warning => "Warning",
        };
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        write!(f, "{kind}: {}", self.message)
    }
}

impl std::error::Error for Problem {}
