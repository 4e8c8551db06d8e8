//! The operator's language: words to values and back, and nothing of ours below it.

mod check;
mod complete;
mod config;
mod lex;
mod manual;
mod parse;
mod print;
mod problem;
mod request;
mod rows;
mod scopes;
mod script;
mod table;
mod template;
mod text;
mod typed;
mod value;

pub use complete::{Completion, complete, help};
pub use config::*;
pub use manual::{commands, man_page, manual};
pub use parse::{parse, parse_request};
pub use problem::{Problem, Severity};
pub use request::{Part, Request, Routes, Tunnels, Which};
pub use rows::legacy;
pub use table::{Level, Scope};
pub use text::{Fault, Language, Text};
pub use typed::{Password, Typed, loggable, typed};
pub use value::Hidden;
