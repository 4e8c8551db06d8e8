//! The house in order: captions, arrows between rooms, homes of `unsafe`, derived documents, fixtures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod requirements;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders, and in a linked work tree a file, that hold no text of ours.
const PASSED_OVER: [&str; 6] = [".git", "target", "corpus", "artifacts", "__pycache__", "seeds"];

/// The files that may say `unsafe`, each with the lint switched off by name and a reason.
const HOMES_OF_UNSAFE: [&str; 21] = [
    "bench/src/bare.rs",
    "crypto/src/dh.rs",
    "crypto/src/dh/fixed.rs",
    "crypto/src/ecp.rs",
    "crypto/src/esp/counter.rs",
    "crypto/src/lanes/x86.rs",
    "crypto/src/lanes/x86/aesni.rs",
    "crypto/src/lanes/x86/avx2.rs",
    "crypto/src/lanes/x86/avx512.rs",
    "crypto/src/lanes/x86/shani.rs",
    "crypto/src/prefetch.rs",
    "engine/tests/path_allocates_nothing.rs",
    "server/src/confine.rs",
    "server/src/memory.rs",
    "server/src/steer.rs",
    "server/src/tun.rs",
    "server/src/udp.rs",
    "server/tests/real_trouble.rs",
    "sim/src/bin/load/bare.rs",
    "sim/src/bin/load/bursts.rs",
    "sim/tests/memory.rs",
];

/// The crates, and which of ours each may know.
const ARROWS: [(&str, &[&str]); 7] = [
    ("wire", &[]),
    ("crypto", &[]),
    ("command", &[]),
    ("engine", &["wire", "crypto", "command"]),
    ("server", &["wire", "crypto", "command", "engine"]),
    ("sim", &["wire", "crypto", "command", "engine"]),
    ("bench", &["wire", "crypto", "engine"]),
];

/// The rooms of the engine, and which of its other modules each may know.
const ROOMS: [(&str, &[&str]); 8] = [
    ("ike", &["time", "rng"]),
    ("l2tp", &["time", "rng", "queue"]),
    ("ppp", &["time", "rng", "queue"]),
    ("path", &["time"]),
    ("pool", &["time"]),
    ("inside", &["time", "rng"]),
    ("aaa", &["ppp"]),
    // Another user of PPP's automaton, behind the traits that stand for any carrier.
    ("legacy", &["carrier", "event", "ike", "path", "ppp", "rng", "time"]),
];

/// What the engine may not name, and why.
const OUTSIDE_OF_THE_ENGINE: [(&str, &str); 16] = [
    ("std::net::Udp", "sockets are the server's"),
    ("std::net::Tcp", "sockets are the server's"),
    ("std::os::", "sockets and files are the server's"),
    ("std::time::", "time is an argument: engine::time::Instant"),
    ("std::thread", "threads are the server's"),
    ("std::sync::Mutex", "a value has one owner"),
    ("std::sync::RwLock", "a value has one owner"),
    ("std::sync::atomic", "a value has one owner"),
    ("std::sync::mpsc", "a value has one owner"),
    ("std::fs", "files are the server's"),
    ("std::io", "files are the server's"),
    ("std::env", "what an operator sets comes in the configuration"),
    ("std::process", "processes are the server's"),
    ("getrandom", "chance is an argument: engine::rng::Rng"),
    ("println!", "what is worth telling is an Event"),
    ("eprintln!", "what is worth telling is an Event"),
];

/// Where PPTP, GRE, CCP and MPPE live.
const LEGACY_ROOMS: [&str; 9] = [
    "wire/src/legacy/",
    "crypto/src/mppe.rs",
    "command/src/rows/legacy.rs",
    "engine/src/legacy/",
    "server/src/legacy.rs",
    "sim/src/legacy.rs",
    "sim/src/peer/legacy.rs",
    "sim/tests/legacy_",
    "fuzz/fuzz_targets/legacy",
];

