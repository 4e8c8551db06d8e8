//! The kinds of words that commands take: how each is read, explained and written.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use crate::lex::quoted;
use crate::text::{Fault, Language, Text};

/// Largest tunnel and gateway number.
pub(crate) const TUNNELS: u32 = 10_000;
/// Largest number of a PP interface.
pub(crate) const PPS: u32 = 150;
/// Largest policy and transport number.
pub(crate) const IDS: u32 = 2_147_483_647;

/// A password or key inside a [`crate::Config`]: used like what it holds, but `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hidden<T>(T);

impl<T> Hidden<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Hidden<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Hidden<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// One value of a command, as it stands in the script.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Value {
    /// An optional value that was not written.
    #[default]
    Nothing,
    /// A keyword.
    Word(&'static str),
    /// A number.
    Number(u32),
    /// An address.
    Ip(IpAddr),
    /// An address with or without the length of its mask.
    Net(IpAddr, Option<u8>),
    /// First and last address of a range.
    Range(Ipv4Addr, Ipv4Addr),
    /// First and last number of a range.
    Numbers(u32, u32),
    /// Free text.
    Text(String),
    /// Several values.
    List(Vec<Self>),
}

/// What a place in a command takes.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// `on` or `off`.
    Switch,
    /// One of some keywords.
    Choice(&'static [&'static str]),
    /// A number between two, inclusive.
    Number(u32, u32),
    /// A number between two, or one of some keywords.
    NumberOr(u32, u32, &'static [&'static str]),
    /// A security gateway's number.
    Gateway,
    /// An IPv4 address.
    Ipv4,
    /// An address of either version.
    Ip,
    /// An address or a name of at most so many characters, or one of some keywords.
    Host(usize, &'static [&'static str]),
    /// An IPv4 address with or without mask, or one of some keywords.
    Net(&'static [&'static str]),
    /// An IPv6 address with the length of its prefix, or one of some keywords.
    Net6(&'static [&'static str]),
    /// An IPv4 address or a range of them, or one of some keywords.
    Range(&'static [&'static str]),
    /// Text of so many characters at least and at most.
    Text(usize, usize),
    /// A number up to the limit, or a range `A-B`.
    Numbers(u32),
    /// A number up to the limit, `A-B`, `A-`, `-B`, or one of some keywords.
    OpenNumbers(u32, &'static [&'static str]),
    /// `tunnelN` or `tunnelN-tunnelM`.
    Tunnels,
    /// `name=VALUE`, in any place.
    Named(&'static str, &'static Self),
    /// A keyword and so many words of text behind it.
    Group(&'static str, usize),
    /// The name of a LAN interface.
    Interface,
    /// Which sessions to end: `all`, `anonymous`, `anonymousN`, or a number.
    Session,
    /// What a router asks of a caller by ISDN: its number, as `03-1234-5678/Tokyo`, `clid` or `mscbcp`.
    Isdn,
    /// A word that is not looked into.
    Free,
}

/// Whether a place must be filled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must.
    Must,
    /// It may stay empty.
    May,
    /// So many at least and at most.
    Several(usize, usize),
}

/// A place in a command.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) need: Need,
}

/// A place that must be filled.
pub(crate) const fn must(name: &'static str, kind: Kind) -> Slot {
    Slot { name, kind, need: Need::Must }
}

/// A place that may stay empty.
pub(crate) const fn may(name: &'static str, kind: Kind) -> Slot {
    Slot { name, kind, need: Need::May }
}

/// A place for several values.
pub(crate) const fn several(name: &'static str, kind: Kind, least: usize, most: usize) -> Slot {
    Slot { name, kind, need: Need::Several(least, most) }
}

/// `on` or `off`.
pub(crate) const SWITCH: Slot = must("SWITCH", Kind::Switch);
/// A security gateway's number.
pub(crate) const G: Slot = must("G", Kind::Gateway);
/// Whatever follows.
pub(crate) const REST: Slot = several("…", Kind::Free, 0, 1024);

const ON_OFF: &[&str] = &["on", "off"];

