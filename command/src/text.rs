//! A sentence in both of the operator's languages, and the router's own words for what is wrong with a line.

use std::fmt;

/// The language of help, errors and screens (`console character`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Japanese.
    Japanese,
}

/// One text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// In English.
    pub english: String,
    /// In Japanese.
    pub japanese: String,
}

impl Text {
    /// The same in both languages.
    pub fn new(english: impl Into<String>, japanese: impl Into<String>) -> Self {
        Self { english: english.into(), japanese: japanese.into() }
    }

    /// The text in one of the languages.
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::English => &self.english,
            Language::Japanese => &self.japanese,
        }
    }
}

/// In English, as logs and files are.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.english)
    }
}

/// What the routers say is wrong with a line, in their words (yamaha.md §2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No command begins so.
    InvalidCommand,
    /// A word is none of the keywords that may stand there.
    IllegalKeyword,
    /// The command is the administrator's.
    AdministratorOnly,
    /// Words are missing, or there are too many.
    ParameterCount,
    /// The password is wrong.
    IncorrectPassword,
    /// There are changes that were not saved.
    Unsaved,
    /// A PP interface must be selected before.
    SelectPp,
    /// A tunnel must be selected before. The routers' words for this are not known; these follow those for PP.
    SelectTunnel,
    /// A number is expected.
    NotAnInteger,
    /// The number, or the length, is out of bounds.
    OutOfRange,
    /// An address cannot be read.
    BadAddress,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::InvalidCommand,
        Self::IllegalKeyword,
        Self::AdministratorOnly,
        Self::ParameterCount,
        Self::IncorrectPassword,
        Self::Unsaved,
        Self::SelectPp,
        Self::SelectTunnel,
        Self::NotAnInteger,
        Self::OutOfRange,
        Self::BadAddress,
    ];

    /// The router's words, without `Error: ` before them.
    pub const fn words(self, language: Language) -> &'static str {
        let (english, japanese) = match self {
            Self::InvalidCommand => ("Invalid command name", "コマンド名を確認してください"),
            Self::IllegalKeyword => ("Illegal keyword", "パラメータのキーワードが認識できません"),
            Self::AdministratorOnly => ("Administrator use only", "このコマンドは管理レベルでのみ使用できます"),
            Self::ParameterCount => ("Insufficient or too many parameters", "パラメータの数が不適当です"),
            Self::IncorrectPassword => ("Incorrect password", "パスワードが間違っています"),
            Self::Unsaved => {
                ("Unsaved changes in volatile memory", "不揮発性メモリに保存されていない設定変更があります")
            }
            Self::SelectPp => {
                ("Execute pp select command beforehand", "このコマンドは相手を選択してから実行してください")
            }
            Self::SelectTunnel => {
                ("Execute tunnel select command beforehand", "このコマンドはトンネルを選択してから実行してください")
            }
            Self::NotAnInteger => ("Parameter must be an integer", "パラメータは整数で指定してください"),
            Self::OutOfRange => ("Parameter out of range", "パラメータが範囲を越えています"),
            Self::BadAddress => ("Unrecognized IP address parameter", "IPアドレスが認識できません"),
        };
        match language {
            Language::English => english,
            Language::Japanese => japanese,
        }
    }

    /// The router's words as a line of a console: `Error: …`.
    pub fn line(self, language: Language) -> String {
        let head = match language {
            Language::English => "Error",
            Language::Japanese => "エラー",
        };
        format!("{head}: {}", self.words(language))
    }

    /// The router's words, then what exactly is wrong and what would be right.
    pub(crate) fn because(self, english: impl fmt::Display, japanese: impl fmt::Display) -> Text {
        Text {
            english: format!("{}: {english}", self.words(Language::English)),
            japanese: format!("{}: {japanese}", self.words(Language::Japanese)),
        }
    }
}