/// The doors of these rooms: a line in the list of modules of each crate, and nothing else.
const LEGACY_DOORS: [(&str, &str); 8] = [
    ("command/src/lib.rs", "pub use rows::legacy;"),
    ("command/src/rows/mod.rs", "pub mod legacy;"),
    ("crypto/src/lib.rs", "pub mod mppe;"),
    ("engine/src/lib.rs", "pub mod legacy;"),
    ("server/src/main.rs", "mod legacy;"),
    ("sim/src/lib.rs", "pub mod legacy;"),
    ("sim/src/peer/mod.rs", "pub mod legacy;"),
    ("wire/src/lib.rs", "pub mod legacy;"),
];

/// The three places that use them: each is a line of a list, which is right without it.
const LEGACY_USES: [(&str, &str); 3] = [
    ("command/src/rows/mod.rs", "legacy::FAMILY,"),
    ("engine/src/engine.rs", "crate::legacy::KIND,"),
    ("server/src/aside.rs", "crate::legacy::ROOM,"),
];

/// What of the router's language and screens names them elsewhere; these lines may only become fewer.
const LEGACY_WORDS: [(&str, &str); 8] = [
    ("command/src/config/filter.rs", "(\"gre\", 47)"),
    ("command/src/config/filter.rs", "(\"pptp\", 1723)"),
    ("command/src/config/filter.rs", "application(\"pptp\", &[(TCP, 1723, 1723)])"),
    ("command/src/config/filter.rs", "icmp, tcp, udp, gre, esp"),
    ("command/src/config/filter.rs", "icmp・tcp・udp・gre・esp"),
    ("command/src/rows/l2tp.rs", "\"ipip\", \"pptp\""),
    ("engine/src/status/words.rs", "\"    CCP: None\""),
    ("server/src/quickstart.rs", "ppp ccp type none"),
];

/// A file of the project, by its path from the root.
struct Text {
    path: String,
    text: String,
}

impl Text {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines of the program itself: no comments, and nothing behind the tests' beginning.
    fn program(&self) -> impl Iterator<Item = &str> {
        let lines = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        lines.filter(|line| !line.trim_start().starts_with("//"))
    }

    /// Whether all of it serves tests only.
    fn is_test(&self) -> bool {
        let parts = ["/tests/", "/benches/", "/tests.rs", "/testing.rs", "/matrix.rs"];
        self.path.starts_with("sim/") || parts.iter().any(|part| self.path.contains(part))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every text file of the project, in order.
fn texts() -> Vec<Text> {
    let mut found = Vec::new();
    walk(&root(), "", &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 100, "the project's files are found");
    found
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<Text>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        // In a linked work tree `.git` is a file.
        if PASSED_OVER.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &format!("{path}/"), found);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            found.push(Text { path, text });
        }
    }
}

fn rust() -> Vec<Text> {
    texts().into_iter().filter(Text::is_rust).collect()
}

fn report(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}

/// Whether a name stands in a line as a word of its own.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[test]
fn every_file_opens_with_a_sentence_that_says_what_it_is() {
    let mut wrong = Vec::new();
    for file in rust() {
        let caption: Vec<&str> = file.text.lines().map_while(|line| line.strip_prefix("//!")).collect();
        let first: Vec<&str> = caption.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
        let sentence = first.join(" ");
        if !sentence.contains('.') && !sentence.ends_with(')') {
            wrong.push(format!("{}: '{sentence}'", file.path));
        }
    }
    report("the first lines are no '//!' sentence", &wrong);
}

