//! A line to its row and values: abbreviations, `no` forms, scopes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::check;
use crate::config::{Config, PpRef};
use crate::lex::{self, Word};
use crate::problem::{Problem, Severity};
use crate::request::Request;
use crate::script::{Entry, Script};
use crate::table::{Act, Args, Effect, Form, Home, Row, Scope, number_of, table};
use crate::text::{Fault, Text};
use crate::value::{Kind, Need, Value, either, hints, is_interface, or, shown};

/// Longest line, in characters.
const LINE: usize = 4095;

/// Reads a whole configuration text, and says what is wrong with it.
///
/// Lines with an error are left out of the result, all others are in it. The problems are in the order of the lines.
pub fn parse(text: &str) -> (Config, Vec<Problem>) {
    let mut reader = Reader::default();
    for (at, line) in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n').enumerate() {
        reader.line = at + 1;
        if let Err(problem) = reader.read(line.strip_suffix('\r').unwrap_or(line)) {
            reader.problems.push(problem);
        }
    }
    let config = reader.script.config();
    let mut problems = reader.problems;
    // What a file seems to lack may be in a line that has an error.
    let is_whole = problems.iter().all(|problem| problem.severity != Severity::Error);
    problems.extend(check::all(&config).into_iter().filter(|problem| is_whole || problem.line > 0));
    problems.sort_by_key(|problem| (problem.line, problem.column));
    (config, problems)
}

/// Reads one line that an operator typed at a running server.
pub fn parse_request(line: &str) -> Result<Request, Problem> {
    let reader = Reader { line: 1, ..Reader::default() };
    let words = reader.words(line)?;
    let Some(first) = words.first() else {
        let why = Fault::InvalidCommand.because(
            "nothing was typed; help tells what can be asked",
            "何も入力されていません。helpで使い方を表示します",
        );
        return Err(reader.fault(None, why));
    };
    let found = find(&words).map_err(|(at, message)| reader.fault(words.get(at), message))?;
    let args = fill(found.row, found.named.clone(), &words, found.depth)
        .map_err(|(at, message)| reader.fault(words.get(at), message))?;
    match found.row.effect {
        Effect::Ask(ask) => Ok(ask(Args(&args))),
        Effect::Kept(_) => {
            let why = Text::new(
                format!("{} is not there yet", found.row.words),
                format!("{}はまだありません", found.row.words),
            );
            Err(reader.problem(Some(first), Severity::Later, why))
        }
        Effect::Global(_)
        | Effect::Pp(_)
        | Effect::Tunnel(_)
        | Effect::Gateway(_)
        | Effect::Apart(_)
        | Effect::Act(_) => {
            let why = Text::new(
                format!(
                    "{} is a setting; write it into the configuration file and start the server anew",
                    found.row.words
                ),
                format!("{}は設定です。設定ファイルに書いて起動し直してください", found.row.words),
            );
            Err(reader.fault(Some(first), why))
        }
    }
}

/// What is being read, and how far it got.
pub(crate) struct Reader {
    pub(crate) script: Script,
    /// The selected scope; none after a selection that could not be read.
    pub(crate) scope: Option<Scope>,
    pub(crate) line: usize,
    pub(crate) problems: Vec<Problem>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { script: Script::default(), scope: Some(Scope::Global), line: 0, problems: Vec::new() }
    }
}

/// A command that the first words of a line name.
pub(crate) struct Found {
    pub(crate) row: &'static Row,
    number: usize,
    /// How many words name it.
    pub(crate) depth: usize,
    /// The interface among them.
    named: Option<Value>,
}

/// A fault at a word's number, counted from 0; one past the last means the end of the line.
pub(crate) type Wrong = (usize, Text);

impl Reader {
    fn problem(&self, word: Option<&Word>, severity: Severity, message: Text) -> Problem {
        Problem {
            line: self.line,
            column: word.map_or(1, |w| w.column),
            word: word.map(|w| w.text.clone()).unwrap_or_default(),
            message,
            severity,
        }
    }

    pub(crate) fn fault(&self, word: Option<&Word>, message: Text) -> Problem {
        self.problem(word, Severity::Error, message)
    }

    pub(crate) fn words(&self, line: &str) -> Result<Vec<Word>, Problem> {
        if line.trim().chars().count() > LINE {
            let why = Fault::OutOfRange.because(
                format_args!("the line is longer than {LINE} characters"),
                format_args!("1行は{LINE}文字までです"),
            );
            return Err(self.fault(None, why));
        }
        lex::words(line).map_err(|why| Problem {
            line: self.line,
            column: why.column,
            word: why.word,
            message: Fault::IllegalKeyword.because(why.message.english, why.message.japanese),
            severity: Severity::Error,
        })
    }

    pub(crate) fn read(&mut self, line: &str) -> Result<(), Problem> {
        let all = self.words(line)?;
        let Some(first) = all.first() else { return Ok(()) };
        let negative = first.text.eq_ignore_ascii_case("no");
        let words = if negative { all.get(1..).unwrap_or_default() } else { &all[..] };
        let fault = |reader: &Self, (at, message): Wrong| {
            reader.fault(words.get(at).or_else(|| words.last()).or(Some(first)), message)
        };
        if words.is_empty() {
            let why =
                Fault::ParameterCount.because("no must be followed by a command", "noの後にコマンドを書いてください");
            return Err(self.fault(Some(first), why));
        }
        let found = find(words).map_err(|why| fault(self, why))?;
        if let Effect::Act(act) = found.row.effect {
            return self.act(act, negative, &found, words).map_err(|why| fault(self, why));
        }
        if found.row.form == Form::Do {
            let words = found.row.words;
            let message = Fault::InvalidCommand.because(
                format_args!("{words} is done at once and has no place in a configuration; remove the line"),
                format_args!("{words}はその場で実行するコマンドで、設定には書けません。この行を消してください"),
            );
            return Err(self.fault(Some(first), message));
        }
        let scope = self.scope_of(found.row).map_err(|message| self.fault(Some(first), message))?;
        let done = if negative { self.remove(scope, &found, words) } else { self.set(scope, &found, words, first) };
        done.map_err(|why| {
            let mut problem = fault(self, why);
            if found.row.is_secret() {
                let word = shown(&problem.word);
                problem.message = Text::new(
                    problem.message.english.replace(&word, "the word"),
                    problem.message.japanese.replace(&word, "この語"),
                );
                problem.word = found.row.words.to_owned();
            }
            problem
        })
    }