impl Kind {
    /// Reads a word; the fault says what is wrong and what would be right.
    pub(crate) fn read(&self, word: &str) -> Result<Value, Text> {
        match *self {
            Self::Switch => keyword(word, ON_OFF),
            Self::Choice(words) => keyword(word, words),
            Self::Number(least, most) => number(word, least, most).map(Value::Number),
            Self::NumberOr(least, most, words) => match keyword(word, words) {
                Ok(found) => Ok(found),
                Err(_) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                    number(word, least, most).map(Value::Number)
                }
                Err(_) => {
                    let (hint, jhint) = hints(word, words);
                    Err(Fault::IllegalKeyword.because(
                        format_args!("{} is neither a number {least}..{most} nor {}{hint}", shown(word), or(words)),
                        format_args!("{}は{least}~{most}の数でも{}でもありません{jhint}", shown(word), either(words)),
                    ))
                }
            },
            Self::Gateway => number(word, 1, TUNNELS).map(Value::Number),
            Self::Ipv4 => ipv4(word).map(|a| Value::Ip(a.into())),
            Self::Ip => word.parse().map(Value::Ip).map_err(|_| {
                no_address(word, "an IP address such as 192.168.100.1", "192.168.100.1のようなIPアドレス")
            }),
            Self::Host(most, words) => host(word, most, words),
            Self::Net(words) => keyword(word, words).or_else(|_| net(word)),
            // `ra-prefix@lan2::1/64`: the prefix is learnt elsewhere.
            Self::Net6([_, ..]) if word.contains('@') => Ok(Value::Text(word.to_owned())),
            Self::Net6(words) => keyword_exact(word, words).or_else(|()| net6(word)),
            Self::Range(words) => keyword(word, words).or_else(|_| range(word)),
            Self::Text(least, most) => text(word, least, most),
            Self::Numbers(most) => numbers(word, most),
            Self::OpenNumbers(most, words) => open_numbers(word, most, words),
            Self::Tunnels => tunnels(word),
            Self::Named(_, inner) => inner.read(word),
            Self::Group(head, _) => keyword(word, &[head]),
            Self::Interface => {
                let name = word.to_ascii_lowercase();
                is_interface(&name).then_some(Value::Text(name)).ok_or_else(|| {
                    Fault::IllegalKeyword.because(
                        format_args!("{} is not the name of an interface such as lan1, lan2/1 or bridge1", shown(word)),
                        format_args!("{}はlan1・lan2/1・bridge1のようなインタフェース名ではありません", shown(word)),
                    )
                })
            }
            Self::Session => session(word),
            Self::Isdn => isdn(word),
            Self::Free => Ok(free(word)),
        }
    }

    /// What may stand here, for help and manual.
    pub(crate) fn choices(&self) -> Option<String> {
        match *self {
            Self::Switch => Some("on|off".to_owned()),
            Self::Choice(words) => Some(words.join("|")),
            Self::NumberOr(_, _, words)
            | Self::Host(_, words)
            | Self::Net(words)
            | Self::Net6(words)
            | Self::Range(words)
                if !words.is_empty() =>
            {
                Some(words.join("|"))
            }
            Self::Number(..)
            | Self::NumberOr(..)
            | Self::Gateway
            | Self::Ipv4
            | Self::Ip
            | Self::Host(..)
            | Self::Net(_)
            | Self::Net6(_)
            | Self::Range(_)
            | Self::Text(..)
            | Self::Numbers(_)
            | Self::OpenNumbers(..)
            | Self::Tunnels
            | Self::Named(..)
            | Self::Group(..)
            | Self::Interface
            | Self::Session
            | Self::Isdn
            | Self::Free => None,
        }
    }

    /// The bounds of a number or a text.
    pub(crate) fn bounds_in(&self, language: Language) -> Option<String> {
        match *self {
            Self::Number(least, most) | Self::NumberOr(least, most, _) => Some(format!("{least}..{most}")),
            Self::Text(_, most) | Self::Host(most, _) => Some(match language {
                Language::English => format!("at most {most} characters"),
                Language::Japanese => format!("{most}文字まで"),
            }),
            Self::Named(_, inner) => inner.bounds_in(language),
            Self::Switch
            | Self::Choice(_)
            | Self::Gateway
            | Self::Ipv4
            | Self::Ip
            | Self::Net(_)
            | Self::Net6(_)
            | Self::Range(_)
            | Self::Numbers(_)
            | Self::OpenNumbers(..)
            | Self::Tunnels
            | Self::Group(..)
            | Self::Interface
            | Self::Session
            | Self::Isdn
            | Self::Free => None,
        }
    }

    /// The bounds, for the manual.
    pub(crate) fn bounds(&self) -> Option<String> {
        self.bounds_in(Language::English)
    }

    /// Writes a value so that [`Kind::read`] reads it back.
    pub(crate) fn write(&self, value: &Value) -> String {
        let text = match value {
            Value::Nothing => String::new(),
            Value::Word(word) => (*word).to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Ip(address) | Value::Net(address, None) => address.to_string(),
            Value::Net(address, Some(mask)) => format!("{address}/{mask}"),
            Value::Range(first, last) if first == last => first.to_string(),
            Value::Range(first, last) => format!("{first}-{last}"),
            Value::Numbers(first, last) if first == last => match self {
                Self::Tunnels => format!("tunnel{first}"),
                _ => first.to_string(),
            },
            Value::Numbers(first, last) => match self {
                Self::Tunnels => format!("tunnel{first}-tunnel{last}"),
                _ => format!("{first}-{last}"),
            },
            Value::Text(text) => quoted(text),
            Value::List(values) => values.iter().map(|v| self.write(v)).collect::<Vec<_>>().join(" "),
        };
        match (*self, value) {
            (Self::Named(name, _), _) => format!("{name}={text}"),
            (Self::Group(head, _), Value::List(_)) => format!("{head} {text}"),
            _ => text,
        }
    }
}

