//! What an operator's program and the server say to each other through the control socket: JSON, one value a line.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The longest value that the server reads, in octets.
pub(crate) const LONGEST_ASKED: u64 = 64 * 1024;
/// The longest value that an operator's program reads, in octets.
pub(crate) const LONGEST_TOLD: u64 = 64 << 20;

/// What an operator's program says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Asked {
    /// The first thing: how lines will come.
    Begin { manner: Manner, json: bool },
    /// A line of the command language, or the answer to [`Told::Ask`].
    Line(String),
    /// TAB was typed behind this.
    Complete(String),
    /// `?` was typed behind this.
    Help(String),
}

/// How lines come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Manner {
    /// From somebody who logs in.
    Console,
    /// From a script, or from the shell.
    Exec,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    /// Text to show.
    Say(String),
    /// Why something was not done.
    Refuse(String),
    /// The server waits for a line.
    Ready(Ready),
    /// The server waits for an answer.
    Ask { prompt: String, hidden: bool },
    /// The answer to [`Asked::Complete`]: what is to be added, and what there is to choose from.
    Completed { added: String, choices: Vec<String> },
    /// It is over.
    Bye,
}

/// How the console looks while the server waits for a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) prompt: String,
    /// Whether the last line was done.
    pub(crate) done: bool,
    /// Lines of a page; none for no stop.
    pub(crate) lines: Option<u32>,
    pub(crate) columns: u32,
    pub(crate) japanese: bool,
}

/// Reads the next value; none at the end.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl BufRead, longest: u64) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    io::Read::take(&mut *from, longest).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&line).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes a value.
pub(crate) fn write(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_longer_than_the_limit() {
        let mut octets = Vec::new();
        write(&mut octets, &Asked::Line("show log\n| grep \"あ\"".to_owned())).unwrap();
        let mut from = octets.as_slice();
        assert_eq!(read(&mut from, 1000).unwrap(), Some(Asked::Line("show log\n| grep \"あ\"".to_owned())));
        assert_eq!(read::<Asked>(&mut from, 1000).unwrap(), None);
        assert!(read::<Asked>(&mut octets.as_slice(), 10).is_err());
        assert!(read::<Asked>(&mut b"show status l2tp\n".as_slice(), 1000).is_err());
    }
}