    /// The scope a row's entry goes to; none where the selection could not be read.
    fn scope_of(&self, row: &Row) -> Result<Option<Scope>, Text> {
        let words = row.words;
        match (row.home(), self.scope) {
            (Home::Global, _) => Ok(Some(Scope::Global)),
            (_, None) => Ok(None),
            (Home::Pp, Some(scope @ Scope::Pp(_))) | (Home::Tunnel, Some(scope @ Scope::Tunnel(_))) => Ok(Some(scope)),
            (Home::Pp, Some(_)) => Err(Fault::SelectPp.because(
                format_args!("{words} is about one interface; put pp select anonymous (or its number) before it"),
                format_args!("{words}の前にpp select anonymous(または番号)を書いてください"),
            )),
            (Home::Tunnel, Some(_)) => Err(Fault::SelectTunnel.because(
                format_args!("{words} is about one tunnel; put tunnel select and its number before it"),
                format_args!("{words}の前にtunnel selectと番号を書いてください"),
            )),
        }
    }

    fn set(&mut self, scope: Option<Scope>, found: &Found, words: &[Word], first: &Word) -> Result<(), Wrong> {
        let row = found.row;
        let (args, places) = fill_and_place(row, found.named.clone(), words, found.depth)?;
        if let Some(remark) = row.check.and_then(|check| check(Args(&args))) {
            let at = places.get(remark.slot).copied().flatten().map_or(words.len(), |at| at + remark.word);
            if remark.severity == Severity::Error {
                return Err((at, remark.message));
            }
            let message = Text::new(
                format!("{}: {}", row.words, remark.message.english),
                format!("{}: {}", row.words, remark.message.japanese),
            );
            let problem = self.problem(words.get(at), remark.severity, message);
            self.problems.push(problem);
        }
        let Some(scope) = scope else { return Ok(()) };
        let entries = match row.form {
            Form::Each => Args(&args).list(0).iter().map(|value| vec![Value::List(vec![value.clone()])]).collect(),
            Form::One | Form::Many(_) | Form::Do => vec![args],
        };
        for args in entries {
            let entry = Entry { args, line: self.line, column: first.column };
            self.script.entries.insert((scope, found.number, row.key(&entry.args)), entry);
        }
        Ok(())
    }

    fn remove(&mut self, scope: Option<Scope>, found: &Found, words: &[Word]) -> Result<(), Wrong> {
        let row = found.row;
        let Some(scope) = scope else { return Ok(()) };
        match row.form {
            Form::One | Form::Do => {
                self.script.entries.remove(&(scope, found.number, Vec::new()));
            }
            Form::Each if words.len() > found.depth => {
                let args = fill(row, None, words, found.depth)?;
                for value in Args(&args).list(0) {
                    self.script.entries.remove(&(scope, found.number, vec![Value::List(vec![value.clone()])]));
                }
            }
            Form::Each => self.script.entries.retain(|(s, number, _), _| (*s, *number) != (scope, found.number)),
            Form::Many(key) => {
                let selecting = Row { slots: row.slots.get(..key).unwrap_or(row.slots), ..*row };
                let key = fill_loosely(&selecting, found.named.clone(), words, found.depth)?;
                self.script.entries.remove(&(scope, found.number, key));
            }
        }
        Ok(())
    }

    fn act(&mut self, act: Act, negative: bool, found: &Found, words: &[Word]) -> Result<(), Wrong> {
        if matches!(act, Act::PpSelect | Act::TunnelSelect) {
            self.scope = None;
            if negative {
                self.scope = Some(Scope::Global);
                return Ok(());
            }
            let args = fill(found.row, None, words, found.depth)?;
            self.scope = Some(match (act, args.first()) {
                (_, Some(Value::Word("anonymous"))) => Scope::Pp(PpRef::Anonymous),
                (Act::PpSelect, Some(Value::Number(number))) => Scope::Pp(PpRef::Number(*number)),
                (_, Some(Value::Number(number))) => Scope::Tunnel(*number),
                _ => Scope::Global,
            });
            return Ok(());
        }
        let args = fill(found.row, None, words, found.depth)?;
        let (row, pp) = match act {
            Act::PpEnable | Act::PpDisable | Act::PpSelect => (number_of("pp enable"), true),
            Act::TunnelEnable | Act::TunnelDisable | Act::TunnelSelect => (number_of("tunnel enable"), false),
        };
        let on = matches!(act, Act::PpEnable | Act::TunnelEnable);
        let column = words.first().map_or(1, |w| w.column);
        for scope in Args(&args).list(0).iter().flat_map(|value| scopes(value, pp)) {
            let key = (scope, row, Vec::new());
            match (scope, on && !negative, negative) {
                (Scope::Global, false, _) => self.script.entries.retain(|(_, r, _), _| *r != row),
                (_, _, true) => {
                    self.script.entries.remove(&key);
                }
                (_, on, false) => {
                    let entry =
                        Entry { args: vec![Value::Word(if on { "on" } else { "off" })], line: self.line, column };
                    self.script.entries.insert(key, entry);
                }
            }
        }
        Ok(())
    }
}

/// The scopes that a word of `enable` or `disable` means; the global one stands for all.
fn scopes(value: &Value, pp: bool) -> Vec<Scope> {
    match value {
        Value::Numbers(first, last) if pp => (*first..=*last).map(|n| Scope::Pp(PpRef::Number(n))).collect(),
        Value::Numbers(first, last) => (*first..=*last).map(Scope::Tunnel).collect(),
        Value::Word("anonymous") => vec![Scope::Pp(PpRef::Anonymous)],
        _ => vec![Scope::Global],
    }
}