fn free(word: &str) -> Value {
    match word.parse::<u32>() {
        Ok(number) if number.to_string() == word => Value::Number(number),
        Ok(_) | Err(_) => Value::Text(word.to_owned()),
    }
}

/// Finds the keyword that a word means: itself, or the only one that it begins.
fn keyword(word: &str, words: &[&'static str]) -> Result<Value, Text> {
    let lower = word.to_ascii_lowercase();
    if let Some(exact) = words.iter().find(|w| **w == lower) {
        return Ok(Value::Word(exact));
    }
    let begun: Vec<&'static str> =
        words.iter().copied().filter(|w| !lower.is_empty() && w.starts_with(&lower)).collect();
    match begun.as_slice() {
        [one] => Ok(Value::Word(one)),
        [] => {
            let (hint, jhint) = hints(&lower, words);
            Err(Fault::IllegalKeyword.because(
                format_args!("{} is not {}{hint}", shown(word), or(words)),
                format_args!("{}は{}ではありません{jhint}", shown(word), either(words)),
            ))
        }
        several => Err(Fault::IllegalKeyword.because(
            format_args!("{} may mean {}; write more of it", shown(word), or(several)),
            format_args!("{}だけでは{}の区別がつきません。もう少し書いてください", shown(word), either(several)),
        )),
    }
}

fn number(word: &str, least: u32, most: u32) -> Result<u32, Text> {
    if word.is_empty() || !word.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::NotAnInteger.because(
            format_args!("{} is not a number {least}..{most}", shown(word)),
            format_args!("{}は{least}~{most}の数ではありません", shown(word)),
        ));
    }
    match word.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(Fault::OutOfRange.because(
            format_args!("{word} is not within {least}..{most}"),
            format_args!("{word}は{least}~{most}の範囲にありません"),
        )),
    }
}

fn no_address(word: &str, right: &str, japanese: &str) -> Text {
    Fault::BadAddress.because(
        format_args!("{} is not {right}", shown(word)),
        format_args!("{}は{japanese}ではありません", shown(word)),
    )
}

fn ipv4(word: &str) -> Result<Ipv4Addr, Text> {
    word.parse()
        .map_err(|_| no_address(word, "an IPv4 address such as 192.168.100.1", "192.168.100.1のようなIPv4アドレス"))
}