#[test]
fn crates_know_only_those_below_them() {
    let mut wrong = Vec::new();
    let names: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let files = rust();
    for (name, known) in ARROWS {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let is_forbidden = |other: &str| other != name && !known.contains(&other);
        for other in names.iter().filter(|other| is_forbidden(other)) {
            let mut section = "";
            for line in manifest.lines() {
                if line.starts_with('[') {
                    section = line;
                }
                let key = line.split(['.', ' ', '=']).next();
                if section == "[dependencies]" && key == Some(other) {
                    wrong.push(format!("{name}/Cargo.toml depends on {other}"));
                }
            }
            let source = format!("{name}/src/");
            for file in files.iter().filter(|file| file.path.starts_with(&source)) {
                // `crate::wire::…` would be a module of its own.
                let used = format!("{other}::");
                let is_use = |line: &&str| {
                    let mut places = line.match_indices(&used).map(|(at, _)| line[..at].chars().next_back());
                    places.any(|before| !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':'))
                };
                wrong.extend(file.program().filter(is_use).map(|line| format!("{}: {line}", file.path)));
            }
        }
    }
    report("an arrow points the wrong way", &wrong);
}

#[test]
fn the_engine_does_nothing_but_compute() {
    let mut wrong = Vec::new();
    for file in rust().iter().filter(|file| file.path.starts_with("engine/src/") && !file.is_test()) {
        for line in file.program() {
            for (name, why) in OUTSIDE_OF_THE_ENGINE {
                if line.contains(name) {
                    wrong.push(format!("{}: {} ({why})", file.path, line.trim()));
                }
            }
        }
    }
    report("the engine names what is outside of it", &wrong);
}

#[test]
fn rooms_of_the_engine_do_not_know_one_another() {
    let files = rust();
    let modules: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("engine/src/"))
        .filter_map(|path| path.split(['/', '.']).next())
        .collect();
    let mut wrong = Vec::new();
    for (room, known) in ROOMS {
        assert!(modules.contains(room), "the room {room} is there");
        let places = [format!("engine/src/{room}.rs"), format!("engine/src/{room}/")];
        let is_inside = |file: &&Text| file.path == places[0] || file.path.starts_with(&places[1]);
        for file in files.iter().filter(is_inside).filter(|file| !file.is_test()) {
            for line in file.program() {
                for other in modules.iter().filter(|other| **other != room && !known.contains(other)) {
                    let ways = [format!("crate::{other}"), format!("{}{other}", way_out(&file.path))];
                    if ways.iter().any(|way| has_word(line, way)) {
                        wrong.push(format!("{}: {}", file.path, line.trim()));
                    }
                }
            }
        }
    }
    report("a room names another", &wrong);
}

/// Everything of PPTP stands behind doors of one name, and could be carried out with a dozen lines.
#[test]
fn legacy_stays_in_its_rooms() {
    let in_room = |file: &&Text| LEGACY_ROOMS.iter().any(|room| file.path.starts_with(room));
    let files = rust();
    let (inside, outside): (Vec<&Text>, Vec<&Text>) = files.iter().partition(in_room);
    assert!(inside.len() >= LEGACY_ROOMS.len(), "the rooms are there");
    let mut wrong = Vec::new();
    let (mut doors, mut uses, mut words) = (Vec::new(), Vec::new(), Vec::new());
    for file in outside.into_iter().filter(|file| file.path != "server/tests/tidy.rs") {
        for line in file.program() {
            let place = (file.path.as_str(), line.trim());
            let names_room = ["legacy::", "mod legacy", "mppe::"].iter().any(|name| line.contains(name));
            if LEGACY_DOORS.contains(&place) {
                doors.push(place);
            } else if LEGACY_USES.contains(&place) {
                uses.push(place);
            } else if LEGACY_WORDS.iter().any(|(path, part)| *path == file.path && line.contains(part)) {
                words.push(place);
            } else if !file.is_test() && (names_legacy(line) || names_room) {
                wrong.push(format!("{}: {}", file.path, line.trim()));
            }
        }
    }
    report("a line outside of its rooms names what is legacy", &wrong);
    assert_eq!((doors.len(), uses.len(), words.len()), (LEGACY_DOORS.len(), LEGACY_USES.len(), LEGACY_WORDS.len()));
}