/// Finds the row whose keywords the line begins with, the longest one where several do.
pub(crate) fn find(words: &[Word]) -> Result<Found, Wrong> {
    find_among(words, true).or_else(|wrong| find_among(words, false).map_err(|_| wrong))
}

/// The rows by their keywords, one level a word.
#[derive(Default)]
struct Tree {
    /// The row whose keywords end here.
    row: Option<(usize, &'static Row)>,
    next: BTreeSet<&'static str>,
    below: BTreeMap<&'static str, Self>,
}

impl Tree {
    fn grow(listed: bool) -> Self {
        let mut root = Self::default();
        for (number, row, keywords) in keywords().filter(|(_, row, _)| row.listed == listed) {
            let mut tree = &mut root;
            for keyword in keywords {
                tree.next.insert(keyword);
                tree = tree.below.entry(keyword).or_default();
            }
            tree.row.get_or_insert((number, row));
        }
        root
    }
}

fn find_among(words: &[Word], listed: bool) -> Result<Found, Wrong> {
    static LISTED: LazyLock<Tree> = LazyLock::new(|| Tree::grow(true));
    static OTHERS: LazyLock<Tree> = LazyLock::new(|| Tree::grow(false));
    let mut tree: &'static Tree = if listed { &LISTED } else { &OTHERS };
    let mut found: Option<Found> = None;
    let mut named = None;
    let mut depth = 0;
    loop {
        if let Some((number, row)) = tree.row {
            found = Some(Found { row, number, depth, named: named.clone() });
        }
        let Some(word) = words.get(depth) else {
            return found.ok_or_else(|| (depth, follow(words, depth, &tree.next)));
        };
        match choose(&word.text, &tree.next) {
            Chosen::One(keyword) => {
                if keyword == "LAN" {
                    named = Some(Value::Text(word.text.to_ascii_lowercase()));
                }
                let Some(below) = tree.below.get(keyword) else {
                    return found.ok_or_else(|| (depth, unknown(words, depth, &tree.next)));
                };
                tree = below;
                depth += 1;
            }
            Chosen::None => return found.ok_or_else(|| (depth, unknown(words, depth, &tree.next))),
            Chosen::Several(several) => {
                let message = Fault::InvalidCommand.because(
                    format_args!("{} may mean {}; write more of it", shown(&word.text), or(&several)),
                    format_args!(
                        "{}だけでは{}の区別がつきません。もう少し書いてください",
                        shown(&word.text),
                        either(&several)
                    ),
                );
                return found.ok_or((depth, message));
            }
        }
    }
}

/// Each row with its number and keywords.
pub(crate) fn keywords() -> impl Iterator<Item = (usize, &'static Row, &'static [&'static str])> {
    static KEYWORDS: LazyLock<Vec<Vec<&'static str>>> =
        LazyLock::new(|| table().iter().map(|row| row.words.split(' ').collect()).collect());
    table().iter().zip(KEYWORDS.iter()).enumerate().map(|(number, (row, keywords))| (number, row, keywords.as_slice()))
}

pub(crate) enum Chosen {
    One(&'static str),
    None,
    Several(Vec<&'static str>),
}

pub(crate) fn choose(word: &str, next: &BTreeSet<&'static str>) -> Chosen {
    let lower = word.to_ascii_lowercase();
    if let Some(exact) = next.iter().find(|keyword| **keyword == lower) {
        return Chosen::One(exact);
    }
    if next.contains("LAN") && is_interface(&lower) {
        return Chosen::One("LAN");
    }
    let begun: Vec<&'static str> =
        next.iter().copied().filter(|k| !lower.is_empty() && *k != "LAN" && k.starts_with(&lower)).collect();
    match begun.as_slice() {
        [] => Chosen::None,
        [one] => Chosen::One(one),
        _ => Chosen::Several(begun),
    }
}

fn before(words: &[Word], depth: usize) -> String {
    words.iter().take(depth).map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// Keywords as they are typed.
pub(crate) fn typed(next: &BTreeSet<&'static str>) -> Vec<&'static str> {
    next.iter().map(|keyword| if *keyword == "LAN" { "lan1" } else { keyword }).collect()
}

fn follow(words: &[Word], depth: usize, next: &BTreeSet<&'static str>) -> Text {
    let (before, names) = (before(words, depth), typed(next));
    Fault::ParameterCount.because(
        format_args!("{before} must be followed by {}", or(&names)),
        format_args!("{before}の後に{}が必要です", either(&names)),
    )
}

fn unknown(words: &[Word], depth: usize, next: &BTreeSet<&'static str>) -> Text {
    let word = words.get(depth).map(|w| w.text.as_str()).unwrap_or_default();
    let names: Vec<&str> = next.iter().copied().filter(|keyword| *keyword != "LAN").collect();
    let (hint, jhint) = hints(word, &names);
    let (word, before) = (shown(word), before(words, depth));
    match (depth, hint.is_empty()) {
        (0, _) => Fault::InvalidCommand.because(
            format_args!("no command begins with {word}{hint}"),
            format_args!("{word}で始まるコマンドはありません{jhint}"),
        ),
        (_, false) => Fault::InvalidCommand.because(
            format_args!("{word} cannot follow {before}{hint}"),
            format_args!("{before}の後に{word}は書けません{jhint}"),
        ),
        (_, true) => Fault::InvalidCommand.because(
            format_args!("{word} cannot follow {before}; what can is {}", or(&typed(next))),
            format_args!("{before}の後に{word}は書けません。書けるのは{}です", either(&typed(next))),
        ),
    }
}

/// The values of a line, one for each place of its row.
fn fill(row: &Row, named: Option<Value>, words: &[Word], depth: usize) -> Result<Vec<Value>, Wrong> {
    fill_and_place(row, named, words, depth).map(|(args, _)| args)
}

/// As [`fill`], for a `no` form: words behind the places are let be.
fn fill_loosely(row: &Row, named: Option<Value>, words: &[Word], depth: usize) -> Result<Vec<Value>, Wrong> {
    let most = row.slots.len() - usize::from(named.is_some());
    let enough = words.get(..(depth + most).min(words.len())).unwrap_or(words);
    let optional = row.slots.first().is_some_and(|slot| slot.need == Need::May);
    match fill(row, named, enough, depth) {
        Err(_) if optional => Ok(vec![Value::Nothing; row.slots.len()]),
        other => other,
    }
}

type Placed = (Vec<Value>, Vec<Option<usize>>);

/// As [`fill`], with the number of the word that begins each place.
fn fill_and_place(row: &Row, named: Option<Value>, words: &[Word], depth: usize) -> Result<Placed, Wrong> {
    place_all(row, named, words, depth).map_err(|(at, message)| {
        let usage = row.usage();
        if message.english.contains(&usage) {
            return (at, message);
        }
        let (english, japanese) = (message.english, message.japanese);
        (at, Text::new(format!("{english} (write {usage})"), format!("{japanese}(書式: {usage})")))
    })
}

fn place_all(row: &Row, named: Option<Value>, words: &[Word], depth: usize) -> Result<Placed, Wrong> {
    let filled = Filled::new(row, named, words, depth)?;
    let missing = row.slots.iter().zip(&filled.args).any(|(slot, value)| match slot.need {
        Need::Must => *value == Value::Nothing,
        Need::Several(least, _) => Args(std::slice::from_ref(value)).list(0).len() < least,
        Need::May => false,
    });
    if missing {
        let usage = row.usage();
        let why = Fault::ParameterCount.because(
            format_args!("something is missing; write {usage}"),
            format_args!("足りないものがあります。書式は {usage} です"),
        );
        return Err((words.len(), why));
    }
    Ok((filled.args, filled.places))
}

/// The places of a row, as far as some words fill them.
pub(crate) struct Filled {
    pub(crate) args: Vec<Value>,
    /// The number of the word that begins each place.
    pub(crate) places: Vec<Option<usize>>,
    /// The first place that the next word may fill.
    pub(crate) next: usize,
}

impl Filled {
    /// Fills places with the words from `depth` on.
    pub(crate) fn new(row: &Row, named: Option<Value>, words: &[Word], depth: usize) -> Result<Self, Wrong> {
        let mut args = vec![Value::Nothing; row.slots.len()];
        let mut places: Vec<Option<usize>> = vec![None; row.slots.len()];
        let mut slot = 0;
        if let (Some(name), Some(first)) = (named, args.first_mut()) {
            *first = name;
            slot = 1;
        }
        let mut at = depth;
        while let Some(word) = words.get(at) {
            if let Some((place, value)) = option(row, &word.text).map_err(|message| (at, message))? {
                if places.get(place).copied().flatten().is_some() {
                    let word = shown(&word.text);
                    let why = Fault::ParameterCount
                        .because(format_args!("{word} is given twice"), format_args!("{word}が2回書かれています"));
                    return Err((at, why));
                }
                args[place] = value;
                places[place] = Some(at);
                at += 1;
                continue;
            }
            let (place, value, taken) = next_value(row, slot, &args, words, at)?;
            places[place] = places[place].or(Some(at));
            at += taken;
            match row.slots.get(place).map(|s| s.need) {
                Some(Need::Several(_, most)) => {
                    if let Value::List(values) = &mut args[place] {
                        values.push(value);
                    } else {
                        args[place] = Value::List(vec![value]);
                    }
                    let full = matches!(&args[place], Value::List(values) if values.len() >= most);
                    slot = if full { place + 1 } else { place };
                }
                _ => {
                    args[place] = value;
                    slot = place + 1;
                }
            }
        }
        Ok(Self { args, places, next: slot })
    }
}

/// Reads a `name=value` word, if the row has a place for it.
fn option(row: &Row, word: &str) -> Result<Option<(usize, Value)>, Text> {
    let Some((name, value)) = word.split_once('=') else {
        return Ok(None);
    };
    for (place, slot) in row.slots.iter().enumerate() {
        if matches!(slot.kind, Kind::Named(known, _) if known.eq_ignore_ascii_case(name)) {
            return slot.kind.read(value).map(|value| Some((place, value)));
        }
    }
    Ok(None)
}

/// Finds the next place that takes a word; returns how many words it took.
fn next_value(
    row: &Row,
    from: usize,
    args: &[Value],
    words: &[Word],
    at: usize,
) -> Result<(usize, Value, usize), Wrong> {
    let word = words.get(at).map(|w| w.text.as_str()).unwrap_or_default();
    let mut first: Option<Text> = None;
    for (place, slot) in row.slots.iter().enumerate().skip(from) {
        if matches!(slot.kind, Kind::Named(..)) {
            continue;
        }
        match (slot.kind, slot.kind.read(word)) {
            (Kind::Group(head, count), Ok(_)) => {
                let behind = words.get(at + 1..at + 1 + count).ok_or_else(|| {
                    let why = Fault::ParameterCount.because(
                        format_args!("{head} must be followed by {}", slot.name),
                        format_args!("{head}の後に{}が必要です", slot.name),
                    );
                    (words.len(), why)
                })?;
                let values = behind.iter().map(|w| Value::Text(w.text.clone())).collect();
                return Ok((place, Value::List(values), count + 1));
            }
            (_, Ok(value)) => return Ok((place, value, 1)),
            (_, Err(message)) => {
                let filled = args.get(place).is_some_and(|value| *value != Value::Nothing);
                let needed = match slot.need {
                    Need::Must => true,
                    Need::May => false,
                    Need::Several(least, _) => least > 0 && !filled,
                };
                if needed {
                    // A number that is out of bounds was not meant as on or off.
                    let numeric = word.starts_with(|c: char| c.is_ascii_digit());
                    let earlier = first.filter(|_| numeric || !matches!(slot.kind, Kind::Switch));
                    return Err((at, earlier.unwrap_or(message)));
                }
                first = first.or(Some(message));
            }
        }
    }
    let usage = row.usage();
    let too_many = || match row.is_secret() {
        true => Fault::ParameterCount.because(
            format_args!("write {usage}; a word with blanks stands in quotes"),
            format_args!("書式は {usage} です。空白を含む語は引用符で囲んでください"),
        ),
        false => Fault::ParameterCount.because(
            format_args!("{} is too much; write {usage}", shown(word)),
            format_args!("{}は余分です。書式は {usage} です", shown(word)),
        ),
    };
    Err((at, first.unwrap_or_else(too_many)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::config::{AuthRequest, Remote};
    use crate::request::{Part, Which};
    use proptest::prelude::*;

    fn good(text: &str) -> Config {
        let (config, problems) = parse(text);
        let errors: Vec<_> = problems.iter().filter(|p| p.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:?}");
        config
    }

    /// The only error of a text.
    fn error(text: &str) -> Problem {
        let errors: Vec<_> = parse(text).1.into_iter().filter(|p| p.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        errors[0].clone()
    }

    #[test]
    fn words_may_be_shortened_and_written_in_any_case() {
        assert!(good("L2TP Serv ON").l2tp_service);
        let config = good(
            "pp sel a\n pp au req mschap-v\n pp au user bob secret 10.0.0.9\nip lan1 addr 10.0.0.1/8\nipsec ike rem addr 3 any",
        );
        assert_eq!(config.anonymous.auth_request, Some(AuthRequest::MsChapV2));
        assert_eq!(config.anonymous.users[0].address, Some([10, 0, 0, 9].into()));
        assert_eq!(config.lans["lan1"].address, Some(([10, 0, 0, 1].into(), 8)));
        assert_eq!(config.gateways[&3].remote, Remote::Any);
    }

    #[test]
    fn an_error_names_the_line_the_column_the_word_and_what_would_be_right() {
        for (text, line, column, word, right) in [
            (
                "\nl2tp servise on",
                2,
                6,
                "servise",
                "Invalid command name: \"servise\" cannot follow l2tp; did you mean service?",
            ),
            (
                "ipsce use on",
                1,
                1,
                "ipsce",
                "Invalid command name: no command begins with \"ipsce\"; did you mean ipsec?",
            ),
            ("xyzzy", 1, 1, "xyzzy", "Invalid command name: no command begins with \"xyzzy\""),
            ("l2tp service onn", 1, 14, "onn", "Illegal keyword: \"onn\" is not on or off; did you mean on?"),
            ("pp select anonymous\n pp auth request mschapv2", 2, 18, "mschapv2", "did you mean mschap-v2?"),
            (
                "tunnel select 1\n l2tp keepalive use on 601",
                2,
                24,
                "601",
                "Parameter out of range: 601 is not within 1..600",
            ),
            (
                "tunnel select 1\n l2tp keepalive use on ten",
                2,
                24,
                "ten",
                "Parameter must be an integer: \"ten\" is not a number 1..600",
            ),
            ("ip lan1 address 192.168.100.300/24", 1, 17, "192.168.100.300/24", "Unrecognized IP address parameter"),
            (
                "ip lan1 address 192.168.100.1",
                1,
                17,
                "192.168.100.1",
                "the mask is missing; write it as in 192.168.100.1/24",
            ),
            (
                "ipsec use",
                1,
                7,
                "use",
                "Insufficient or too many parameters: something is missing; write ipsec use on|off",
            ),
            (
                "ipsec use on off",
                1,
                14,
                "off",
                "Insufficient or too many parameters: \"off\" is too much; write ipsec use on|off",
            ),
            ("ipsec ike", 1, 7, "ike", "Insufficient or too many parameters: ipsec ike must be followed by"),
            ("show stat", 1, 6, "stat", "show stat must be followed by fastpath, l2tp, pp, pptp, tunnel or user"),
            ("ip", 1, 1, "ip", "Insufficient or too many parameters: ip must be followed by"),
            ("i", 1, 1, "i", "Invalid command name: \"i\" may mean igmp, ip, ipsec, ipv6 or isdn; write more of it"),
            ("no", 1, 1, "no", "no must be followed by a command"),
            ("show config", 1, 1, "show", "is done at once and has no place in a configuration"),
            (
                "ipsec ike nat-traversal 1 on keepalive=5",
                1,
                30,
                "keepalive=5",
                "Parameter out of range: 5 is not within 30..100000",
            ),
            ("ipsec ike nat-traversal 1 on force=on force=on", 1, 39, "force=on", "given twice"),
            ("ipsec ike refuse des md6", 1, 22, "md6", "did you mean md5?"),
            ("ipsec ike group 1 modp1025", 1, 19, "modp1025", "did you mean modp1024?"),
        ] {
            let problem = error(text);
            assert_eq!(
                (problem.line, problem.column, problem.word.as_str()),
                (line, column, word),
                "{text}: {problem}"
            );
            assert!(problem.message.english.contains(right), "{text}: {problem}");
        }
    }

    #[test]
    fn a_line_that_needs_a_selection_says_so() {
        assert!(error("pp bind tunnel1").message.english.starts_with("Execute pp select command beforehand: pp bind"));
        assert!(
            error("tunnel select 1\npp bind tunnel1")
                .message
                .english
                .starts_with("Execute pp select command beforehand")
        );
        assert!(
            error("pp select 1\nno pp select\nppp lcp mru off")
                .message
                .english
                .starts_with("Execute pp select command beforehand")
        );
        assert!(
            error("pp select 1\nl2tp syslog on")
                .message
                .english
                .starts_with("Execute tunnel select command beforehand")
        );
    }

    #[test]
    fn a_selection_that_cannot_be_read_does_not_pour_its_lines_into_another_scope() {
        let (config, problems) = parse("tunnel select 1\n l2tp syslog on\ntunnel select 99999\n l2tp hostname x\n");
        assert_eq!(problems.iter().filter(|p| p.severity == Severity::Error).count(), 1);
        assert_eq!(config.tunnels[&1].l2tp.hostname, None);
        assert_eq!(config.tunnels.len(), 1);
    }

    #[test]
    fn a_refused_line_changes_nothing_and_the_rest_is_applied() {
        let (config, problems) = parse("ip lan1 address 10.0.0.1/8\nip lan1 address 10.0.0.256/8\nl2tp service on\n");
        assert_eq!(problems.iter().filter(|p| p.severity == Severity::Error).count(), 1);
        assert_eq!(config.lans["lan1"].address, Some(([10, 0, 0, 1].into(), 8)));
        assert!(config.l2tp_service);
    }

    #[test]
    fn no_takes_a_setting_back_to_its_default_and_out_of_show_config() {
        let config =
            good("l2tp service on\nipsec use on\nno l2tp service on\nip lan1 proxyarp on\nno ip lan1 proxyarp");
        assert!(!config.l2tp_service && config.ipsec_use);
        assert_eq!(config.show(), "ipsec use on\n");
        let text =
            "pp select anonymous\npp auth username a x\npp auth username b y\nno pp auth username a whatever follows";
        assert_eq!(good(text).anonymous.users.iter().map(|u| u.name.as_str()).collect::<Vec<_>>(), ["b"]);
        let text = "ipsec auto refresh on\nipsec auto refresh 2 off\nno ipsec auto refresh";
        assert_eq!(good(text).show(), "ipsec auto refresh 2 off\n");
        let text =
            "ipsec ike pre-shared-key 1 text a\nipsec ike pre-shared-key 2 text b\nno ipsec ike pre-shared-key 1";
        assert_eq!(good(text).show(), "ipsec ike pre-shared-key 2 text b\n");
        assert_eq!(good("ip route default gateway pp 1\nno ip route default").show(), "");
    }

    #[test]
    fn refused_words_add_up_and_each_can_be_taken_out() {
        let text = "ipsec ike refuse des-cbc md5\nipsec ike refuse 3des-cbc modp768\nno ipsec ike refuse md5 modp768";
        let config = good(text);
        assert_eq!(config.refused.iter().map(String::as_str).collect::<Vec<_>>(), ["3des-cbc", "des-cbc"]);
        assert_eq!(config.show(), "ipsec ike refuse 3des-cbc des-cbc\n");
        assert!(good(&format!("{text}\nno ipsec ike refuse")).refused.is_empty());
    }

    #[test]
    fn enable_and_disable_take_numbers_ranges_and_all() {
        let enabled = |text: &str| {
            let config = good(text);
            config.tunnels.iter().filter(|(_, t)| t.enabled).map(|(n, _)| *n).collect::<Vec<_>>()
        };
        assert_eq!(enabled("tunnel enable 1 3-5\nno tunnel enable 4"), [1, 3, 5]);
        assert_eq!(enabled("tunnel enable 1-3\ntunnel disable 2"), [1, 3]);
        assert_eq!(enabled("tunnel enable -3\nno tunnel enable all\ntunnel enable 7"), [7]);
        assert_eq!(
            enabled(
                "tunnel enable all\ntunnel select 4\ntunnel encapsulation l2tp\ntunnel select 5\ntunnel encapsulation l2tp\ntunnel disable 5"
            ),
            [4]
        );
        let config = good("pp enable anonymous 2\npp disable all\npp enable 3");
        assert!(!config.anonymous.enabled && config.pps[&3].enabled && !config.pps.contains_key(&2));
        assert!(good("pp enable all").anonymous.enabled);
        assert!(error("tunnel enable anonymous").message.english.contains("Illegal keyword"));
    }

    #[test]
    fn crlf_byte_order_mark_blanks_and_comments_are_taken() {
        let config = good("\u{feff}# head\r\n\r\n\tl2tp   service\ton # why\r\n");
        assert_eq!(config.show(), "l2tp service on\n");
    }

    #[test]
    fn a_line_may_have_4095_characters() {
        let line = |length: usize| format!("{:x<length$}", "l2tp service on #");
        assert!(good(&line(4095)).l2tp_service);
        assert!(error(&line(4096)).message.english.contains("longer than 4095"));
    }

    #[test]
    fn a_mistyped_line_is_told_of_and_not_that_it_is_missing() {
        let (_, problems) = parse("tunnel selct 1\n");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!((problems[0].line, problems[0].severity), (1, Severity::Error));
    }

    #[test]
    fn what_the_routers_know_and_this_server_does_not_is_told_and_kept() {
        for line in [
            "ip route default gateway pp 1",
            "nat descriptor masquerade static 1 2 192.168.1.1 gre",
            "radius auth on",
            "telnetd host lan",
        ] {
            let (config, problems) = parse(line);
            // Besides, that a file with nothing else in it lets nobody connect.
            let told = |severity: &Severity| problems.iter().filter(|p| p.severity == *severity).count();
            let severities = [Severity::Host, Severity::Later, Severity::Warning].map(|severity| told(&severity));
            assert!(matches!(severities, [1, 0, 1] | [0, 1, 1]) && problems.len() == 2, "{line}: {problems:?}");
            assert_eq!(config.show(), format!("{line}\n"));
        }
    }

    #[test]
    fn values_of_a_command_reach_its_fields() {
        let config = good(
            "pp select 3\n pp bind tunnel2\n ppp lcp mru off\n pp keepalive use lcp-echo\n pp keepalive interval 20 count=4\n ip pp tcp mss limit 1300\n pp auth multi connect prohibit on\n ppp ipv6cp use off\ntunnel select 2\n tunnel endpoint address 192.0.2.1\n l2tp keepalive use on 7\n l2tp tunnel auth on\nipsec ike pre-shared-key 2 0x00fF10\nipsec ike nat-traversal 2 on keepalive=off force=on type=2\nipsec ike keepalive use 2 on dpd 20 3\nipsec ike duration isakmp-sa 2 3600 rekey 80%\nipsec ike group 2 modp2048 modp1536\nipsec ike log 2 message-info key-info\nipsec ike retry 3 4\nsyslog facility local3\nsyslog host 192.0.2.9 log.example.jp\nsyslog debug on\nconsole character ja.utf8\nwins server 10.0.0.5\ndns server 10.0.0.6 10.0.0.7\n",
        );
        let pp = &config.pps[&3];
        assert_eq!((pp.lcp.mru, pp.multi_connect_prohibit, pp.ipv6cp), (None, true, false));
        assert_eq!(pp.keepalive.as_ref().map(|k| (k.interval_s, k.retry_interval_s, k.count)), Some((20, 1, 4)));
        assert_eq!(pp.tcp_mss, crate::Mss::Fixed(1300));
        let tunnel = &config.tunnels[&2];
        assert_eq!(tunnel.endpoint_remote, Some([192, 0, 2, 1].into()));
        assert_eq!(tunnel.l2tp.keepalive, Some((7, 6)));
        assert_eq!(tunnel.l2tp.auth.as_ref().map(|a| a.as_str()), Some("Sekisho"));
        let gateway = &config.gateways[&2];
        assert_eq!(gateway.key.as_slice(), [0, 0xff, 0x10]);
        assert_eq!((gateway.nat_keepalive_s, gateway.force_encapsulation, gateway.nat_traversal_type), (None, true, 2));
        assert_eq!(
            (gateway.dpd, gateway.isakmp_lifetime_s, gateway.ipsec_lifetime_s),
            (Some((20, 3)), Some(3600), None)
        );
        assert_eq!(gateway.group, (crate::IkeGroup::Modp2048, Some(crate::IkeGroup::Modp1536)));
        assert_eq!(gateway.log.len(), 2);
        assert_eq!(
            (config.ike_retry.clone().unwrap().count, config.syslog.facility, config.syslog.debug),
            (3, 19, true)
        );
        assert_eq!(config.syslog.hosts, ["192.0.2.9", "log.example.jp"]);
        assert_eq!(config.dns_servers.len(), 2);
    }

    #[test]
    fn neither_debug_output_nor_a_complaint_shows_a_secret() {
        let text = "pp select anonymous\npp auth username bob geheim1 10.0.0.1\ntunnel select 1\nl2tp tunnel auth on geheim2\nipsec ike pre-shared-key 1 text geheim3\nradius secret geheim4\npp select anonymous\npp auth username eve geheim5 geheim6 geheim7 geheim8\nipsec ike pre-shared-key 2 geheim9\nipsec ike pre-shared-key geheim\nipsec ike pre-shared-key 2 geheim geheim";
        let (config, problems) = parse(text);
        assert_eq!(problems.iter().filter(|p| p.severity == Severity::Error).count(), 4, "{problems:?}");
        assert!(!format!("{config:?}{problems:?}").contains("geheim"));
        assert!(config.show().contains("geheim1"));
    }

    #[test]
    fn requests_are_read() {
        assert_eq!(parse_request("show status l2tp"), Ok(Request::ShowStatusL2tp(None)));
        assert_eq!(parse_request("SH ST PP ANON"), Ok(Request::ShowStatusPp(Some(PpRef::Anonymous))));
        assert_eq!(parse_request("show ipsec sa"), Ok(Request::ShowIpsecSa(None)));
        assert_eq!(parse_request("show config"), Ok(Request::ShowConfig(Part::All)));
        assert_eq!(parse_request("help"), Ok(Request::Help));
        assert_eq!(parse_request("disconnect all"), Ok(Request::Disconnect(Which::All)));
        assert_eq!(parse_request("disconnect anonymous"), Ok(Request::Disconnect(Which::AllAnonymous)));
        assert_eq!(parse_request("disconnect ANONYMOUS02"), Ok(Request::Disconnect(Which::Anonymous(2))));
        assert_eq!(parse_request("disconnect pp 3"), Ok(Request::Disconnect(Which::Pp(3))));
        assert!(matches!(parse_request("ping 10.0.0.1"), Ok(Request::Elsewhere(_))));
        for wrong in ["", "show status l2pt", "l2tp service on", "disconnect bob", "disconnect", "show config now"] {
            assert_eq!(parse_request(wrong).map_err(|p| p.severity), Err(Severity::Error), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(pp|tunnel|ipsec|ip|no|l2tp|select|[a-z0-9 \\-=/#\n\"]){0,60}") {
            let (config, _) = parse(&text);
            prop_assert_eq!(&parse(&config.show()).0, &config);
        }
    }

    /// A word that a place may take, chosen by a number.
    fn sample(kind: Kind, pick: u32) -> String {
        let of = |words: &[&str]| words[pick as usize % words.len()].to_owned();
        match kind {
            Kind::Switch => of(&["on", "off"]),
            Kind::Choice(words) => of(words),
            Kind::Number(least, most) => (least + pick % (most - least + 1)).to_string(),
            Kind::NumberOr(least, most, words) => match pick % 3 {
                0 => of(words),
                _ => (least + pick % (most - least + 1)).to_string(),
            },
            Kind::Gateway => (1 + pick % 10_000).to_string(),
            Kind::Ipv4 => std::net::Ipv4Addr::from(pick).to_string(),
            Kind::Ip => of(&["192.0.2.1", "2001:db8::1"]),
            Kind::Host(_, words) => [&["192.0.2.1", "2001:db8::1", "vpn.example.jp"], words].concat()
                [pick as usize % (3 + words.len())]
            .to_owned(),
            Kind::Net6(_) => of(&["2001:db8:100::1/64", "2001:db8:200::/56", "fe80::1/10"]),
            Kind::Net(words) => match pick % 4 {
                0 if !words.is_empty() => of(words),
                1 => "10.1.2.3".to_owned(),
                _ => format!("10.1.2.3/{}", pick % 33),
            },
            Kind::Range(words) => match pick % 4 {
                0 => of(words),
                1 => "10.0.0.7".to_owned(),
                _ => "10.0.0.0-10.0.0.50".to_owned(),
            },
            Kind::Text(_, most) => [r#""a b""#, r"\#\?x", "0x00ff", r#"'"'"#, "plain", r"\\", "x"]
                [pick as usize % if most < 3 { 1 } else { 7 }]
            .to_owned(),
            Kind::Numbers(most) => format!("{}-{most}", most - pick % 20),
            Kind::OpenNumbers(..) => "1".to_owned(),
            Kind::Tunnels => format!("tunnel{}-tunnel{}", 1 + pick % 50, 51 + pick % 50),
            Kind::Named(name, inner) => format!("{name}={}", sample(*inner, pick)),
            Kind::Group("rekey", _) => "rekey 75%".to_owned(),
            Kind::Group(head, count) => {
                [head].into_iter().chain(["a"; 4].into_iter().take(count)).collect::<Vec<_>>().join(" ")
            }
            Kind::Interface => of(&["lan1", "lan2/3", "bridge1"]),
            Kind::Session => "all".to_owned(),
            Kind::Isdn => "03-1234-5678/Tokyo".to_owned(),
            Kind::Free => of(&["12", "007", "*", "udp", r#""two words""#, "80-90"]),
        }
    }

    /// What may stand behind the keywords of rows whose words are looked into by themselves.
    const TAILS: &[(&str, &[&str])] = &[
        ("ipsec ike local address", &["1 192.168.100.1", "2 vrrp lan1 1", "3 ipcp pp 1"]),
        (
            "ip filter",
            &[
                "1 pass *",
                "21474836 reject-nolog 10.0.0.0/8 * tcp,udp * 80,1024-2048",
                "7 restrict-log 10.*.*.1 10.0.0.1-10.0.0.9 icmp-error",
                "8 pass * * tcpflag!=0x0002/0x0017 www *",
            ],
        ),
        (
            "ip filter dynamic",
            &["1 * * tcp", "2 10.0.0.0/8 * ftp syslog=off timeout=60", "3 * * filter 1 2 in 3 out 4"],
        ),
        ("ip filter set", &["work in 1 2 dynamic 3 out 4", "home out 1", "\"two words\" in 9"]),
        ("ip pp secure filter", &["in 1 2", "out 3 dynamic 4", "name work", "in dynamic 1"]),
        ("ip tunnel secure filter", &["in 1 2", "out 3 dynamic 4", "name work"]),
        (
            "dhcp scope",
            &[
                "1 10.0.0.2-10.0.0.9/24",
                "2 10.0.0.2-10.0.0.99/255.255.255.0 except 10.0.0.5 10.0.0.7-10.0.0.8 gateway 10.0.0.1 expire 72:00",
            ],
        ),
    ];

    fn line_of(row: &Row, picks: &[u32]) -> String {
        if let Some((words, tails)) = TAILS.iter().find(|(words, _)| *words == row.words) {
            return format!("{words} {}", tails[picks[0] as usize % tails.len()]);
        }
        let mut next = picks.iter().copied().cycle();
        let mut pick = || next.next().unwrap_or(0);
        let mut words = row.words.to_owned();
        for slot in row.slots {
            let chosen = pick();
            let count = match slot.need {
                Need::Must => 1,
                Need::May => chosen % 2,
                Need::Several(least, most) => least as u32 + chosen % (most - least + 1).min(3) as u32,
            };
            for _ in 0..count {
                let word = sample(slot.kind, pick());
                match (slot.kind, words.contains("LAN")) {
                    (Kind::Interface, true) => words = words.replace("LAN", &word),
                    _ => words = format!("{words} {word}"),
                }
            }
        }
        words
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// One configuration that uses every row, in whatever form.
        #[test]
        fn a_configuration_of_every_row_reads_back_what_it_prints(seed in any::<u32>(), shuffle in any::<bool>()) {
            let mut state = seed;
            let mut lines = Vec::new();
            let mut rows: Vec<&Row> = table().iter().filter(|row| row.form != Form::Do).collect();
            if shuffle {
                rows.reverse();
            }
            for row in &rows {
                let select = match row.home() {
                    Home::Global => "",
                    Home::Pp => ["pp select anonymous\n", "pp select 3\n"][state as usize % 2],
                    Home::Tunnel => ["tunnel select 7\n", "tunnel select 8\n"][state as usize % 2],
                };
                for _ in 0..200 {
                    let picks: Vec<u32> = (0..12)
                        .map(|_| {
                            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            state >> 8
                        })
                        .collect();
                    let line = line_of(row, &picks);
                    let alone = parse(&format!("{select}{line}\n")).0;
                    if alone.script != Script::default() {
                        lines.push(format!("{select}{line}"));
                        break;
                    }
                }
            }
            prop_assert_eq!(lines.len(), rows.len());
            let (config, _) = parse(&(lines.join("\n") + "\npp enable anonymous\ntunnel enable 7\n"));
            let shown = config.show();
            let (again, _) = parse(&shown);
            prop_assert_eq!(again.show(), shown);
            prop_assert!(again == config);
        }
    }

    #[test]
    fn every_row_reads_back_what_it_prints() {
        let mut state = 1u32;
        for row in table().iter().filter(|row| row.form != Form::Do) {
            let mut read = 0;
            for _ in 0..60 {
                let picks: Vec<u32> = (0..12)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        state >> 8
                    })
                    .collect();
                let line = line_of(row, &picks);
                let select = match row.home() {
                    Home::Global => "",
                    Home::Pp => "pp select anonymous\n",
                    Home::Tunnel => "tunnel select 7\n",
                };
                let (config, problems) = parse(&format!("{select}{line}\n"));
                let at = select.lines().count() + 1;
                let refused = problems
                    .iter()
                    .any(|p| p.severity == Severity::Error && p.line == at && config.script == Script::default());
                if refused {
                    continue;
                }
                read += 1;
                let shown = config.show();
                let (again, _) = parse(&shown);
                assert_eq!(again.show(), shown, "{line}");
                assert!(again == config, "{line}\n{shown}");
            }
            assert!(
                read >= 5,
                "{}: only {read} of 60 samples were right, such as {}",
                row.words,
                line_of(row, &[1, 2, 3])
            );
        }
    }
}