fn host(word: &str, most: usize, words: &[&'static str]) -> Result<Value, Text> {
    if let Ok(found) = keyword_exact(word, words) {
        return Ok(found);
    }
    if let Ok(address) = word.parse() {
        return Ok(Value::Ip(address));
    }
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let digits = word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if digits || word.len() > most || !word.trim_end_matches('.').split('.').all(label) {
        let other = if words.is_empty() { String::new() } else { format!(", or {}", or(words)) };
        let jother = if words.is_empty() { String::new() } else { format!("、{}", either(words)) };
        return Err(no_address(
            word,
            &format!("an address, a host name of at most {most} characters{other}"),
            &format!("アドレスや{most}文字までのホスト名{jother}"),
        ));
    }
    Ok(Value::Text(word.to_owned()))
}

/// A keyword that may not be abbreviated, because any other word is a name.
fn keyword_exact(word: &str, words: &[&'static str]) -> Result<Value, ()> {
    words.iter().find(|w| w.eq_ignore_ascii_case(word)).map(|w| Value::Word(w)).ok_or(())
}

fn net(word: &str) -> Result<Value, Text> {
    let wrong = || {
        no_address(
            word,
            "an address with its mask such as 192.168.100.1/24",
            "192.168.100.1/24のようなマスク付きのアドレス",
        )
    };
    let Some((address, mask)) = word.split_once('/') else {
        return ipv4(word).map(|a| Value::Net(a.into(), None)).map_err(|_| wrong());
    };
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let bits = match mask.parse::<Ipv4Addr>() {
        Ok(mask) if u32::from(mask).leading_ones() + u32::from(mask).trailing_zeros() >= 32 => {
            u32::from(mask).leading_ones()
        }
        Ok(_) => return Err(wrong()),
        Err(_) => number(mask, 0, 32).map_err(|_| wrong())?,
    };
    Ok(Value::Net(address.into(), u8::try_from(bits).ok()))
}

fn net6(word: &str) -> Result<Value, Text> {
    let wrong = || {
        no_address(
            word,
            "an IPv6 address with the length of its prefix such as 2001:db8:100::1/64",
            "2001:db8:100::1/64のようなプレフィックス長付きのIPv6アドレス",
        )
    };
    let (address, bits) = word.split_once('/').ok_or_else(wrong)?;
    let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
    let bits = number(bits, 0, 128).map_err(|_| wrong())?;
    Ok(Value::Net(address.into(), u8::try_from(bits).ok()))
}

fn range(word: &str) -> Result<Value, Text> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    match (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>()) {
        (Ok(first), Ok(last)) if first <= last => Ok(Value::Range(first, last)),
        (Ok(first), Ok(last)) => Err(backwards(&last, &first)),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Err(no_address(
            word,
            "an address or a range such as 192.168.100.200-192.168.100.250",
            "アドレスや192.168.100.200-192.168.100.250のような範囲",
        )),
    }
}

fn backwards(first: &dyn fmt::Display, last: &dyn fmt::Display) -> Text {
    Fault::OutOfRange.because(
        format_args!("the range runs backwards; write {first}-{last}"),
        format_args!("範囲の前後が逆です。{first}-{last}と書いてください"),
    )
}

fn text(word: &str, least: usize, most: usize) -> Result<Value, Text> {
    let length = word.chars().count();
    if length < least {
        return Err(Fault::ParameterCount.because("the text must not be empty", "文字列が空です"));
    }
    if length > most {
        return Err(Fault::OutOfRange.because(
            format_args!("the text has {length} characters, at most {most} are allowed"),
            format_args!("文字列が{length}文字あります。{most}文字までです"),
        ));
    }
    Ok(Value::Text(word.to_owned()))
}

fn numbers(word: &str, most: u32) -> Result<Value, Text> {
    let (first, last) = match word.split_once('-') {
        Some((first, last)) => (number(first, 1, most)?, number(last, 1, most)?),
        None => {
            let one = number(word, 1, most)?;
            (one, one)
        }
    };
    ordered(first, last)
}

fn ordered(first: u32, last: u32) -> Result<Value, Text> {
    if first > last {
        return Err(backwards(&last, &first));
    }
    Ok(Value::Numbers(first, last))
}

fn open_numbers(word: &str, most: u32, words: &[&'static str]) -> Result<Value, Text> {
    if word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return keyword(word, words);
    }
    match word.split_once('-') {
        Some(("", last)) => ordered(1, number(last, 1, most)?),
        Some((first, "")) => ordered(number(first, 1, most)?, most),
        Some(_) | None => numbers(word, most),
    }
}

fn tunnels(word: &str) -> Result<Value, Text> {
    let wrong = || {
        Fault::IllegalKeyword.because(
            format_args!(
                "{} is not a tunnel such as tunnel1, or a range such as tunnel1-tunnel8, with blanks between several",
                shown(word)
            ),
            format_args!("{}はtunnel1やtunnel1-tunnel8のような指定ではありません(複数は空白で区切ります)", shown(word)),
        )
    };
    let lower = word.to_ascii_lowercase();
    if is_line(&lower) {
        return Ok(Value::Text(lower));
    }
    let rest = lower.strip_prefix("tunnel").ok_or_else(wrong)?;
    let (first, last) = rest.split_once('-').unwrap_or((rest, rest));
    let last = last.strip_prefix("tunnel").unwrap_or(last);
    if ![first, last].iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
        return Err(wrong());
    }
    ordered(number(first, 1, TUNNELS)?, number(last, 1, TUNNELS)?)
}

