//! What may stand behind a line that shows something: `| grep`, `| less`, `> FILE`, `>> FILE` (yamaha.md §2.3).
//!
//! It is done on the operator's side: a file is written with the operator's rights and not with the server's.

use std::fs::OpenOptions;
use std::io::Write as _;

use regex_lite::{Regex, RegexBuilder};

/// A line, and what is done with what it shows.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    /// What the server gets.
    pub(super) line: String,
    searches: Vec<Search>,
    /// Whether pages were asked for.
    pub(super) pages: bool,
    file: Option<Target>,
}

#[derive(Debug)]
struct Search {
    pattern: Regex,
    without: bool,
}

#[derive(Debug)]
struct Target {
    name: String,
    append: bool,
}

impl Pipeline {
    /// Takes a line apart. Only lines that show something have anything behind them.
    pub(super) fn of(line: &str) -> Result<Self, String> {
        let mut parts = split(line).into_iter();
        let mut this = Self { line: line.to_owned(), ..Self::default() };
        let (Some((_, first)), true) = (parts.next(), parts.len() > 0) else { return Ok(this) };
        let shows = first.split_whitespace().next().is_some_and(|word| {
            let word = word.to_ascii_lowercase();
            word.len() > 1 && ["show", "less", "help"].iter().any(|known| known.starts_with(&word))
        });
        if !shows {
            // The server says what is wrong with it.
            return Ok(this);
        }
        first.trim_end().clone_into(&mut this.line);
        for (mark, text) in parts {
            match mark {
                Mark::Pipe => this.take(&text)?,
                Mark::Into | Mark::Behind => {
                    let words = unquoted(&text);
                    let [name] = words.as_slice() else {
                        return Err("behind > stands the name of one file".to_owned());
                    };
                    this.file = Some(Target { name: name.clone(), append: mark == Mark::Behind });
                }
            }
        }
        Ok(this)
    }

    fn take(&mut self, text: &str) -> Result<(), String> {
        let words = unquoted(text);
        let mut words = words.iter().map(String::as_str);
        match words.next() {
            Some("less") => {
                self.pages = true;
                words.next().map_or(Ok(()), |word| Err(format!("'{word}' cannot stand behind less")))
            }
            Some("grep") => {
                self.searches.push(search(words)?);
                Ok(())
            }
            Some(other) => Err(format!("'{other}' cannot stand behind |; right is grep or less")),
            None => Err("something is missing behind |; right is grep or less".to_owned()),
        }
    }

    /// Whether patterns are looked for.
    pub(super) fn searches(&self) -> bool {
        !self.searches.is_empty()
    }

    /// What is left of a text to be shown.
    pub(super) fn through(&self, text: &str) -> Result<String, String> {
        let mut left = text.to_owned();
        for search in &self.searches {
            let kept =
                left.split_inclusive('\n').filter(|line| search.pattern.is_match(line.trim_end()) != search.without);
            left = kept.collect();
        }
        let Some(target) = &self.file else { return Ok(left) };
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(target.append).truncate(!target.append);
        let written = options.open(&target.name).and_then(|mut file| file.write_all(left.as_bytes()));
        written.map(|()| String::new()).map_err(|error| format!("cannot write {}: {error}", target.name))
    }
}

/// `grep [-i] [-v] [-w] PATTERN`.
fn search<'a>(words: impl Iterator<Item = &'a str>) -> Result<Search, String> {
    let (mut any_case, mut without, mut whole_word, mut pattern) = (false, false, false, None);
    for word in words {
        match word {
            _ if pattern.is_some() => return Err(format!("'{word}' is too much behind the pattern of grep")),
            "-i" => any_case = true,
            "-v" => without = true,
            "-w" => whole_word = true,
            text => pattern = Some(text),
        }
    }
    let Some(text) = pattern else { return Err("the pattern is missing behind grep".to_owned()) };
    // The router's patterns know no counts.
    let text = text.replace('{', "\\{").replace('}', "\\}");
    let text = if whole_word { format!("\\b(?:{text})\\b") } else { text };
    let pattern = RegexBuilder::new(&text).case_insensitive(any_case).build();
    let pattern = pattern.map_err(|error| format!("the pattern of grep cannot be read: {error}"))?;
    Ok(Search { pattern, without })
}

