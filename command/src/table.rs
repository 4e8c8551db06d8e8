//! The table of all commands: One, Many, Each, Do; a command is one row.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use crate::config::{Config, Gateway, Pp, PpRef, Tunnel};
use crate::problem::Severity;
use crate::request::Request;
use crate::rows;
use crate::text::{Fault, Language, Text};
use crate::value::{Kind, Need, Slot, Value};

/// Where in `show config` a setting stands; the order of the variants is the order of printing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Security,
    Console,
    Description,
    Routing,
    Lan,
    PpBind,
    PpAuth,
    Ppp,
    PppAside,
    PppIpv6,
    IpPp,
    PpAside,
    PpEnable,
    TunnelTemplate,
    TunnelEncapsulation,
    TunnelIpsec,
    TunnelL2tp,
    TunnelAside,
    IpTunnel,
    TunnelEnable,
    Filter,
    FilterDynamic,
    FilterSet,
    Nat,
    Policy,
    Gateway,
    Ipsec,
    Syslog,
    Telnet,
    Dhcp,
    Dns,
    Wins,
    Radius,
    Aside,
    L2tp,
    Web,
    Schedule,
    Other,
    Nowhere,
}

/// How many settings a row stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One setting.
    One,
    /// A setting for each value of the first so many places.
    Many(usize),
    /// A set of values: each line adds to it, the `no` form takes out.
    Each,
    /// An act, which leaves no line behind.
    Do,
}

/// The kind of scope that a command belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    Global,
    Pp,
    Tunnel,
}

/// The scope that a setting stands in, and that a console has selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Nothing is selected.
    Global,
    /// `pp select`.
    Pp(PpRef),
    /// `tunnel select`.
    Tunnel(u32),
}

/// What somebody at a console may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// After logging in: look, and select.
    User,
    /// After `administrator`: everything.
    Administrator,
}

/// Who follows a row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// This server does.
    Effective,
    /// Linux does it already; in both languages, how.
    Host(&'static str, &'static str),
    /// It belongs to another product: L2TPv3, ISDN, PPPoE, NGN, switches.
    Foreign,
    /// It comes later: kept until then.
    Later,
}

/// What a command does to the scopes and switches themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    PpSelect,
    TunnelSelect,
    PpEnable,
    PpDisable,
    TunnelEnable,
    TunnelDisable,
}

