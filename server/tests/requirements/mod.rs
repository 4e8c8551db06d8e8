//! What the RFCs ask of a responder and LNS, row by row: read from docs/requirements, checked, and made into a document.

use crate::{report, root, tests};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

/// Beyond this many characters a row's words are no summary any more.
const LONGEST: usize = 200;

/// What has become of a requirement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Code keeps it, and a test keeps the code.
    Kept,
    /// It is not kept, on purpose.
    Departs,
    /// It binds somebody else, or a part that is not offered.
    Not,
    /// Code, a test, or both are missing.
    Open,
}

impl Verdict {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Kept, "kept"), (Self::Departs, "departed from"), (Self::Not, "not for us"), (Self::Open, "open")];
}

/// One requirement.
pub(crate) struct Row {
    sections: Vec<String>,
    asks: String,
    code: Vec<String>,
    tests: Vec<String>,
    pub(crate) verdict: Verdict,
    reason: String,
}

/// The requirements of one RFC.
pub(crate) struct Rfc {
    number: u32,
    title: String,
    /// The sections that ask for something.
    sections: BTreeSet<String>,
    pub(crate) rows: Vec<Row>,
}

/// A line: sections, what is asked, then any of: files, names of tests, `departs:`, `not:` or `open:` with the reason.
pub(crate) fn row(line: &str) -> Result<Row, String> {
    let mut cells = line.split(" | ");
    let (Some(sections), Some(asks)) = (cells.next(), cells.next()) else {
        return Err(format!("'{line}' is no row"));
    };
    let words = |cell: &str| cell.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (mut code, mut tests, mut said) = (vec![], vec![], None);
    for cell in cells {
        let verdict = match cell.split_once(": ") {
            Some(("departs", reason)) => Some((Verdict::Departs, reason.to_owned())),
            Some(("not", reason)) => Some((Verdict::Not, reason.to_owned())),
            Some(("open", reason)) => Some((Verdict::Open, reason.to_owned())),
            _ => None,
        };
        match verdict {
            Some(verdict) if said.is_none() => said = Some(verdict),
            Some(_) => return Err(format!("'{line}' has two verdicts")),
            None if cell.contains('/') => code.extend(words(cell)),
            None => tests.extend(words(cell)),
        }
    }
    if said.is_none() && (code.is_empty() || tests.is_empty()) {
        return Err(format!("'{asks}' has neither code and test nor a reason, and is not listed as open"));
    }
    if said.as_ref().is_some_and(|(_, reason)| reason.len() < 10) {
        return Err(format!("'{asks}' has no reason to speak of"));
    }
    if asks.chars().count() > LONGEST {
        return Err(format!("'{asks}' is longer than {LONGEST} characters"));
    }
    let (verdict, reason) = said.unwrap_or((Verdict::Kept, String::new()));
    Ok(Row { sections: words(sections), asks: asks.to_owned(), code, tests, verdict, reason })
}

/// All files of docs/requirements, by number.
pub(crate) fn rfcs() -> Vec<Rfc> {
    let mut all = vec![];
    let mut wrong = vec![];
    for entry in fs::read_dir(root().join("docs/requirements")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let number = name.trim_start_matches("rfc").trim_end_matches(".txt").parse().unwrap();
        let mut rfc = Rfc { number, title: String::new(), sections: BTreeSet::new(), rows: vec![] };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(title) = line.strip_prefix("title ") {
                title.clone_into(&mut rfc.title);
            } else if let Some(sections) = line.strip_prefix("sections ") {
                rfc.sections.extend(sections.split(' ').map(str::to_owned));
            } else {
                match row(line) {
                    Ok(row) => rfc.rows.push(row),
                    Err(why) => wrong.push(format!("{name}: {why}")),
                }
            }
        }
        all.push(rfc);
    }
    report("docs/requirements", &wrong);
    all.sort_by_key(|rfc| rfc.number);
    all
}