fn isdn(word: &str) -> Result<Value, Text> {
    let (number, _) = word.split_once('/').unwrap_or((word, ""));
    let dialled = number.starts_with(|c: char| c.is_ascii_digit());
    let known = dialled && number.chars().all(|c| c.is_ascii_digit() || c == '-') || ["clid", "mscbcp"].contains(&word);
    known.then(|| Value::Text(word.to_owned())).ok_or_else(|| {
        Fault::IllegalKeyword.because(
            format_args!("{} is not clid, mscbcp or the number of a telephone", shown(word)),
            format_args!("{}はclid・mscbcp・電話番号ではありません", shown(word)),
        )
    })
}

fn session(word: &str) -> Result<Value, Text> {
    let lower = word.to_ascii_lowercase();
    if let Some(instance) = lower.strip_prefix("anonymous").filter(|rest| !rest.is_empty()) {
        return number(instance, 1, TUNNELS).map(|n| Value::Numbers(n, n));
    }
    if lower.starts_with(|c: char| c.is_ascii_digit()) {
        return number(&lower, 1, PPS).map(Value::Number);
    }
    keyword(&lower, &["all", "anonymous"]).map_err(|_| {
        Fault::IllegalKeyword.because(
            format_args!(
                "{} is not all, anonymous, anonymousN (such as anonymous1) or the number of a pp",
                shown(word)
            ),
            format_args!("{}はall・anonymous・anonymousN(anonymous1など)・PP番号のどれでもありません", shown(word)),
        )
    })
}

/// Whether a name is that of an interface with addresses: a LAN with its tagged and divided ones, a bridge, a VLAN, and those
/// towards nowhere and the world.
pub(crate) fn is_interface(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let digits = |s: &str| !s.is_empty() && s.len() <= 3 && s.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = lower.strip_prefix("lan") {
        let (number, tag) = rest.split_once(['/', '.']).map_or((rest, None), |(n, t)| (n, Some(t)));
        return digits(number) && tag.is_none_or(digits);
    }
    ["bridge", "vlan"].iter().chain(AWAY).any(|kind| lower.strip_prefix(kind).is_some_and(digits))
}

/// Whether a name is that of a line that a router dials on, such as `bri1` or `usb1`.
fn is_line(name: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.len() <= 3 && s.bytes().all(|b| b.is_ascii_digit() || b == b'/');
    ["bri", "pri", "usb", "wan"].iter().any(|kind| name.strip_prefix(kind).is_some_and(digits))
}

/// Interfaces that no LAN is behind.
const AWAY: &[&str] = &["loopback", "null", "wan", "onu"];

/// Whether a LAN is behind an interface.
pub(crate) fn is_lan(name: &str) -> bool {
    !AWAY.iter().any(|kind| name.starts_with(kind))
}

/// A word as it is shown in a message.
pub(crate) fn shown(word: &str) -> String {
    const MOST: usize = 40;
    if word.chars().count() > MOST {
        let head: String = word.chars().take(MOST).collect();
        return format!("\"{head}…\"");
    }
    format!("\"{word}\"")
}

/// Words as a choice: `a, b or c`.
pub(crate) fn or(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}

/// The word that a mistyped one was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    let (distance, found) = words.iter().map(|w| (distance(word, w), *w)).min()?;
    (distance <= 1 + found.len() / 4).then_some(found)
}

/// Words as a choice in Japanese: `a・b・c`.
pub(crate) fn either(words: &[&str]) -> String {
    words.join("・")
}