/// What stands before a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Pipe,
    Into,
    Behind,
}

/// A line at its marks outside quotes; the first part's mark means nothing.
fn split(line: &str) -> Vec<(Mark, String)> {
    let mut parts = vec![(Mark::Pipe, String::new())];
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let mark = match (c, quote) {
            ('#', None) => break,
            ('|', None) => Some(Mark::Pipe),
            ('>', None) if chars.next_if_eq(&'>').is_some() => Some(Mark::Behind),
            ('>', None) => Some(Mark::Into),
            _ => None,
        };
        if let Some(mark) = mark {
            parts.push((mark, String::new()));
            continue;
        }
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            _ => {}
        }
        let Some((_, part)) = parts.last_mut() else { continue };
        part.push(c);
        if c == '\\' {
            part.extend(chars.next());
        }
    }
    parts
}

/// Words with their quotes taken off. A backslash stays: it belongs to the pattern.
fn unquoted(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (c, quote) {
            (' ' | '\t', None) => words.extend(word.take()),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, Some(open)) if c == open => quote = None,
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    const LOG: &str = "[L2TP] TUNNEL[1] connected from 203.0.113.1\n[IKE] respond\nIP Tunnel[1] Up\n";

    fn through(line: &str) -> String {
        Pipeline::of(line).unwrap().through(LOG).unwrap()
    }

    #[test]
    fn a_pattern_chooses_lines() {
        assert_eq!(through("show log"), LOG);
        assert_eq!(through("show log | grep TUNNEL"), "[L2TP] TUNNEL[1] connected from 203.0.113.1\n");
        assert_eq!(through("sh log|grep -i tunnel|grep -v connected"), "IP Tunnel[1] Up\n");
        assert_eq!(through("show log | grep -w U"), "");
        assert_eq!(through("show log | grep -w Up"), "IP Tunnel[1] Up\n");
        assert_eq!(through("show log | grep 'Tunnel\\[1\\] Up$'"), "IP Tunnel[1] Up\n");
        assert_eq!(through("show log | grep \"^\\[(IKE|PPTP)\\] r\""), "[IKE] respond\n");
        assert_eq!(through("show log | grep {"), "");
    }

    #[test]
    fn the_server_gets_the_line_without_what_stands_behind_it() {
        let pipeline = Pipeline::of("show log | grep a | less").unwrap();
        assert_eq!((pipeline.line.as_str(), pipeline.pages), ("show log", true));
        for line in ["pp auth username a 'b|c'", "description pp a\\|b", "syslog host a | grep b", "show log # | x"] {
            assert_eq!(Pipeline::of(line).unwrap().line.split(" #").next(), line.split(" #").next());
        }
    }

    #[test]
    fn a_wrong_word_is_named() {
        let wrong = |line: &str| Pipeline::of(line).unwrap_err();
        assert!(wrong("show log | sort").starts_with("'sort' cannot stand behind |"));
        assert!(wrong("show log |").contains("missing"));
        assert!(wrong("show log | grep").contains("missing"));
        assert!(wrong("show log | grep a b").starts_with("'b' is too much"));
        assert!(wrong("show log | grep [").contains("cannot be read"));
        assert!(wrong("show log > a b").contains("one file"));
    }

    #[test]
    fn a_file_is_written_anew_or_behind_its_end() {
        let path = std::env::temp_dir().join(format!("sekisho-pipeline-{}", std::process::id()));
        let name = path.display();
        assert_eq!(through(&format!("show log > {name}")), "");
        assert_eq!(through(&format!("show log | grep IKE >> {name}")), "");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{LOG}[IKE] respond\n"));
        std::fs::remove_file(path).unwrap();
        assert!(Pipeline::of("show log > /none/at/all").unwrap().through(LOG).is_err());
    }
}
