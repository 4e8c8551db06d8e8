//! What is wrong with a line, and what would be right.

use std::fmt;

use crate::text::{Language, Text};

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The line cannot be used, or the configuration must not be served as it stands.
    Error,
    /// The line is kept and printed, and what it is about is the host's business.
    Host,
    /// The line is kept and printed, and what it is about is no part of this product.
    Foreign,
    /// The line is kept and printed, and its effect comes later.
    Later,
    /// The line is used, but will probably not do what was meant.
    Warning,
}

impl Severity {
    /// What it is called, before a colon.
    pub const fn words(self, language: Language) -> &'static str {
        let (english, japanese) = match self {
            Self::Error => ("Error", "エラー"),
            Self::Host => ("The host's business", "ホストの役目"),
            Self::Foreign => ("Not of this product", "本製品の対象外"),
            Self::Later => ("Comes later", "未対応"),
            Self::Warning => ("Warning", "警告"),
        };
        match language {
            Language::English => english,
            Language::Japanese => japanese,
        }
    }
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
    pub message: Text,
    /// How much it matters.
    pub severity: Severity,
}

impl Problem {
    /// The whole complaint in one of the languages.
    pub fn told(&self, language: Language) -> String {
        let place = match (self.line, language) {
            (0, _) => String::new(),
            (line, Language::English) => format!("line {line}, column {}: ", self.column),
            (line, Language::Japanese) => format!("{line}行{}桁: ", self.column),
        };
        format!("{place}{}: {}", self.severity.words(language), self.message.of(language))
    }
}

/// In English.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(Language::English))
    }
}

impl std::error::Error for Problem {}