/// What was probably meant, in both languages.
pub(crate) fn hints(word: &str, words: &[&str]) -> (String, String) {
    match nearest(&word.to_ascii_lowercase(), words) {
        Some(meant) => (format!("; did you mean {meant}?"), format!("。{meant}のことですか?")),
        None => (String::new(), String::new()),
    }
}

/// The number of letters to insert, remove, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    fn read(kind: Kind, word: &str) -> String {
        match kind.read(word) {
            Ok(value) => kind.write(&value),
            Err(why) => format!("! {why}"),
        }
    }

    #[test]
    fn keywords_may_be_short_and_in_any_case() {
        const AUTH: Kind = Kind::Choice(&["pap", "chap", "mschap", "mschap-v2", "chap-pap"]);
        assert_eq!(read(AUTH, "MSCHAP-V2"), "mschap-v2");
        assert_eq!(read(AUTH, "mschap"), "mschap");
        assert_eq!(read(AUTH, "p"), "pap");
        assert_eq!(read(AUTH, "m"), "! Illegal keyword: \"m\" may mean mschap or mschap-v2; write more of it");
        assert_eq!(
            read(AUTH, "mschapv2"),
            "! Illegal keyword: \"mschapv2\" is not pap, chap, mschap, mschap-v2 or chap-pap; did you mean mschap-v2?"
        );
    }

    #[test]
    fn numbers_say_their_range() {
        assert_eq!(read(Kind::Number(1, 600), "10"), "10");
        assert_eq!(read(Kind::Number(1, 600), "601"), "! Parameter out of range: 601 is not within 1..600");
        assert_eq!(
            read(Kind::Number(1, 600), "99999999999"),
            "! Parameter out of range: 99999999999 is not within 1..600"
        );
        assert_eq!(read(Kind::Number(1, 600), "+1"), "! Parameter must be an integer: \"+1\" is not a number 1..600");
        assert_eq!(read(Kind::NumberOr(1, 9, &["off"]), "of"), "off");
    }

    #[test]
    fn ranges_and_lists_are_read() {
        assert_eq!(read(Kind::Numbers(100), "2-8"), "2-8");
        assert_eq!(read(Kind::Numbers(100), "8-2"), "! Parameter out of range: the range runs backwards; write 2-8");
        assert_eq!(read(Kind::OpenNumbers(100, &["all"]), "7-"), "7-100");
        assert_eq!(read(Kind::OpenNumbers(100, &["all"]), "-7"), "1-7");
        assert_eq!(read(Kind::Tunnels, "TUNNEL3"), "tunnel3");
        assert_eq!(read(Kind::Tunnels, "tunnel1-tunnel20"), "tunnel1-tunnel20");
        assert_eq!(read(Kind::Tunnels, "tunnel1-20"), "tunnel1-tunnel20");
        assert!(read(Kind::Tunnels, "1").starts_with("! Illegal keyword"));
    }

    #[test]
    fn addresses_are_read_with_and_without_mask() {
        assert_eq!(read(Kind::Net(&[]), "192.168.100.1/24"), "192.168.100.1/24");
        assert_eq!(read(Kind::Net(&[]), "192.168.100.1/255.255.255.0"), "192.168.100.1/24");
        assert_eq!(read(Kind::Net(&[]), "192.168.100.1/0.0.0.0"), "192.168.100.1/0");
        for wrong in ["192.168.100.1/33", "192.168.100/24", "192.168.100.1/255.0.255.0", "/"] {
            assert!(read(Kind::Net(&[]), wrong).starts_with("! Unrecognized IP address"), "{wrong}");
        }
        assert_eq!(read(Kind::Host(255, &["any"]), "any"), "any");
        assert_eq!(read(Kind::Host(255, &["any"]), "a.example.jp"), "a.example.jp");
        assert!(read(Kind::Host(255, &["any"]), "300.1.1.1").starts_with("! Unrecognized"));
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(nearest("adress", &["address", "proxyarp"]), Some("address"));
        assert_eq!(nearest("ipcp", &["syslog"]), None);
        assert_eq!(nearest("no", &["on", "off"]), Some("on"));
    }

    #[test]
    fn secrets_do_not_show() {
        assert_eq!(format!("{:?}", Hidden::new("geheim")), "Hidden(..)");
    }
}