/// What a row does.
#[derive(Clone, Copy)]
pub(crate) enum Effect {
    Global(fn(&mut Config, Args<'_>)),
    Pp(fn(&mut Pp, Args<'_>)),
    Tunnel(fn(&mut Tunnel, Args<'_>)),
    Gateway(fn(&mut Gateway, Args<'_>)),
    Act(Act),
    Ask(fn(Args<'_>) -> Request),
    /// Kept for a room of its own, which reads what was written.
    Apart(Home),
    /// Known and kept, without effect.
    Kept(Home),
}

/// What a row has to say about values that are well formed.
pub(crate) struct Remark {
    pub(crate) severity: Severity,
    /// Which place it is about.
    pub(crate) slot: usize,
    /// Which of the words of that place, counted from 0.
    pub(crate) word: usize,
    pub(crate) message: Text,
}

impl Remark {
    pub(crate) fn new(severity: Severity, slot: usize, english: &str, japanese: &str) -> Self {
        Self { severity, slot, word: 0, message: Text::new(english, japanese) }
    }

    /// A remark that the line is wrong.
    pub(crate) fn wrong(slot: usize, fault: Fault, english: &str, japanese: &str) -> Self {
        Self { severity: Severity::Error, slot, word: 0, message: fault.because(english, japanese) }
    }
}

/// A command.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// Its keywords; `LAN` stands for the name of an interface, which becomes the first value.
    pub(crate) words: &'static str,
    pub(crate) slots: &'static [Slot],
    pub(crate) form: Form,
    pub(crate) place: Place,
    pub(crate) effect: Effect,
    pub(crate) standing: Standing,
    /// Whether it is offered where a word is missing or wrong.
    pub(crate) listed: bool,
    /// Whether `tunnel template` hands it on as it stands.
    pub(crate) templated: bool,
    pub(crate) check: Option<fn(Args<'_>) -> Option<Remark>>,
    /// Syntax behind the keywords, where the places do not tell it.
    pub(crate) syntax: Option<&'static str>,
    pub(crate) default: &'static str,
    pub(crate) english: &'static str,
    pub(crate) japanese: &'static str,
}

impl Row {
    const fn new(words: &'static str, slots: &'static [Slot], place: Place, effect: Effect) -> Self {
        Self {
            words,
            slots,
            form: Form::One,
            place,
            effect,
            standing: match effect {
                Effect::Kept(_) => Standing::Later,
                _ => Standing::Effective,
            },
            listed: true,
            templated: false,
            check: None,
            syntax: None,
            default: "",
            english: "",
            japanese: "",
        }
    }

    pub(crate) const fn global(
        words: &'static str,
        slots: &'static [Slot],
        place: Place,
        set: fn(&mut Config, Args<'_>),
    ) -> Self {
        Self::new(words, slots, place, Effect::Global(set))
    }

    pub(crate) const fn pp(
        words: &'static str,
        slots: &'static [Slot],
        place: Place,
        set: fn(&mut Pp, Args<'_>),
    ) -> Self {
        Self::new(words, slots, place, Effect::Pp(set))
    }

    pub(crate) const fn tunnel(
        words: &'static str,
        slots: &'static [Slot],
        place: Place,
        set: fn(&mut Tunnel, Args<'_>),
    ) -> Self {
        Self::new(words, slots, place, Effect::Tunnel(set))
    }

    /// A row of `ipsec ike`, one setting a gateway.
    pub(crate) const fn gateway(words: &'static str, slots: &'static [Slot], set: fn(&mut Gateway, Args<'_>)) -> Self {
        Self::new(words, slots, Place::Gateway, Effect::Gateway(set)).many(1)
    }

    pub(crate) const fn act(words: &'static str, slots: &'static [Slot], place: Place, act: Act) -> Self {
        let mut row = Self::new(words, slots, place, Effect::Act(act));
        row.form = Form::Do;
        row
    }

    pub(crate) const fn ask(words: &'static str, slots: &'static [Slot], ask: fn(Args<'_>) -> Request) -> Self {
        let mut row = Self::new(words, slots, Place::Nowhere, Effect::Ask(ask));
        row.form = Form::Do;
        row
    }

    /// A row that a room of its own reads.
    pub(crate) const fn apart(home: Home, words: &'static str, slots: &'static [Slot], place: Place) -> Self {
        Self::new(words, slots, place, Effect::Apart(home))
    }

    /// A row that is kept and printed, and comes later.
    pub(crate) const fn kept(home: Home, words: &'static str, slots: &'static [Slot], place: Place) -> Self {
        Self::new(words, slots, place, Effect::Kept(home))
    }

    /// A row about something that Linux does already; `way` tells how, in both languages.
    pub(crate) const fn host(
        home: Home,
        words: &'static str,
        slots: &'static [Slot],
        place: Place,
        way: (&'static str, &'static str),
    ) -> Self {
        let mut row = Self::new(words, slots, place, Effect::Kept(home));
        row.standing = Standing::Host(way.0, way.1);
        row
    }

    /// A row of what this product is not.
    pub(crate) const fn foreign(home: Home, words: &'static str, slots: &'static [Slot], place: Place) -> Self {
        let mut row = Self::new(words, slots, place, Effect::Kept(home));
        row.standing = Standing::Foreign;
        row
    }

    /// Known, but offered to nobody and in the way of no abbreviation.
    pub(crate) const fn unlisted(mut self) -> Self {
        self.listed = false;
        self
    }

    pub(crate) const fn many(mut self, key: usize) -> Self {
        self.form = Form::Many(key);
        self
    }

    pub(crate) const fn each(mut self) -> Self {
        self.form = Form::Each;
        self
    }

    pub(crate) const fn templated(mut self) -> Self {
        self.templated = true;
        self
    }

    pub(crate) const fn check(mut self, check: fn(Args<'_>) -> Option<Remark>) -> Self {
        self.check = Some(check);
        self
    }

    pub(crate) const fn syntax(mut self, syntax: &'static str) -> Self {
        self.syntax = Some(syntax);
        self
    }

    pub(crate) const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    pub(crate) const fn help(mut self, english: &'static str, japanese: &'static str) -> Self {
        self.english = english;
        self.japanese = japanese;
        self
    }

    /// What it does, in one of the languages.
    pub(crate) const fn help_in(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Japanese => self.japanese,
        }
    }

    /// The kind of scope it belongs to.
    pub(crate) const fn home(&self) -> Home {
        match self.effect {
            Effect::Pp(_) => Home::Pp,
            Effect::Tunnel(_) => Home::Tunnel,
            Effect::Kept(home) | Effect::Apart(home) => home,
            Effect::Global(_) | Effect::Gateway(_) | Effect::Act(_) | Effect::Ask(_) => Home::Global,
        }
    }

    /// Whether somebody who is not the administrator may type it. Passwords and keys are not shown to them.
    pub(crate) fn is_for_users(&self) -> bool {
        const WORDS: &[&str] = &[
            "pp select",
            "tunnel select",
            "console character",
            "console columns",
            "console lines",
            "administrator",
            "quit",
            "exit",
            "help",
            "less log",
            "less config",
        ];
        WORDS.contains(&self.words) || self.words.starts_with("show ")
    }

    /// Whether it may be typed where this is selected.
    pub(crate) const fn is_at_home(&self, scope: Scope) -> bool {
        match self.home() {
            Home::Global => true,
            Home::Pp => matches!(scope, Scope::Pp(_)),
            Home::Tunnel => matches!(scope, Scope::Tunnel(_)),
        }
    }

    /// Whether its values must not be shown in a complaint.
    pub(crate) fn is_secret(&self) -> bool {
        const SECRETS: &[&str] = &[
            "pp auth username",
            "pp auth myname",
            "ipsec ike pre-shared-key",
            "l2tp tunnel auth",
            "radius secret",
            "login user",
            "login password",
            "administrator password",
        ];
        SECRETS.contains(&self.words)
    }

    /// Which place holds the gateway's number.
    pub(crate) fn gateway_slot(&self) -> Option<usize> {
        self.slots.iter().position(|slot| matches!(slot.kind, Kind::Gateway))
    }

    /// The values that tell this entry of the row from others.
    pub(crate) fn key(&self, args: &[Value]) -> Vec<Value> {
        match self.form {
            Form::One | Form::Do => Vec::new(),
            Form::Many(key) => args.get(..key).unwrap_or(args).to_vec(),
            Form::Each => args.to_vec(),
        }
    }

    /// The line of an entry.
    pub(crate) fn line(&self, args: &[Value]) -> String {
        let mut words: Vec<String> = self.words.split(' ').map(str::to_owned).collect();
        for (slot, value) in self.slots.iter().zip(args) {
            let named =
                if matches!(slot.kind, Kind::Interface) { words.iter_mut().find(|w| *w == "LAN") } else { None };
            match (named, value) {
                (_, Value::Nothing) => {}
                (Some(word), name) => *word = slot.kind.write(name),
                (None, value) => words.push(slot.kind.write(value)),
            }
        }
        words.retain(|word| !word.is_empty());
        words.join(" ")
    }

    /// What may be typed, for help and manual.
    pub(crate) fn usage(&self) -> String {
        let mut words = vec![self.words.to_owned()];
        if let Some(syntax) = self.syntax {
            words.push(syntax.to_owned());
        } else {
            let named = usize::from(self.words.split(' ').any(|word| word == "LAN"));
            words.extend(self.slots.iter().skip(named).map(usage_of));
        }
        words.retain(|word| !word.is_empty());
        words.join(" ")
    }
}

fn usage_of(slot: &Slot) -> String {
    let name = match slot.kind {
        Kind::Switch => "on|off".to_owned(),
        Kind::Choice(words) if words.len() <= 9 => words.join("|"),
        Kind::Named(name, inner) => format!("{name}={}", inner.choices().unwrap_or_else(|| slot.name.to_owned())),
        Kind::Group(head, _) => format!("{head} {}", slot.name),
        kind => match kind.choices() {
            Some(words) if kind.bounds().is_none() || words.len() <= 24 => format!("{}|{words}", slot.name),
            Some(_) | None => slot.name.to_owned(),
        },
    };
    match slot.need {
        Need::Must => name,
        Need::May => format!("[{name}]"),
        Need::Several(0, _) => format!("[{name} …]"),
        Need::Several(_, 1) => name,
        Need::Several(..) => format!("{name} [{name} …]"),
    }
}

/// The values of an entry, one for each place of its row.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a>(pub(crate) &'a [Value]);

impl<'a> Args<'a> {
    pub(crate) fn has(self, at: usize) -> bool {
        self.0.get(at).is_some_and(|value| *value != Value::Nothing)
    }

    pub(crate) fn on(self, at: usize) -> bool {
        self.word(at) == "on"
    }

    pub(crate) fn word(self, at: usize) -> &'static str {
        match self.0.get(at) {
            Some(Value::Word(word)) => word,
            _ => "",
        }
    }

    pub(crate) fn number(self, at: usize) -> Option<u32> {
        match self.0.get(at) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn octets(self, at: usize) -> Option<u16> {
        self.number(at).and_then(|number| number.try_into().ok())
    }

    pub(crate) fn text(self, at: usize) -> &'a str {
        match self.0.get(at) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    pub(crate) fn ip(self, at: usize) -> Option<IpAddr> {
        match self.0.get(at) {
            Some(Value::Ip(address)) => Some(*address),
            _ => None,
        }
    }

    pub(crate) fn ipv4(self, at: usize) -> Option<Ipv4Addr> {
        self.ip(at).and_then(ipv4)
    }

    pub(crate) fn net(self, at: usize) -> Option<(Ipv4Addr, u8)> {
        match self.0.get(at) {
            Some(Value::Net(address, mask)) => ipv4(*address).map(|address| (address, mask.unwrap_or(32))),
            _ => None,
        }
    }

    pub(crate) fn net6(self, at: usize) -> Option<(Ipv6Addr, u8)> {
        match self.0.get(at) {
            Some(Value::Net(IpAddr::V6(address), Some(bits))) => Some((*address, *bits)),
            _ => None,
        }
    }

    pub(crate) fn list(self, at: usize) -> &'a [Value] {
        match self.0.get(at) {
            Some(Value::List(values)) => values,
            Some(Value::Nothing) | None => &[],
            Some(one) => std::slice::from_ref(one),
        }
    }

    /// Words that are not looked into, as they were written.
    pub(crate) fn free(self, at: usize) -> Vec<String> {
        let word = |value: &Value| match value {
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            _ => String::new(),
        };
        self.list(at).iter().map(word).collect()
    }

    pub(crate) fn words(self, at: usize) -> impl Iterator<Item = &'static str> + 'a {
        self.list(at).iter().filter_map(|value| match value {
            Value::Word(word) => Some(*word),
            _ => None,
        })
    }

    pub(crate) fn ipv4s(self, at: usize) -> Vec<Ipv4Addr> {
        self.list(at).iter().filter_map(|value| if let Value::Ip(a) = value { ipv4(*a) } else { None }).collect()
    }

    pub(crate) fn ipv6s(self, at: usize) -> Vec<Ipv6Addr> {
        self.list(at)
            .iter()
            .filter_map(|value| match value {
                Value::Ip(IpAddr::V6(address)) => Some(*address),
                _ => None,
            })
            .collect()
    }
}

fn ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// All rows in the order of printing.
pub(crate) fn table() -> &'static [Row] {
    static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let mut rows: Vec<Row> = rows::FAMILIES.iter().flat_map(|family| family.rows.iter().copied()).collect();
        rows.sort_by_key(|row| row.place);
        rows
    });
    &TABLE
}

/// A row's number in the table, by its keywords; the number of rows where there is none.
pub(crate) fn number_of(words: &str) -> usize {
    static NUMBERS: LazyLock<BTreeMap<&'static str, usize>> =
        LazyLock::new(|| table().iter().enumerate().rev().map(|(number, row)| (row.words, number)).collect());
    NUMBERS.get(words).copied().unwrap_or_else(|| table().len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_explains_itself_in_both_languages() {
        for row in table() {
            assert!(row.english.len() > 4 && row.english.is_ascii(), "{}: {}", row.words, row.english);
            assert!(!row.japanese.is_empty() && !row.japanese.is_ascii(), "{}: {}", row.words, row.japanese);
            assert!(!row.english.ends_with('.'), "{}", row.words);
        }
    }

    #[test]
    fn no_two_rows_have_the_same_words() {
        let mut seen = BTreeSet::new();
        for row in table() {
            assert!(seen.insert(row.words), "{}", row.words);
        }
    }

    #[test]
    fn an_interface_in_the_words_is_the_first_value() {
        for row in table() {
            let first = row.slots.first().is_some_and(|slot| matches!(slot.kind, Kind::Interface));
            assert!(first || row.words.split(' ').all(|w| w != "LAN"), "{}", row.words);
        }
    }

    #[test]
    fn gateway_rows_have_the_gateway_in_their_key() {
        for row in table() {
            if let Effect::Gateway(_) = row.effect {
                let slot = row.gateway_slot().expect("a place for the gateway");
                assert!(matches!(row.form, Form::Many(key) if key > slot), "{}", row.words);
            }
        }
    }
}