/// What is wrong with the rows: files and tests that are not there, sections that the RFC has not or that no row names.
pub(crate) fn faults(rfcs: &[Rfc]) -> Vec<String> {
    let known = tests();
    let mut wrong = vec![];
    for Rfc { number, sections, rows, .. } in rfcs {
        let mut named = BTreeSet::new();
        for row in rows {
            named.extend(row.sections.iter().cloned());
            let place = format!("RFC {number} §{}, '{}'", row.sections.join(", "), row.asks);
            let strange = row.sections.iter().filter(|section| !sections.contains(*section));
            wrong.extend(strange.map(|section| format!("{place}: {section} asks for nothing")));
            let absent = row.code.iter().filter(|file| !root().join(file).is_file());
            wrong.extend(absent.map(|file| format!("{place}: there is no file {file}")));
            let unknown = row.tests.iter().filter(|name| !known.contains(*name));
            wrong.extend(unknown.map(|name| format!("{place}: there is no test {name}")));
        }
        wrong.extend(sections.difference(&named).map(|section| format!("RFC {number} §{section} has no row")));
    }
    wrong
}

fn count(rows: &[Row], verdict: Verdict) -> usize {
    rows.iter().filter(|row| row.verdict == verdict).count()
}

fn place(row: &Row) -> String {
    row.sections.iter().map(|section| format!("§{section}")).collect::<Vec<_>>().join(", ")
}

/// docs/musts.md: how much is kept, what is open, then all rows.
pub(crate) fn document(rfcs: &[Rfc]) -> String {
    let mut out = String::from(
        "# What every MUST asks, and what keeps it\n\n\
         Each row is a MUST, MUST NOT, SHALL or REQUIRED of an RFC (in the older ones, a \"must\") that could bind a \
         responder and LNS,\nin short words, with the code and the tests that keep it. *departed from*: it is not kept, \
         on purpose, and the row says why. *not\nfor us*: it binds the other side, or a part that is not offered. \
         *open*: code or test is missing. Sections that only explain key\nwords or speak to IANA are left out.\n\n\
         The rows are written by hand in `docs/requirements/`; this page is not: \
         `UPDATE=1 cargo test -p sekisho --test tidy` writes it\nanew. Which file cites which section: \
         [citations.md](citations.md).\n\n\
         | RFC | | kept | departed from | not for us | open | rows |\n|---|---|---|---|---|---|---|\n",
    );
    let numbers = |rows: &[&[Row]]| {
        let of = |verdict| rows.iter().map(|rows| count(rows, verdict)).sum::<usize>();
        let counts: Vec<String> = Verdict::ALL.iter().map(|(verdict, _)| of(*verdict).to_string()).collect();
        format!("{} | {}", counts.join(" | "), rows.iter().map(|rows| rows.len()).sum::<usize>())
    };
    for rfc in rfcs {
        let _ = writeln!(out, "| [{0}](#rfc-{0}) | {1} | {2} |", rfc.number, rfc.title, numbers(&[&rfc.rows]));
    }
    let all: Vec<&[Row]> = rfcs.iter().map(|rfc| rfc.rows.as_slice()).collect();
    let _ = write!(out, "| all | | {} |\n\n## Open\n\n", numbers(&all));
    if all.iter().all(|rows| count(rows, Verdict::Open) == 0) {
        out += "Nothing.\n";
    }
    for rfc in rfcs {
        for row in rfc.rows.iter().filter(|row| row.verdict == Verdict::Open) {
            let _ = writeln!(out, "- RFC {} {}: {}. *{}*", rfc.number, place(row), row.asks, row.reason);
        }
    }
    for rfc in rfcs {
        let counts: Vec<String> =
            Verdict::ALL.iter().map(|(verdict, name)| format!("{} {name}", count(&rfc.rows, *verdict))).collect();
        let _ = write!(out, "\n## RFC {}\n\n{}: {}.\n\n", rfc.number, rfc.title, counts.join(", "));
        out += "| section | asks | code | test, or why not |\n|---|---|---|---|\n";
        for row in &rfc.rows {
            let list = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ");
            let word = Verdict::ALL.iter().find(|(verdict, _)| *verdict == row.verdict).map_or("", |(_, word)| word);
            let why = if row.reason.is_empty() { String::new() } else { format!("*{word}*: {}", row.reason) };
            let last = [list(&row.tests), why].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
            let _ = writeln!(out, "| {} | {} | {} | {} |", place(row), row.asks, list(&row.code), last.join(" "));
        }
    }
    out
}