/// Whether a line of the program names PPTP, GRE, CCP or MPPE, in whatever spelling.
fn names_legacy(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default().to_lowercase();
    ["pptp", "mppe"].iter().any(|word| code.contains(word)) || has_word(&code, "gre") || has_word(&code, "ccp")
}

/// How a file of the engine would name the crate's root without saying `crate`.
fn way_out(path: &str) -> String {
    let inside = path.trim_start_matches("engine/src/").trim_end_matches("/mod.rs").trim_end_matches(".rs");
    "super::".repeat(inside.split('/').count())
}

#[test]
fn unsafe_lives_where_it_is_listed() {
    let word = ["un", "safe"].concat();
    let mut found: Vec<String> = Vec::new();
    for file in rust() {
        let says = file.text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            has_word(code, &format!("{word} {{"))
                || ["fn", "impl", "extern"].iter().any(|item| code.contains(&format!("{word} {item}")))
        });
        if says && file.path != "server/tests/tidy.rs" {
            found.push(file.path);
        }
    }
    assert_eq!(found, HOMES_OF_UNSAFE, "the homes of unsafe code");
}

#[test]
fn nothing_is_left_to_do_without_an_owner() {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X:"].concat()];
    let mut wrong = Vec::new();
    for file in texts().iter().filter(|file| !file.path.ends_with(".md")) {
        for line in file.text.lines() {
            for word in words.iter().filter(|word| has_word(line, word)) {
                if !line.contains(&format!("{word}(")) {
                    wrong.push(format!("{}: {}", file.path, line.trim()));
                }
            }
        }
    }
    report("work without an owner: write the owner in brackets behind the word", &wrong);
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let paths: Vec<String> = ["work", "home", "root"].iter().map(|top| format!("/{top}/")).collect();
    let mut wrong = Vec::new();
    for file in texts() {
        for line in file.text.lines() {
            for path in &paths {
                let is_start = |at: usize| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '}')
                };
                if line.match_indices(path).any(|(at, _)| is_start(at)) {
                    wrong.push(format!("{}: {}", file.path, line.trim()));
                }
            }
        }
    }
    report("an absolute path of one machine", &wrong);
}

/// Compares a derived document with what it is derived from, or writes it anew.
fn derived(path: &str, right: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, right).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(there == right, "{path} is stale; write it anew with UPDATE=1 cargo test -p sekisho --test tidy");
}

#[test]
fn the_commands_stand_in_the_documents() {
    derived("docs/commands.md", &command::manual());
    derived("docs/sekisho.8", &command::man_page());
}

#[test]
fn every_requirement_has_code_and_tests_that_exist_or_a_reason_or_is_listed_as_open() {
    let rfcs = requirements::rfcs();
    report("docs/requirements", &requirements::faults(&rfcs));
    derived("docs/musts.md", &requirements::document(&rfcs));
}

#[test]
fn a_requirement_without_code_or_test_or_reason_is_no_row() {
    use requirements::{Verdict, row};
    let verdict = |line: &str| row(line).ok().map(|row| row.verdict);
    assert_eq!(verdict("3.1 | asks | wire/src/a.rs | one_test two_tests"), Some(Verdict::Kept));
    assert_eq!(verdict("3.1 4.1 | asks | wire/src/a.rs | open: nothing tests it"), Some(Verdict::Open));
    assert_eq!(verdict("3.1 | asks | not: it binds the LAC"), Some(Verdict::Not));
    assert_eq!(
        verdict("3.1 | asks | wire/src/a.rs | a_test | departs: the client would hang up"),
        Some(Verdict::Departs)
    );
    for line in ["3.1", "3.1 | asks", "3.1 | asks | wire/src/a.rs", "3.1 | asks | a_test", "3.1 | asks | not: no"] {
        assert_eq!(verdict(line), None, "{line}");
    }
    assert!(row("3.1 | asks | not: it binds the LAC | open: nothing tests it").is_err());
    assert!(row(&format!("3.1 | {} | not: it binds the LAC", "much ".repeat(50))).is_err());
}

#[test]
fn the_citations_stand_in_the_documents() {
    derived("docs/citations.md", &citations());
}

/// Where a section is cited: the files of the program, and those of tests.
type Places = (BTreeSet<String>, BTreeSet<String>);

/// docs/citations.md: which file answers for which section of which RFC.
fn citations() -> String {
    let mut all: BTreeMap<u32, BTreeMap<Vec<u32>, Places>> = BTreeMap::new();
    for file in rust().iter().filter(|file| file.path != "server/tests/tidy.rs") {
        let mut is_test = file.is_test();
        for line in file.text.lines() {
            is_test |= line.trim() == "#[cfg(test)]";
            for (rfc, section) in cited(line) {
                let (code, tests) = all.entry(rfc).or_default().entry(section).or_default();
                if is_test { tests } else { code }.insert(file.path.clone());
            }
        }
    }
    let mut out = String::from(
        "# Which file answers for which section\n\n\
         Gathered from the citations in the source, which all have the form `RFC 2661 §5.8`; do not edit it by hand:\n\
         `UPDATE=1 cargo test -p sekisho --test tidy` writes it anew. *whole*: the RFC is cited without a section. The \
         middle column\nis the program, the right one are tests: unit tests in the same file, scenes of `sim`, vectors.\n",
    );
    for (rfc, sections) in all {
        let _ = write!(out, "\n## RFC {rfc}\n\n| section | program | tests |\n|---|---|---|\n");
        for (section, (code, tests)) in sections {
            let numbers: Vec<String> = section.iter().map(u32::to_string).collect();
            let name = if numbers.is_empty() { "*whole*".to_owned() } else { format!("§{}", numbers.join(".")) };
            let list =
                |files: BTreeSet<String>| files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(" ");
            let _ = writeln!(out, "| {name} | {} | {} |", list(code), list(tests));
        }
    }
    out
}

/// The citations of a line: the RFC, and the section in parts (none: the whole RFC).
fn cited(line: &str) -> Vec<(u32, Vec<u32>)> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("RFC ") {
        let rest = &line[at + 4..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let Ok(rfc) = rest[..digits].parse() else { continue };
        let mut rest = &rest[digits..];
        let before = found.len();
        loop {
            let next = [" §", ", §", " and §", " to §"].iter().find_map(|between| rest.strip_prefix(between));
            let Some(section) = next else { break };
            let end = section.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(section.len());
            let number = section[..end].trim_end_matches('.');
            found.push((rfc, number.split('.').filter_map(|part| part.parse().ok()).collect()));
            rest = &section[number.len()..];
        }
        if found.len() == before {
            found.push((rfc, Vec::new()));
        }
    }
    found
}

#[test]
fn citations_are_read_in_all_their_forms() {
    let one = |line: &str| cited(line);
    assert_eq!(one("as RFC 2661 §5.8 says."), [(2661, vec![5, 8])]);
    assert_eq!(one("(RFC 2409 §5, §5.5.)"), [(2409, vec![5]), (2409, vec![5, 5])]);
    assert_eq!(one("RFC 1570 §2.1 and §2.2"), [(1570, vec![2, 1]), (1570, vec![2, 2])]);
    assert_eq!(one("RFC 4868, RFC 3602 §2"), [(4868, vec![]), (3602, vec![2])]);
}

/// The names of all tests.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in rust() {
        let mut lines = file.text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line == "#[test]" {
                let function = lines.find_map(|line| line.strip_prefix("fn "));
                names.extend(function.and_then(|f| f.split('(').next()).map(str::to_owned));
            }
        }
        // Those over real sockets have a harness of their own, and are plain functions.
        if file.path.starts_with("server/tests/real_") {
            let plain = |line: &str| line.strip_prefix("fn ")?.strip_suffix("() {").map(str::to_owned);
            names.extend(file.text.lines().filter_map(plain));
        }
    }
    names
}

#[test]
fn every_trap_is_listed_with_tests_that_exist_or_a_reason() {
    let list = fs::read_to_string(root().join("docs/traps.md")).unwrap();
    let known = tests();
    let (mut wrong, mut numbers) = (Vec::new(), BTreeSet::new());
    for row in list.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let number = cells[0];
        if !number.trim_start_matches('S').starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        if !numbers.insert(number.to_owned()) {
            wrong.push(format!("{number} stands there twice"));
        }
        let last = cells[cells.len() - 1];
        // Either names of tests alone, or a sentence that says why there is none.
        let is_reason = last.starts_with("none: ") && last.len() > 20;
        let named: Vec<&str> = last.split(' ').map(|word| word.trim_matches('`')).collect();
        if !is_reason {
            let unknown = named.iter().filter(|name| !known.contains(**name));
            wrong.extend(unknown.map(|name| format!("{number}: there is no test {name}")));
        }
    }
    let all = (1..=100).map(|n| n.to_string()).chain((1..=17).map(|n| format!("S{n}")));
    wrong.extend(all.filter(|number| !numbers.contains(number)).map(|number| format!("{number} is missing")));
    report("docs/traps.md", &wrong);
}

#[test]
fn every_fixture_is_described() {
    let readme = fs::read_to_string(root().join("fixtures/README.md")).unwrap();
    let mut wrong = Vec::new();
    let is_fixture = |file: &Text| file.path.starts_with("fixtures/") && file.path.matches('/').count() > 1;
    for file in texts().into_iter().filter(is_fixture) {
        let name = file.path.trim_start_matches("fixtures/");
        let folder = name.split('/').next().unwrap();
        if !readme.lines().any(|line| line == format!("## {folder}")) {
            wrong.push(format!("the folder {folder} has no chapter in fixtures/README.md"));
        }
        if !readme.contains(&format!("| `{name}` |")) {
            wrong.push(format!("{name} has no row in fixtures/README.md"));
        }
        if !file.text.starts_with("# ") {
            wrong.push(format!("{name} does not open with a comment that says who sent it"));
        }
    }
    report("fixtures without a description", &wrong);
}

#[test]
fn the_map_fits_on_a_few_pages() {
    let lines = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap().lines().count();
    assert!(lines <= 250, "ARCHITECTURE.md has {lines} lines");
}

/// Enforces nothing: the largest files and the longest functions are where a reader pays, so look there first.
#[test]
fn the_largest_are_shown() {
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for file in rust().iter().filter(|file| !file.is_test()) {
        let lines: Vec<&str> = file.text.lines().take_while(|line| line.trim() != "#[cfg(test)]").collect();
        files.push((lines.len(), file.path.clone()));
        functions.extend(lengths(&lines).into_iter().map(|(length, name)| (length, format!("{} {name}", file.path))));
    }
    for (what, mut list) in [("largest files", files), ("longest functions", functions)] {
        list.sort_by(|a, b| b.cmp(a));
        println!("{what}:");
        for (length, name) in list.iter().take(10) {
            println!("  {length:5}  {name}");
        }
    }
}

/// The functions of a formatted file and their lengths in lines: from `fn` to the brace that stands as far in.
fn lengths(lines: &[&str]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some((before, name)) = code.split_once("fn ") else {
            continue;
        };
        if !before
            .split_whitespace()
            .all(|word| word.starts_with("pub") || ["const", "async", "extern"].contains(&word))
        {
            continue;
        }
        // A signature may take several lines; one without a body, or with it in one line, is not long.
        let opening = lines[start..].iter().find(|line| line.ends_with(['{', ';', '}']));
        if !opening.is_some_and(|line| line.ends_with('{')) {
            continue;
        }
        let end = format!("{}}}", " ".repeat(line.len() - code.len()));
        if let Some(length) = lines[start..].iter().position(|line| *line == end) {
            let name = name.split(['(', '<']).next().unwrap_or_default();
            found.push((length + 1, name.to_owned()));
        }
    }
    found
}
